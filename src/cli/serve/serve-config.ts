import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { resolveBitswapProtectionOptions } from '../../bitswap/bitswap-options.ts'
import { resolveInboundOptions } from '../../bitswap/inbound-guard.ts'
import {
  type BitswapProtectionInit,
  defaultBitswapProtectionOptions,
  defaultInboundOptions
} from '../../bitswap/index.ts'
import { resolveCircuitBreakerOptions } from '../../core/circuit-breaker.ts'
import { resolveHealthOptions } from '../../core/health-monitor.ts'
import { defaultHealthOptions, defaultRecoveryOptions, presets } from '../../core/index.ts'
import { resolveRecoveryOptions } from '../../core/recovery-manager.ts'
import { defaultManagementOptions, type ManagementOptions } from '../../management/index.ts'
import { resolveManagementOptions } from '../../management/management-options.ts'
import {
  defaultPoolOptions,
  type PoolOptions,
  SecureChannel,
  type SecureChannelOptions,
  SecureChannelPool
} from '../../relay/index.ts'
import { resolveShutdown } from '../../relay/nodes/secure-channel-options.ts'
import { resolveAlertOptions } from '../../telemetry/alerts/alert-options.ts'
import { resolveHistoryOptions } from '../../telemetry/history/history-options.ts'
import {
  type AlertOptions,
  AuditLog,
  type AuditOptions,
  defaultAlertOptions,
  defaultAuditOptions,
  defaultBitswapAlerts,
  defaultHistoryOptions,
  defaultWebhookOptions,
  type HistoryOptions,
  type WebhookOptions
} from '../../telemetry/index.ts'
import { resolveWebhookOptions } from '../../telemetry/webhooks/webhook-options.ts'
import { CommandError } from '../command-error.ts'
import { ConfigFile } from '../config/config-file.ts'
import { ConfigObject } from '../config/config-object.ts'
import { namesOf, readOptions } from '../config/config-options.ts'
import { onlyGiven } from '../config/only-given.ts'
import { readBreaker, readRelayOptions, relayNames } from '../config/relay-config.ts'
import { readTls, tlsNames } from '../config/tls-config.ts'
import { peerAddress } from '../peer-address.ts'

/** The node that fetches and serves blocks. */
export interface NodeConfig {
  /** Where it listens, as multiaddrs. */
  readonly listen: readonly string[]
  /** Whom it stays connected to, as multiaddrs with `/p2p/…` at the end. */
  readonly peers: readonly string[]
}

export const defaultNodeConfig: NodeConfig = Object.freeze({
  listen: Object.freeze(['/ip4/127.0.0.1/tcp/0']),
  peers: Object.freeze([])
})

/** A pool of channels to one endpoint. */
interface PoolConfig {
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

/** What a daemon is made of. All of it was checked. */
export interface ServeConfig {
  /** Where all is kept that outlives it; nowhere if not given. */
  readonly directory: string | undefined
  /** None if not given. */
  readonly node: NodeConfig | undefined
  readonly protection: BitswapProtectionInit
  readonly relays: ReadonlyArray<Partial<SecureChannelOptions>>
  readonly pools: readonly PoolConfig[]
  readonly server: Partial<ManagementOptions>
  readonly alerts: Partial<AlertOptions>
  readonly webhooks: Partial<WebhookOptions>
  /** None is kept if not given. */
  readonly audit: Partial<AuditOptions> | undefined
  readonly history: Partial<HistoryOptions>
  readonly shutdown: DaemonShutdown
}

const names = [
  'directory',
  'node',
  'protection',
  'relays',
  'pools',
  'server',
  'alerts',
  'webhooks',
  'audit',
  'history',
  'shutdown'
]

/** Reads the config of a daemon, and the files that it names. To be disposed of when the daemon has ended. */
export class ServeConfigFile implements Disposable {
  readonly #file: ConfigFile
  readonly config: ServeConfig

  /** What the file has. */
  get document(): Readonly<Record<string, unknown>> {
    return this.#file.document as Readonly<Record<string, unknown>>
  }

  /** @param path - everything is as it is by default if not given. @throws ConfigError */
  static async read(path: string | undefined): Promise<ServeConfigFile> {
    const file = path === undefined ? ConfigFile.empty() : await ConfigFile.read(path)
    try {
      return new ServeConfigFile(file, await read(new ConfigObject(file, '', file.document, names)))
    } catch (error) {
      file[Symbol.dispose]()
      throw error
    }
  }

  private constructor(file: ConfigFile, config: ServeConfig) {
    this.#file = file
    this.config = config
  }

  /** Takes secrets out of memory. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]()
  }
}

async function read(config: ConfigObject): Promise<ServeConfig> {
  const given = config.fileName('directory')
  const directory = given === undefined ? undefined : config.file.locate(given)
  const shutdown = readShutdown(config)
  return {
    directory,
    node: readNode(config),
    protection: readProtection(config),
    relays: await readRelays(config, directory, shutdown),
    pools: await readPools(config),
    server: await readServer(config),
    alerts: readAlerts(config),
    webhooks: await readWebhooks(config, directory),
    audit: readAudit(config, directory),
    history: readHistory(config),
    shutdown
  }
}

function readNode(config: ConfigObject): NodeConfig | undefined {
  if (config.given('node') === false) return undefined
  const node = config.object('node', namesOf(defaultNodeConfig))
  if (node === undefined) return defaultNodeConfig
  return {
    listen: readAddresses(node, 'listen', text => multiaddr(text)),
    peers: readAddresses(node, 'peers', text => peerAddress(text))
  }
}

function readAddresses(
  node: ConfigObject,
  name: keyof NodeConfig,
  check: (text: string) => unknown
): readonly string[] {
  const given = node.given(name)
  if (given === undefined) return defaultNodeConfig[name]
  if (!Array.isArray(given)) throw node.file.error(node.keyOf(name), 'a list of multiaddrs')
  for (const [index, address] of given.entries()) {
    const key = `${node.keyOf(name)}[${index}]`
    if (typeof address !== 'string') throw node.file.error(key, 'a multiaddr')
    try {
      check(address)
    } catch (error) {
      const why = error instanceof CommandError ? error.message : 'a multiaddr such as /ip4/0.0.0.0/tcp/4001'
      throw node.file.error(key, why)
    }
  }
  return given as string[]
}

function readProtection(config: ConfigObject): BitswapProtectionInit {
  const own = namesOf(defaultBitswapProtectionOptions).filter(name => name !== 'breaker')
  const given = config.object('protection', [...own, 'circuitBreaker'])
  if (given === undefined) return {}
  const breaker = readBreaker(given)
  const options = {
    ...readOptions(given, defaultBitswapProtectionOptions),
    ...onlyGiven<BitswapProtectionInit>({
      breaker,
      health: readPart(given, 'health', defaultHealthOptions),
      recovery: readPart(given, 'recovery', defaultRecoveryOptions),
      inbound: readPart(given, 'inbound', defaultInboundOptions)
    })
  }
  given.checked(() => {
    resolveBitswapProtectionOptions(options)
    resolveCircuitBreakerOptions(options.breaker, presets.bitswap)
    resolveHealthOptions(options.health)
    resolveRecoveryOptions(options.recovery)
    resolveInboundOptions(options.inbound ?? {})
  })
  return options
}

function readPart<Options extends object>(
  config: ConfigObject,
  name: string,
  defaults: Options
): Partial<Options> | undefined {
  const given = config.object(name, namesOf(defaults))
  return given && readOptions(given, defaults)
}

async function readRelays(
  config: ConfigObject,
  directory: string | undefined,
  shutdown: DaemonShutdown
): Promise<ServeConfig['relays']> {
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

async function readPools(config: ConfigObject): Promise<readonly PoolConfig[]> {
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

async function readServer(config: ConfigObject): Promise<Partial<ManagementOptions>> {
  const given = config.object('server', [...namesOf(defaultManagementOptions), 'authTokenFile'])
  if (given === undefined) return {}
  const token = await readSecretText(given, 'authToken')
  const options = {
    ...readOptions(given, defaultManagementOptions),
    ...onlyGiven<ManagementOptions>({ authToken: token, tls: await readServerTls(given) })
  }
  given.checked(() => resolveManagementOptions(options))
  return options
}

async function readServerTls(server: ConfigObject): Promise<ManagementOptions['tls']> {
  const tls = server.object('tls', ['certificateFile', 'keyFile', 'clientAuthoritiesFile'])
  if (tls === undefined) return undefined
  const cert = await tls.fileContent('certificateFile')
  const key = await tls.fileContent('keyFile')
  if (cert === undefined) throw server.file.error(tls.keyOf('certificateFile'), 'the name of a file')
  if (key === undefined) throw server.file.error(tls.keyOf('keyFile'), 'the name of a file')
  return { cert, key, clientAuthorities: await tls.fileContent('clientAuthoritiesFile') }
}

/** What is given as a text, or better as the name of a file that has it. */
async function readSecretText(config: ConfigObject, name: string): Promise<string | undefined> {
  const fileKey = `${name}File`
  const inFile = (await config.fileContent(fileKey))?.trim()
  const given = config.given(name) as string | undefined
  if (inFile !== undefined && given !== undefined)
    throw config.file.error(config.keyOf(fileKey), `nothing beside ${name}`)
  return inFile ?? given
}

function readAlerts(config: ConfigObject): Partial<AlertOptions> {
  const given = config.object('alerts', namesOf(defaultAlertOptions))
  if (given === undefined) return {}
  const bitswap = readPart(given, 'bitswap', defaultBitswapAlerts)
  const options = {
    ...readOptions(given, defaultAlertOptions),
    ...onlyGiven<AlertOptions>({ bitswap: bitswap as AlertOptions['bitswap'] | undefined })
  }
  given.checked(() => resolveAlertOptions(options))
  return options
}

async function readWebhooks(
  config: ConfigObject,
  directory: string | undefined
): Promise<Partial<WebhookOptions>> {
  const own = namesOf(defaultWebhookOptions).filter(name => name !== 'urls')
  const types = ['failover', 'recovery', 'degraded', 'shutdown'] as const
  const given = config.object('webhooks', [...types, ...own, 'secretFile'])
  const notifyWebhook = config.object('shutdown', shutdownNames)?.given('notifyWebhook')
  const urls = onlyGiven<Record<string, unknown>>({
    shutdown: notifyWebhook,
    ...onlyGiven(Object.fromEntries(types.map(type => [type, given?.given(type)])))
  }) as WebhookOptions['urls']
  const named = given?.fileName('deadLetterFile')
  const deadLetterFile =
    named === undefined ? directory && join(directory, 'dead-letters.jsonl') : config.file.locate(named)
  const options = {
    ...(given && readOptions(given, defaultWebhookOptions)),
    ...onlyGiven<WebhookOptions>({
      deadLetterFile,
      secret: given && (await readSecretText(given, 'secret'))
    }),
    urls
  }
  config.file.checked('webhooks', () => resolveWebhookOptions(options))
  return options
}

function readAudit(config: ConfigObject, directory: string | undefined): Partial<AuditOptions> | undefined {
  if (config.given('audit') === false) return undefined
  const given = config.object('audit', namesOf(defaultAuditOptions))
  const named = given?.fileName('file')
  const file = named === undefined ? directory && join(directory, 'audit.jsonl') : config.file.locate(named)
  if (file === undefined) {
    if (given === undefined) return undefined
    throw config.file.error(given.keyOf('file'), 'the name of a file, as there is no directory')
  }
  const options = { ...(given && readOptions(given, defaultAuditOptions)), file }
  config.file.checked('audit', () => new AuditLog(options))
  return options
}

function readHistory(config: ConfigObject): Partial<HistoryOptions> {
  const given = config.object('history', namesOf(defaultHistoryOptions))
  const options = readOptions(given, defaultHistoryOptions)
  config.file.checked('history', () => resolveHistoryOptions(options))
  return options
}

const shutdownNames = ['drainTimeout', 'forceTimeout', 'notifyWebhook']

function readShutdown(config: ConfigObject): DaemonShutdown {
  const given = config.object('shutdown', shutdownNames)
  const shutdown = { ...defaultDaemonShutdown, ...readOptions(given, defaultDaemonShutdown) }
  // It is the same as that of a channel, which knows what values may be.
  given?.file.checked('', () => resolveShutdown(shutdown))
  return shutdown
}
