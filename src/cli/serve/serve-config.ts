import type { BitswapProtectionInit } from '../../bitswap/index.ts'
import type { ManagementOptions } from '../../management/index.ts'
import type { SecureChannelOptions } from '../../relay/index.ts'
import type { AlertOptions, AuditOptions, HistoryOptions, WebhookOptions } from '../../telemetry/index.ts'
import { ConfigFile } from '../config/config-file.ts'
import { ConfigObject } from '../config/config-object.ts'
import { type NodeConfig, readNode, readProtection } from './node-sections.ts'
import {
  type DaemonShutdown,
  type PoolConfig,
  readPools,
  readRelays,
  readShutdown
} from './relay-sections.ts'
import { readAlerts, readAudit, readHistory, readServer, readWebhooks } from './watching-sections.ts'

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
