import {
  type ComponentLogger,
  type ConnectionGater,
  type ContentRouting,
  type Libp2pEvents,
  type Logger,
  type Metrics,
  type PeerId,
  type PeerStore,
  type Startable,
  serviceCapabilities,
  TypedEventEmitter,
  type TypedEventTarget
} from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { peerIdFromString } from '@libp2p/peer-id'
import type { CID } from 'multiformats/cid'
import { systemRandom } from '../core/clock.ts'
import {
  type CallOptions,
  type Clock,
  type CoreComponents,
  type Health,
  InvalidOptionError,
  type Mode,
  type PeerGlance,
  type PeerStatus,
  type ProtectedFunction,
  Protection,
  type ProtectionEvent,
  RejectedError,
  systemClock
} from '../core/index.ts'
import { AutoTuner, type TuningMode, type TuningStatus } from './auto-tuner.ts'
import { type BitswapProtectionInit, resolveBitswapProtectionOptions } from './bitswap-options.ts'
import type {
  BitswapExplanation,
  BitswapOverallStatus,
  BitswapPeerStatus,
  BitswapProtectionEvents
} from './bitswap-status.ts'
import { DialGate } from './dial-gate.ts'
import { BlockService, type GetBlockOptions } from './fetch/block-service.ts'
import { InboundGate } from './inbound-gate.ts'
import { resolveInboundOptions } from './inbound-guard.ts'
import { LoopLag } from './loop-lag.ts'
import type { PeerLink } from './peer-link.ts'
import { PeerRecords, type RecordDatastore } from './peer-records.ts'
import { PeerTags } from './peer-tags.ts'
import { ProtectionMetrics } from './protection-metrics.ts'
import { StreamLayer } from './stream-layer.ts'
import { Supply } from './supply.ts'

/** What the service needs of the node it is part of. */
export interface BitswapProtectionComponents {
  readonly registrar: Registrar
  readonly connectionManager: ConnectionManager
  readonly connectionGater: ConnectionGater
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly metrics?: Metrics
  /** Where providers of blocks are looked up. */
  readonly contentRouting?: ContentRouting
  /** Where peers are tagged by their health. */
  readonly peerStore?: PeerStore
  /** Where is kept what is held against peers. */
  readonly datastore?: RecordDatastore
}

/**
 * Keeps the Bitswap of a libp2p node fast and alive when some of its peers do not behave.
 *
 * As a service of the node it guards every Bitswap stream by itself; calls of your own go through
 * {@link executeRequest}. Peers are known by their peer ids. Dispatches {@link BitswapProtectionEvents}.
 */
export class BitswapProtectionManager
  extends TypedEventEmitter<BitswapProtectionEvents>
  implements Startable
{
  readonly [Symbol.toStringTag] = 'bitswap-protection'
  readonly [serviceCapabilities]: string[] = ['bitswap-protection']

  readonly #clock: Clock
  readonly #log: Logger
  readonly #protection: Protection
  readonly #records: PeerRecords | undefined
  readonly #supply: Supply
  readonly #streams: StreamLayer
  readonly #tuner: AutoTuner
  readonly #dialGate: DialGate | undefined
  readonly #inboundGate: InboundGate
  readonly #metrics: ProtectionMetrics
  readonly #blocks: BlockService
  readonly #tags: PeerTags | undefined
  /** Blocks that came in mode `observe` from peers that would not have been asked. */
  #blocksLost = 0
  #isStarted = false
  #isClosed = false

  /** @throws InvalidOptionError */
  constructor(
    components: BitswapProtectionComponents,
    init: BitswapProtectionInit = {},
    core: CoreComponents = {}
  ) {
    super()
    const options = resolveBitswapProtectionOptions(init)
    const {
      openWaitMs,
      openTimeoutMs,
      wantTimeoutMs,
      gateDials,
      hedgeShare,
      recordMaxAgeMs,
      tuning,
      inbound,
      protectedPeers,
      allowedPeers,
      ...protection
    } = options
    this.#log = components.logger.forComponent('bitswap-protection')
    this.#clock = core.clock ?? systemClock
    this.#protection = new Protection(
      { ...protection, preset: 'bitswap' },
      {
        onListenerError: error => this.#log.error('a listener failed - %e', error),
        mayEject: key => this.#supply.mayEject(key),
        ...core
      }
    )
    const kept = new Set(protectedPeers)
    this.#protection.onEvent(event => this.#onEvent(event))
    const { datastore } = components
    if (datastore !== undefined && recordMaxAgeMs > 0)
      this.#records = new PeerRecords(this.#protection, datastore, recordMaxAgeMs, this.#clock, this.#log)
    this.#metrics = new ProtectionMetrics(components.metrics, () => this.getOverallStatus())
    const loopLag = new LoopLag(this.#clock)
    const tuner = new AutoTuner(
      this.#clock,
      () => loopLag.read(),
      { openWaitMs, wantTimeoutMs, hedgeShare },
      tuning
    )
    this.#tuner = tuner
    this.#streams = new StreamLayer(components, {
      protection: this.#protection,
      clock: this.#clock,
      metrics: this.#metrics,
      tuner,
      loopLag,
      log: this.#log,
      openTimeoutMs,
      inbound: resolveInboundOptions(inbound),
      maxTracked: options.maxTargets,
      kept,
      taker: () => this.#blocks.fetcher,
      onSuspect: link => this.#blocks.fetcher?.suspected(link),
      onCleared: () => this.#blocks.fetcher?.readmitted(),
      onBlock: (link, wasRefused) => this.#onBlock(link, wasRefused),
      onGone: (link, isItsFault) => this.#onGone(link, isItsFault)
    })
    const { links } = this.#streams
    this.#supply = new Supply(links, {
      clock: this.#clock,
      isEjected: key => this.#protection.isEjected(key),
      kept,
      maxShare: options.maxEjectedShare
    })
    const allowed = new Set(allowedPeers)
    this.#blocks = new BlockService(components, {
      protection: this.#protection,
      clock: this.#clock,
      random: core.random ?? systemRandom,
      deadlines: this.#streams.deadlines,
      links,
      limits: tuner.limits,
      load: tuner,
      onWant: (result, elapsedMs) => this.#metrics.noteWant(result, elapsedMs),
      isAllowed: key => allowedPeers.length === 0 || allowed.has(key),
      onDelivered: (link, wasRefused) => this.#onBlock(link, wasRefused),
      onProof: ({ key }) => {
        if (!kept.has(key)) this.#protection.ejectAnyway(key)
      },
      judgeDial: (peer, error, sinceMs) => this.#streams.judgeDial(peer, error, sinceMs),
      open: link => this.#streams.open(link)
    })
    this.#tags = components.peerStore && new PeerTags(components.peerStore, this.#log)
    this.#inboundGate = new InboundGate(
      components.connectionGater,
      this.#clock,
      key => this.#streams.isShutOut(key),
      options.maxTargets
    )
    this.#dialGate = gateDials ? new DialGate(components.connectionGater, this.#protection) : undefined
  }

  /** Before anything of the node dials or is dialled; waits a moment for what was held against peers before. */
  async beforeStart(): Promise<void> {
    this.start()
    await this.#records?.ready()
  }

  start(): void {
    if (this.#isStarted || this.#isClosed) return
    this.#isStarted = true
    this.#protection.resume()
    this.#streams.start()
    this.#blocks.start()
    this.#dialGate?.start()
    this.#inboundGate.start()
    this.#records?.start()
  }

  /** While the datastore of the node is still there; waits a moment until it has what is held against peers. */
  async beforeStop(): Promise<void> {
    await this.#records?.flush()
  }

  /** Leaves the node as it was. What is known of peers is kept. */
  stop(): void {
    if (!this.#isStarted) return
    this.#isStarted = false
    this.#records?.stop()
    this.#dialGate?.stop()
    this.#inboundGate.stop()
    this.#blocks.stop()
    this.#streams.stop()
    this.#protection.pause()
  }

  /** Stops for good: calls are rejected with a {@link ProtectionClosedError}, and nothing is protected any more. */
  close(): void {
    this.stop()
    this.#isClosed = true
    this.#protection.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  get mode(): Mode {
    return this.#protection.mode
  }

  /** @throws InvalidOptionError */
  set mode(mode: Mode) {
    this.#protection.mode = mode
    if (mode === 'off') this.#streams.lookAway()
  }

  /**
   * Calls `fn` on behalf of a peer, if the peer may be called, and lets the end of it count. Bitswap streams to the
   * peer that are opened meanwhile belong to the call, and count no further.
   *
   * @throws RejectedError when the peer may not be called; what `fn` throws; the signal's reason; CallTimeoutError;
   * ProtectionClosedError; InvalidOptionError
   */
  async executeRequest<Value>(
    peer: PeerId,
    fn: ProtectedFunction<Value>,
    options?: CallOptions
  ): Promise<Value> {
    const link = this.#streams.links.claim(peer)
    try {
      return await this.#protection.executeRequest(
        link.key,
        async call => {
          link.executing++
          try {
            return await fn(call)
          } finally {
            link.executing--
          }
        },
        options
      )
    } catch (error) {
      if (error instanceof RejectedError && error.key === link.key) this.#metrics.noteRejection(error.reason)
      throw error
    } finally {
      this.#streams.links.release(link)
    }
  }

  /**
   * Fetches a block from the peers that are connected, those given, and those the routing finds: asks one of the best,
   * another if that takes long, and goes on until it has the block.
   *
   * @throws the signal's reason; NotStartedError
   */
  getBlock(cid: CID, options?: GetBlockOptions): Promise<Uint8Array> {
    return this.#blocks.getBlock(cid, options)
  }

  /** What is known of a peer; `undefined` when there is no record of it. */
  getPeerStatus(peer: PeerId | string): BitswapPeerStatus | undefined {
    const status = this.#protection.getPeerStatus(peer.toString())
    return status === undefined ? undefined : this.#withLink(status)
  }

  /** A peer's health; `undefined` when there is no record of it. */
  getHealth(peer: PeerId | string): Health | undefined {
    return this.#protection.getHealth(peer.toString())
  }

  /** Whether limits are fitted to what the node meets with. Setting it starts from what was configured. */
  get tuning(): TuningMode {
    return this.#tuner.mode
  }

  /** @throws InvalidOptionError */
  set tuning(mode: TuningMode) {
    this.#tuner.mode = mode
  }

  /** The limits in force, and what was changed of them and why. */
  getTuningStatus(): TuningStatus {
    return this.#tuner.status()
  }

  /** What is known of all peers together. */
  getOverallStatus(): BitswapOverallStatus {
    const status = this.#protection.getOverallStatus()
    const counterfactual = Object.freeze({ ...status.counterfactual, blocksLost: this.#blocksLost })
    return Object.freeze({ ...status, counterfactual, totals: this.#metrics.totals() })
  }

  /** Why a peer is treated as it is; `undefined` when there is no record of it. */
  explain(peer: PeerId | string): BitswapExplanation | undefined {
    const explanation = this.#protection.explain(peer.toString())
    return explanation && Object.freeze({ ...explanation, faults: this.#blocks.faults(peer.toString()) })
  }

  /**
   * How a peer behaves, for gossipsub: `appSpecificScore: peer => protection.score(peer)`. It is 0 for a peer that
   * behaves or is not known, and never above: whoever serves blocks well need not relay messages well. With gossipsub's
   * weight of 10 a spoiler of blocks is ignored altogether (its graylist threshold is -80), and to a peer whose circuit is
   * open nothing is published (-50).
   *
   * @param peer - its id, or that as text
   */
  score(peer: PeerId | string): number {
    const key = peer.toString()
    if (this.#blocks.faults(key).some(({ fault }) => fault === 'CORRUPT_BLOCK')) return -10
    const status = this.#protection.getPeerStatus(key)
    if (status === undefined) return 0
    if (status.circuitState === 'OPEN') return -5
    return status.circuitState === 'HALF_OPEN' || status.healthStatus === 'UNHEALTHY' ? -1 : 0
  }

  /** Keeps a peer from being called until {@link release}. @throws InvalidOptionError; TableFullError */
  isolate(peer: PeerId | string): void {
    const key = peer.toString()
    if (readPeerId(key) === undefined) throw new InvalidOptionError('peer', key, 'a peer id')
    this.#protection.isolate(key)
  }

  /** Ends {@link isolate}: the peer is treated as it would be without it. */
  release(peer: PeerId | string): void {
    this.#protection.release(peer.toString())
  }

  /** The status of each peer there is a record of. */
  *peers(): Generator<BitswapPeerStatus> {
    for (const status of this.#protection.peers()) yield this.#withLink(status)
  }

  /**
   * A glance at each peer there is a record of: to pick some of many by, at a part of what {@link peers} costs. Each is to be read
   * at once, and not to be kept.
   */
  glances(): Iterable<PeerGlance> {
    return this.#protection.glances()
  }

  /** Whether the node is connected to a peer. */
  isConnected(peer: PeerId | string): boolean {
    return (this.#streams.links.find(peer.toString())?.connections.size ?? 0) > 0
  }

  #withLink(status: PeerStatus): BitswapPeerStatus {
    const link = this.#streams.links.find(status.key)
    return Object.freeze({
      ...status,
      isConnected: (link?.connections.size ?? 0) > 0,
      openTimeMs: link?.openTime.meanMs ?? 0,
      pendingWants: link?.wants.size ?? 0
    })
  }

  #onEvent(event: ProtectionEvent): void {
    const { type, key } = event
    this.#log('%s %s', type, key)
    this.#metrics.noteEvent(type)
    const link = this.#streams.links.find(key)
    if (link !== undefined && this.#isStarted && isWayOut(type)) this.#letIn(link)
    // Those there are do not do: let others be found.
    if (type === 'circuit:open' && this.#protection.getPeerStatus(key)?.isDemoted === true)
      this.#blocks.fetcher?.searchMore()
    const isTagged = event.type === 'health:change' && this.mode === 'enforce'
    if (!isTagged && this.listenerCount(type) === 0) return
    const peer = link?.peer ?? readPeerId(key)
    if (peer === undefined) return
    if (isTagged) this.#tags?.note(peer, event.to)
    this.safeDispatchEvent(type, { detail: { ...event, peer } })
  }

  #onBlock(link: PeerLink, wasRefused: boolean): void {
    this.#supply.delivered(link)
    if (wasRefused) this.#blocksLost++
  }

  /** The last connection to a peer is gone. */
  #onGone(link: PeerLink, isItsFault: boolean): void {
    this.#blocks.fetcher?.disconnected(link, isItsFault)
    // Now another may be needed that could be done without.
    const isSpared = [...this.#streams.links.values()].filter(({ key }) => this.#protection.reconsider(key))
    for (const spared of isSpared) this.#letIn(spared)
  }

  /** A peer may be asked again. */
  #letIn(link: PeerLink): void {
    this.#streams.announce(link)
    this.#blocks.fetcher?.readmitted()
  }
}

/** Whether a peer that was held back may be sent to again. */
function isWayOut(type: ProtectionEvent['type']): boolean {
  return type === 'circuit:half-open' || type === 'circuit:close' || type === 'release'
}

/** Records may be of keys that are no peer ids, such as the one shared when the table is full. */
function readPeerId(key: string): PeerId | undefined {
  try {
    return peerIdFromString(key)
  } catch {
    return undefined
  }
}

/**
 * Protects the Bitswap of a libp2p node: `createLibp2p({ services: { protection: bitswapProtection() } })`.
 *
 * @param core - time and chance, for tests
 * @throws InvalidOptionError when the node is created
 */
export function bitswapProtection(
  init?: BitswapProtectionInit,
  core?: CoreComponents
): (components: BitswapProtectionComponents) => BitswapProtectionManager {
  return components => new BitswapProtectionManager(components, init, core)
}
