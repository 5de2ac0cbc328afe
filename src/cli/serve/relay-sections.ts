import { join } from 'node:path'
import {
  defaultPoolOptions,
  type PoolOptions,
  SecureChannel,
  type SecureChannelOptions,
  SecureChannelPool
} from '../../relay/index.ts'
import { resolveShutdown } from '../../relay/nodes/secure-channel-options.ts'
import { ConfigObject } from '../config/config-object.ts'
import { namesOf, readOptions } from '../config/config-options.ts'
import { onlyGiven } from '../config/only-given.ts'
import { readBreaker, readRelayOptions, relayNames } from '../config/relay-config.ts'
import { readTls, tlsNames } from '../config/tls-config.ts'

// What a config file says of channels, of pools and of how they end.

/** A pool of channels to one endpoint. */
export interface PoolConfig {
  readonly endpoint: string
  readonly options: Partial<PoolOptions>
}

/** How long the end may take, in ms. */
export interface DaemonShutdown {
  readonly drainTimeoutMs: number
  readonly forceTimeoutMs: number
}

export const defaultDaemonShutdown: DaemonShutdown = Object.freeze({
  drainTimeoutMs: 60_000,
  forceTimeoutMs: 120_000
})

/** @throws ConfigError */
export async function readRelays(
  config: ConfigObject,
  directory: string | undefined,
  shutdown: DaemonShutdown
): Promise<ReadonlyArray<Partial<SecureChannelOptions>>> {
  const relays: Array<Partial<SecureChannelOptions>> = []
  for (const [index, given] of listOf(config, 'relays').entries()) {
    const relay = new ConfigObject(config.file, `relays[${index}]`, given, ['namespace', ...relayNames])
    const own = await readRelayOptions(relay)
    const stateFile = directory && join(directory, `relay-${index}.state`)
    const options = { ...own, shutdown: { ...shutdown, ...onlyGiven({ stateFile }), ...own.shutdown } }
    relay.checked(() => new SecureChannel(options))
    relays.push(options)
  }
  return relays
}

/** @throws ConfigError */
export async function readPools(config: ConfigObject): Promise<readonly PoolConfig[]> {
  const poolNames = namesOf(defaultPoolOptions).filter(
    name => !/^(breaker|probe|metrics(Host|Port|AuthToken))$/.test(name)
  )
  const pools: PoolConfig[] = []
  for (const [index, given] of listOf(config, 'pools').entries()) {
    const pool = new ConfigObject(config.file, `pools[${index}]`, given, [
      'endpoint',
      'circuitBreaker',
      ...poolNames
    ])
    const tls = pool.object('tls', tlsNames)
    const options = {
      ...readOptions(pool, defaultPoolOptions),
      ...onlyGiven<PoolOptions>({ breaker: readBreaker(pool), tls: tls && (await readTls(tls)) })
    }
    const endpoint = pool.given('endpoint')
    if (typeof endpoint !== 'string') throw config.file.error(pool.keyOf('endpoint'), 'host:port')
    pool.checked(() => new SecureChannelPool(endpoint, options))
    pools.push({ endpoint, options })
  }
  return pools
}

function listOf(config: ConfigObject, name: string): readonly unknown[] {
  const given = config.given(name) ?? []
  if (!Array.isArray(given)) throw config.file.error(name, 'a list')
  return given
}

export const shutdownNames = ['drainTimeout', 'forceTimeout', 'notifyWebhook']

/** @throws ConfigError */
export function readShutdown(config: ConfigObject): DaemonShutdown {
  const given = config.object('shutdown', shutdownNames)
  const shutdown = { ...defaultDaemonShutdown, ...readOptions(given, defaultDaemonShutdown) }
  // It is the same as that of a channel, which knows what values may be.
  given?.file.checked('', () => resolveShutdown(shutdown))
  return shutdown
}
