import { type CircuitBreakerOptions, tripAt } from '../../core/index.ts'
import {
  type HealthCheckOptions,
  SecureChannel,
  type SecureChannelOptions,
  type ShutdownOptions
} from '../../relay/index.ts'
import { setUpTls, type TlsOptions } from '../../relay/tls/tls-options.ts'
import { ConfigFile } from './config-file.ts'
import { ConfigObject } from './config-object.ts'
import { type ConfiguredNode, readNode } from './node-config.ts'
import { onlyGiven } from './only-given.ts'
import { readTls, tlsNames } from './tls-config.ts'

/** What there is to say about a channel to several nodes. */
export const relayNames: readonly string[] = [
  'primaryNodes',
  'backupNodes',
  'tls',
  'allowLoopbackHttp',
  'circuitBreaker',
  'healthCheck',
  'shutdown',
  'requestTimeout',
  'hedgeAfter',
  'maxRetries',
  'retryShare',
  'maxLagBlocks',
  'maxConnections',
  'maxRequestsPerS',
  'maxNodeRequestsPerS'
]

/**
 * What a config file says of a channel to several nodes. Whatever it does not say is left to the channel, which also knows
 * what values may be.
 */
export class RelayConfig implements Disposable {
  readonly #file: ConfigFile
  readonly #options: Partial<SecureChannelOptions>

  /** Reads the file, and those it names. @throws ConfigError */
  static async read(path: string): Promise<RelayConfig> {
    const file = await ConfigFile.read(path)
    try {
      return new RelayConfig(
        file,
        await readRelayOptions(new ConfigObject(file, '', file.document, relayNames))
      )
    } catch (error) {
      file[Symbol.dispose]()
      throw error
    }
  }

  private constructor(file: ConfigFile, options: Partial<SecureChannelOptions>) {
    this.#file = file
    this.#options = options
  }

  /** To be closed before this is disposed of. @throws ConfigError */
  createChannel(): SecureChannel {
    return this.#file.checked('', () => new SecureChannel(this.#options))
  }

  /** Takes secrets out of memory. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]()
  }
}

/** Reads the files it names. What values may be, the channel knows. A `namespace` is for metrics. @throws ConfigError */
export async function readRelayOptions(config: ConfigObject): Promise<Partial<SecureChannelOptions>> {
  const tls = await readSharedTls(config)
  return onlyGiven<SecureChannelOptions>({
    namespace: config.given('namespace') as string | undefined,
    primaryNodes: await readNodes(config, 'primaryNodes', tls),
    backupNodes: await readNodes(config, 'backupNodes', tls),
    tls,
    allowLoopbackHttp: config.flag('allowLoopbackHttp'),
    requestTimeoutMs: config.durationMs('requestTimeout'),
    hedgeAfterMs: config.durationMs('hedgeAfter'),
    maxRetries: config.given('maxRetries') as number | undefined,
    retryShare: config.given('retryShare') as number | undefined,
    maxLagBlocks: config.given('maxLagBlocks') as number | undefined,
    maxConnections: config.given('maxConnections') as number | undefined,
    maxRequestsPerS: config.given('maxRequestsPerS') as number | undefined,
    maxNodeRequestsPerS: config.given('maxNodeRequestsPerS') as number | undefined,
    breaker: readBreaker(config),
    healthCheck: readHealthCheck(config),
    shutdown: readShutdown(config)
  })
}

async function readSharedTls(config: ConfigObject): Promise<Partial<TlsOptions>> {
  const given = config.object('tls', tlsNames)
  if (given === undefined) return {}
  const tls = await readTls(given)
  config.file.checked('', () => setUpTls(tls, given.key))
  return tls
}

async function readNodes(
  config: ConfigObject,
  name: 'primaryNodes' | 'backupNodes',
  tls: Partial<TlsOptions>
): Promise<ConfiguredNode[] | undefined> {
  const given = config.given(name)
  if (given === undefined) return undefined
  const key = config.keyOf(name)
  if (!Array.isArray(given)) throw config.file.error(key, 'a list of nodes')
  const nodes: ConfiguredNode[] = []
  for (const [index, node] of given.entries())
    nodes.push(await readNode(config.file, `${key}[${index}]`, node, tls))
  return nodes
}

/** How a circuit is made to open and close. @throws ConfigError */
export function readBreaker(config: ConfigObject): Partial<CircuitBreakerOptions> | undefined {
  const given = config.object('circuitBreaker', [
    'failureThreshold',
    'successThreshold',
    'timeout',
    'maxRequests'
  ])
  if (given === undefined) return undefined
  const consecutiveFailures = given.given('failureThreshold') as number | undefined
  return onlyGiven<CircuitBreakerOptions>({
    readyToTrip: config.checked(() => tripAt(onlyGiven({ consecutiveFailures }))),
    successThreshold: given.given('successThreshold') as number | undefined,
    timeoutMs: given.durationMs('timeout'),
    maxRequests: given.given('maxRequests') as number | undefined
  })
}

function readHealthCheck(config: ConfigObject): Partial<HealthCheckOptions> | undefined {
  const given = config.object('healthCheck', ['interval', 'timeout', 'retries', 'probeTimeout'])
  if (given === undefined) return undefined
  return onlyGiven<HealthCheckOptions>({
    intervalMs: given.durationMs('interval'),
    timeoutMs: given.durationMs('timeout'),
    retries: given.given('retries') as number | undefined,
    probeTimeoutMs: given.durationMs('probeTimeout')
  })
}

function readShutdown(config: ConfigObject): Partial<ShutdownOptions> | undefined {
  const given = config.object('shutdown', ['drainTimeout', 'forceTimeout', 'preserveState', 'stateFile'])
  if (given === undefined) return undefined
  return onlyGiven<ShutdownOptions>({
    drainTimeoutMs: given.durationMs('drainTimeout'),
    forceTimeoutMs: given.durationMs('forceTimeout'),
    stateFile: readStateFile(given)
  })
}

/** To name one is to want it; unless it is said that it is not. */
function readStateFile(shutdown: ConfigObject): string | undefined {
  const path = shutdown.fileName('stateFile')
  const preserveState = shutdown.flag('preserveState')
  if (preserveState === true && path === undefined)
    throw shutdown.file.error(shutdown.keyOf('stateFile'), 'the name of a file, as preserveState is true')
  return path === undefined || preserveState === false ? undefined : shutdown.file.locate(path)
}
