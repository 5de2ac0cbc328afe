import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Managed, type ManagedBitswap, ManagementServer } from '../../management/index.ts'
import { memoryProtectionStatus, SecureChannel, SecureChannelPool } from '../../relay/index.ts'
import {
  AlertMonitor,
  AuditLog,
  History,
  recordEvents,
  recordUptime,
  Webhooks
} from '../../telemetry/index.ts'
import { packageVersion } from '../package-version.ts'
import { groupByPeer } from '../peer-address.ts'
import { Provider } from '../provider.ts'
import { managedBlocks } from './managed-blocks.ts'
import { notify } from './notifications.ts'
import { recordConnections } from './recorded-connections.ts'
import type { ServeConfig } from './serve-config.ts'
import { type ServingNode, startServingNode } from './serving-node.ts'

/** How long webhooks that are still to be delivered may take in the end, in ms. */
const WEBHOOK_GRACE_MS = 5_000

/** Who is watched and shown. */
interface Sources {
  readonly bitswap: readonly ManagedBitswap[]
  readonly pools: readonly SecureChannelPool[]
  readonly channels: readonly SecureChannel[]
}

/** Whom the daemon tells what people shall see. */
export interface DaemonLog {
  info(text: string): void
  warn(text: string): void
}

/**
 * A node, channels and pools, what watches them, and the server that shows them, as one. What was started is ended in the opposite
 * order: the server last of all that others see, so that it can be seen how the end goes.
 */
export class Daemon implements AsyncDisposable {
  readonly #config: ServeConfig
  readonly #log: DaemonLog
  readonly #stack = new AsyncDisposableStack()
  readonly #ending = new AbortController()
  #server: ManagementServer | undefined
  #channels: readonly SecureChannel[] = []
  #webhooks: Webhooks | undefined

  readonly #onError = (error: unknown): void =>
    this.#log.warn(error instanceof Error ? error.message : String(error))

  /** @throws what keeps it from starting: a port that is taken, a directory that cannot be written to */
  static async start(config: ServeConfig, log: DaemonLog): Promise<Daemon> {
    const daemon = new Daemon(config, log)
    try {
      await daemon.#start()
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
    return daemon
  }

  private constructor(config: ServeConfig, log: DaemonLog) {
    this.#config = config
    this.#log = log
  }

  /** Where its server listens. */
  get url(): string {
    return this.#server!.url!
  }

  /**
   * Says that nothing new is to come, and waits until what is under way at nodes is done, for as long as the config says.
   *
   * @throws StateFileError if what must not be lost could not be saved
   */
  async drain(): Promise<void> {
    this.#server?.drain()
    this.#webhooks?.send('shutdown', { reason: 'ended' })
    const ends = await Promise.allSettled(this.#channels.map(channel => channel.drain()))
    const failed = ends.find(end => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await this.#stack.disposeAsync()
  }

  async #start(): Promise<void> {
    const { directory, relays, pools: poolConfigs } = this.#config
    if (directory !== undefined) await mkdir(directory, { recursive: true })
    const log = this.#openAuditLog()
    this.#webhooks = this.#openWebhooks()
    const node = await this.#startNode()
    const channels = relays.map(options => this.#stack.use(new SecureChannel(options)))
    const pools = poolConfigs.map(({ endpoint, options }) =>
      this.#stack.use(new SecureChannelPool(endpoint, options))
    )
    this.#channels = channels
    const bitswap = node && (node.libp2p.services.protection as unknown as ManagedBitswap)
    const sources = { bitswap: bitswap ? [bitswap] : [], pools, channels }
    if (log !== undefined) this.#record(log, sources, node)
    const watch = this.#watch(sources)
    const onAction = (type: string, fields: object): void => log?.record(type, fields)
    await this.#serve(onAction, { ...watch, bitswap, pools, channels, blocks: node && managedBlocks(node) })
    for (const pool of pools) pool.startCleanup()
    // As long as nodes have not answered, the server says that it is not ready.
    await Promise.all([...channels, ...pools].map(each => each.start()))
  }

  #openAuditLog(): AuditLog | undefined {
    const { audit } = this.#config
    return audit && this.#stack.use(new AuditLog(audit, { onError: this.#onError }))
  }

  #openWebhooks(): Webhooks {
    const webhooks = new Webhooks(this.#config.webhooks, { onError: this.#onError })
    this.#stack.defer(() => webhooks.close(WEBHOOK_GRACE_MS))
    return webhooks
  }

  #record(log: AuditLog, sources: Sources, node: ServingNode | undefined): void {
    this.#stack.defer(recordUptime(log, sources))
    this.#stack.defer(recordEvents(log, sources))
    if (node !== undefined) this.#stack.defer(recordConnections(log, node.libp2p))
  }

  #watch(sources: Sources) {
    const alerts = this.#stack.use(new AlertMonitor(sources, this.#config.alerts, { onError: this.#onError }))
    const history = this.#stack.use(new History(sources, this.#config.history, { onError: this.#onError }))
    this.#stack.defer(notify(this.#webhooks!, alerts, sources.channels))
    alerts.start()
    history.start()
    return { alerts, history }
  }

  async #serve(onAction: (type: string, fields: object) => void, managed: Managed): Promise<void> {
    const options = { version: await packageVersion(), ...this.#config.server }
    const whole = { ...managed, memoryProtection: memoryProtectionStatus }
    this.#server = this.#stack.use(new ManagementServer(whole, options, { onError: this.#onError, onAction }))
    await this.#server.start()
  }

  async #startNode(): Promise<ServingNode | undefined> {
    const { node: config, directory, protection } = this.#config
    if (config === undefined) return undefined
    const { listen, maxStoredBytes } = config
    const storage =
      directory === undefined ? undefined : { directory: join(directory, 'node'), maxBytes: maxStoredBytes }
    const node = await startServingNode(listen, storage, protection)
    this.#stack.defer(async () => {
      await node.stop()
    })
    for (const address of node.libp2p.getMultiaddrs()) this.#log.info(`Listening for peers on ${address}`)
    for (const addresses of groupByPeer(config.peers)) {
      const provider = new Provider(node.libp2p, addresses, this.#ending.signal)
      void provider.connect().then(() => provider.stayConnected())
    }
    return node
  }
}
