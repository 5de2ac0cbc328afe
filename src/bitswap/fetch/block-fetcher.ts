import type { Logger, Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { CLOSED, HALF_OPEN } from '../../core/breaker-table.ts'
import { type Clock, FAILURE, IGNORED, type Protection, SUCCESS } from '../../core/index.ts'
import { rejectionCodes } from '../../core/rejections.ts'
import type { AutoTuner } from '../auto-tuner.ts'
import { isPeersFault, isTimeout, isUnsupported } from '../blame.ts'
import { type Deadlines, NO_LIMIT_MS } from '../deadlines.ts'
import { readMultihash } from '../multihash.ts'
import type { PeerLink } from '../peer-link.ts'
import type { Limits } from '../tuning.ts'
import { Ask, type AskKind } from './ask.ts'
import { AskBudget } from './ask-budget.ts'
import { BlockFetch, type FetchContext, type FetchWatcher, type Standing } from './block-fetch.ts'
import { type HasherLoader, hashBlock, type Prefix, readPrefix } from './block-hash.ts'
import { type Fault, faultWeights, isSilence } from './fault.ts'
import { FaultGate } from './fault-gate.ts'
import { type FetchProgress, progress } from './fetch-progress.ts'
import { HedgeDelay } from './hedge-delay.ts'
import { Outbox } from './outbox.ts'
import { Searches } from './searches.ts'
import { Supplier } from './supplier.ts'

const { REJECTED_RECOVERING } = rejectionCodes

/** A peer has this long to answer, in ms: before it delivered anything, and later at least and at most (boxo: 7 s). */
const UNKNOWN_LIMIT_MS = 2_000
const MIN_LIMIT_MS = 250
const MAX_LIMIT_MS = 7_000

/** Nobody is given longer than this, in ms, however much deadlines are stretched: Bitcoin Core's maximum. */
const MAX_STRETCHED_MS = 64_000

/** A peer that sends less than this for each block it is waited for, in bytes per second, does not get on. */
const MIN_BYTES_PER_S = 1_024

/** However much a peer sends meanwhile, a block is not waited for longer than this, in ms. */
const MAX_WAIT_MS = 30_000

/** What is asked for nobody any more is listened for this long after its time is up, in ms. */
const MAX_UNCONFIRMED_MS = 4_000

/** A peer counts as active for this long after it was asked, in ms. */
const ACTIVE_MS = 30_000

/** Most hedges that can be saved up: enough to get past a handful of peers that are all silent at the start. */
const MAX_HEDGES_SAVED = 10

/**
 * So many peers are tried out at first, and later this share of requests is spent on it. Each costs a block, and so many bytes
 * of that are one trial, up to all there are.
 */
const MAX_TRIALS_SAVED = 4
const TRIAL_SHARE = 0.03
const TRIAL_BYTES = 65_536

/** Weight of a block in the usual size of a block. */
const SIZE_GAIN = 1 / 8

/** This node may be cut off if so many peers are late and nothing arrives. */
const MIN_QUIET_PEERS = 2

/** Blocks remembered that were wanted of late. */
const MAX_WANTED = 4096

/** Who is told how asking peers for blocks goes. */
export type LoadObserver = Pick<AutoTuner, 'answered' | 'failed' | 'hedged' | 'hedgeRefused'>

/** What the fetcher needs of the node. */
export interface FetcherHost {
  /** Whether blocks may be asked of a peer at all. */
  isAllowed(key: string): boolean
  /** Opens a stream to a peer for our own wants. */
  open(link: PeerLink): Promise<Stream>
  /** Connects to more of the providers that were given for a block. */
  connectMore(fetch: BlockFetch): void
  /** Looks for providers of a block and connects to them; whoever is found becomes a supplier. */
  findProviders(fetch: BlockFetch, signal: AbortSignal): Promise<void>
  /** Who is told how asking goes. */
  readonly load: LoadObserver
  /** A peer did something wrong. */
  onFault(link: PeerLink, fault: Fault, cid: CID | undefined): void
  /** A peer delivered a block; `wasRefused` if enforcing would have kept it from being asked. */
  onDelivered(link: PeerLink, wasRefused: boolean): void
}

/** Options of one fetch. */
export interface FetchOptions {
  readonly signal?: AbortSignal | undefined
  /** Told how it goes on, as by stock Bitswap. */
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined
}

/** Fetches blocks from the peers that are connected: asks one, another if that takes long, and blames who is to blame. */
export class BlockFetcher implements FetchContext {
  readonly deadlines: Deadlines
  readonly random: () => number
  readonly #protection: Protection
  readonly #clock: Clock
  readonly #host: FetcherHost
  readonly #loadHasher: HasherLoader
  readonly #log: Logger
  readonly #suppliers = new Map<string, Supplier>()
  readonly #fetches = new Map<string, BlockFetch>()
  /** Whoever sends one of these was asked for it, be it over a connection that is gone. */
  readonly #wanted = new Set<string>()
  /** When anything was heard of any peer, in ms awake. */
  #lastHeardMs = -Infinity
  readonly #searches: Searches<BlockFetch>
  readonly #hedges: AskBudget
  readonly #trials = new AskBudget(MAX_TRIALS_SAVED, () => TRIAL_SHARE)
  /** Usual size of a block, in bytes; 0 while none has come. */
  #blockBytes = 0
  readonly #hedgeDelay: HedgeDelay
  readonly #gate = new FaultGate<Supplier>({
    lastDeliveredMs: ({ lastDeliveredMs }) => lastDeliveredMs,
    activePeers: () => this.#activePeers(),
    silentPeers: sinceMs => [...this.#suppliers.values()].filter(({ silentAtMs }) => silentAtMs > sinceMs)
  })

  constructor(
    protection: Protection,
    clock: Clock,
    deadlines: Deadlines,
    host: FetcherHost,
    random: () => number,
    limits: Pick<Limits, 'hedgeShare'>,
    loadHasher: HasherLoader,
    log: Logger
  ) {
    this.#protection = protection
    this.#clock = clock
    this.deadlines = deadlines
    this.#host = host
    this.random = random
    this.#hedges = new AskBudget(MAX_HEDGES_SAVED, () => limits.hedgeShare)
    this.#hedgeDelay = new HedgeDelay(clock.now())
    this.#loadHasher = loadHasher
    this.#log = log
    this.#searches = new Searches(deadlines, (fetch, signal) =>
      host
        .findProviders(fetch, signal)
        .catch(error => log.trace('no providers found for %c - %e', fetch.cid, error))
    )
  }

  /**
   * @param prepare - given the fetch, new or under way
   * @throws the signal's reason
   */
  async getBlock(
    cid: CID,
    { signal, onProgress }: FetchOptions = {},
    prepare: (fetch: BlockFetch) => void = () => {}
  ): Promise<Uint8Array> {
    signal?.throwIfAborted()
    const multihash = readMultihash(cid.bytes)!
    let fetch = this.#fetches.get(multihash)
    if (fetch === undefined) {
      fetch = new BlockFetch(cid, multihash, this)
      this.#fetches.set(multihash, fetch)
      this.#wanted.delete(multihash)
      if (this.#wanted.size >= MAX_WANTED) this.#wanted.delete(this.#wanted.values().next().value!)
      this.#wanted.add(multihash)
    }
    const watcher: FetchWatcher = {
      signal,
      tell: progressOf => onProgress && this.#tell(onProgress, () => progressOf(cid))
    }
    const block = fetch.join(watcher)
    prepare(fetch)
    fetch.advance()
    return block
  }

  /** A peer that speaks Bitswap is connected. */
  connected(link: PeerLink): void {
    if (this.#suppliers.has(link.key) || !this.#host.isAllowed(link.key)) return
    const outbox = new Outbox(this.deadlines, {
      open: () => this.#host.open(link),
      onBroken: error => this.#broken(supplier, error)
    })
    const supplier: Supplier = new Supplier(link, outbox)
    this.#suppliers.set(link.key, supplier)
    this.#noteLife()
    for (const fetch of [...this.#fetches.values()]) fetch.joined(supplier)
  }

  /** Its last connection is gone. @param isItsFault - whether it broke, or the peer closed it */
  disconnected(link: PeerLink, isItsFault: boolean): void {
    const supplier = this.#suppliers.get(link.key)
    if (supplier !== undefined) this.#remove(supplier, isItsFault ? 'PREMATURE_CLOSE' : undefined)
  }

  /** It may be that it does not respond: others are asked what it was asked. */
  suspected(link: PeerLink): void {
    for (const ask of [...(this.#suppliers.get(link.key)?.asks.values() ?? [])]) {
      ask.isOverdue = true
      this.#fetches.get(ask.multihash)?.ended(ask)
    }
  }

  /** A peer that could not be asked may be asked again. */
  readmitted(): void {
    this.#advanceAll()
  }

  /** Looks for more providers of all that is being fetched: of those there are enough do not behave. */
  searchMore(): void {
    for (const fetch of this.#fetches.values()) this.search(fetch)
  }

  /** Whether what the peer sends may be for us. */
  expects(link: PeerLink): boolean {
    return this.#fetches.size > 0 && this.#suppliers.has(link.key)
  }

  /** The peer sent so many bytes. */
  heard(link: PeerLink, bytes: number): void {
    const supplier = this.#suppliers.get(link.key)
    if (supplier === undefined) return
    this.#noteLife()
    supplier.receivedBytes += bytes
    supplier.silentAtMs = -Infinity
  }

  /** The peer said whether it has a block. Returns whether it was asked that by us. */
  toldPresence(link: PeerLink, cid: Uint8Array, has: boolean): boolean {
    const supplier = this.#suppliers.get(link.key)
    const multihash = supplier && readMultihash(cid)
    const ask = multihash && supplier.asks.get(multihash)
    if (!ask) return false
    supplier.told(multihash, has)
    const fetch = this.#fetches.get(multihash)
    this.#hedgeDelay.hint(this.deadlines.awakeMs - ask.askedAtMs)
    // It still has to send it.
    if (ask.kind === 'BLOCK' && has) return true
    this.#end(ask, SUCCESS)
    if (has) fetch?.promised(supplier)
    else fetch?.lacked(ask)
    return true
  }

  /** The peer sent a block. Returns whether it was for us, or nobody asked for it. */
  async sentBlock(link: PeerLink, prefixBytes: Uint8Array, data: Uint8Array): Promise<boolean> {
    const prefix = readPrefix(prefixBytes)
    const multihash = prefix && (await hashBlock(prefix, data, this.#loadHasher))
    const supplier = this.#suppliers.get(link.key)
    if (prefix === undefined || multihash === undefined || supplier === undefined) return false
    const ask = supplier.asks.get(multihash)
    const fetch = this.#fetches.get(multihash)
    if (ask === undefined && fetch === undefined) return this.#unasked(supplier, prefix, multihash)
    this.#blockBytes += (this.#blockBytes === 0 ? 1 : SIZE_GAIN) * (data.length - this.#blockBytes)
    if (ask !== undefined) this.#delivered(ask)
    fetch?.deliver(data, supplier)
    return true
  }

  /** Ends all fetches. */
  stop(reason: unknown): void {
    for (const fetch of [...this.#fetches.values()]) fetch.fail(reason)
    this.#gate.clear()
    for (const supplier of this.#suppliers.values()) supplier.outbox.close()
    this.#suppliers.clear()
  }

  // What a fetch needs.

  suppliers(): Iterable<Supplier> {
    return this.#suppliers.values()
  }

  mayAsk({ key }: Supplier): boolean {
    const now = this.#clock.now()
    const answer = this.#protection.table.wouldAdmit(this.#protection.slot(key, now), now)
    // A share of what a recovering peer is offered it gets, so it has to be offered it.
    return answer === 0 || answer === REJECTED_RECOVERING
  }

  standing({ key }: Supplier): Standing {
    const now = this.#clock.now()
    const state = this.#protection.table.state(this.#protection.slot(key, now), now)
    if (state === CLOSED) return 'ORDINARY'
    return state === HALF_OPEN ? 'PROBATION' : 'LAST_RESORT'
  }

  ask(supplier: Supplier, fetch: BlockFetch, kind: AskKind): Ask | undefined {
    const now = this.#clock.now()
    const slot = this.#protection.slot(supplier.key, now)
    const token = this.#protection.table.admit(slot, now, NO_LIMIT_MS)
    if (token < 0) return undefined
    const { cid, multihash } = fetch
    const earlier = supplier.asks.get(multihash)
    if (earlier !== undefined) this.#end(earlier, IGNORED)
    const ask = new Ask(supplier, cid, multihash, kind, this.deadlines.awakeMs, slot, token)
    supplier.asks.set(multihash, ask)
    supplier.lastAskedMs = ask.askedAtMs
    ask.deadline = this.deadlines.add(this.#limitMs(supplier), () => this.#deadline(ask))
    // What is asked a second time is ignored, unless the first was taken back.
    if (!supplier.link.wants.remember(multihash)) supplier.outbox.push({ cid, type: 'CANCEL' })
    supplier.outbox.push({ cid, type: kind })
    if (kind === 'BLOCK') {
      this.#hedges.earn()
      this.#trials.earn()
    }
    return ask
  }

  withdraw(supplier: Supplier, { cid, multihash }: BlockFetch): void {
    const ask = supplier.asks.get(multihash)
    if (ask === undefined) {
      // It has answered; this only keeps its list of our wants short.
      supplier.outbox.pushLater({ cid, type: 'CANCEL' })
      return
    }
    supplier.outbox.push({ cid, type: 'CANCEL' })
    if (ask.kind === 'BLOCK') this.isTakingLong(ask)
    this.#end(ask, IGNORED)
  }

  isTakingLong({ supplier, askedAtMs }: Ask): void {
    const now = this.deadlines.awakeMs
    supplier.pace.tookLongerThan(now - askedAtMs, now)
  }

  get isOutage(): boolean {
    return this.#gate.isOutage || this.#isQuiet
  }

  hedgeAfterMs(): number {
    return this.#hedgeDelay.after(this.#clock.now())
  }

  takeHedge(): boolean {
    const isTaken = this.#hedges.take()
    if (isTaken) this.#host.load.hedged()
    else this.#host.load.hedgeRefused()
    return isTaken
  }

  takeTrial(): boolean {
    return this.#trials.take(Math.min(Math.max(1, this.#blockBytes / TRIAL_BYTES), MAX_TRIALS_SAVED))
  }

  connectMore(fetch: BlockFetch): void {
    this.#host.connectMore(fetch)
  }

  search(fetch: BlockFetch): void {
    this.#searches.add(fetch)
  }

  onOver(fetch: BlockFetch): void {
    this.#fetches.delete(fetch.multihash)
    this.#searches.delete(fetch)
    // Somebody may have room now.
    this.#advanceAll()
  }

  /** What a caller's listener throws is no matter of the fetch, nor of other callers. */
  #tell(onProgress: (progress: FetchProgress) => void, progressOf: () => FetchProgress): void {
    try {
      onProgress(progressOf())
    } catch (error) {
      this.#log.error('a listener failed - %e', error)
    }
  }

  #advanceAll(): void {
    for (const fetch of [...this.#fetches.values()]) {
      if (fetch.isWaiting) continue
      // With thousands of fetches, most would find out at some cost that nobody has room.
      const suppliers = [...this.#suppliers.values()]
      if (suppliers.length > 0 && suppliers.every(({ isFull }) => isFull)) return
      fetch.advance()
    }
  }

  /** Whether nothing at all arrives although several peers that usually answer should have. */
  get #isQuiet(): boolean {
    const now = this.deadlines.awakeMs
    const usualMs = this.hedgeAfterMs()
    if (now - this.#lastHeardMs < usualMs / 2) return false
    let late = 0
    for (const { asks, pace } of this.#suppliers.values()) {
      const [oldest] = asks.values()
      if (pace.isKnown && oldest !== undefined && now - oldest.askedAtMs >= usualMs) late++
    }
    return late >= MIN_QUIET_PEERS
  }

  /** This node is not cut off, if it was thought to be. */
  #noteLife(): void {
    if (this.isOutage) {
      this.#gate.heard()
      for (const fetch of this.#fetches.values()) fetch.reconnected()
    }
    this.#lastHeardMs = this.deadlines.awakeMs
  }

  #activePeers(): number {
    const since = this.deadlines.awakeMs - ACTIVE_MS
    return [...this.#suppliers.values()].filter(({ lastAskedMs }) => lastAskedMs > since).length
  }

  /** How long a peer has, in ms, to answer or to get on. */
  #limitMs({ pace }: Supplier): number {
    return pace.isKnown ? Math.min(Math.max(pace.usualMs, MIN_LIMIT_MS), MAX_LIMIT_MS) : UNKNOWN_LIMIT_MS
  }

  /** A peer did not answer in time, or gets on too slowly: another is asked. */
  #deadline(ask: Ask): void {
    const { supplier, multihash } = ask
    const limitMs = this.#limitMs(supplier)
    const graceMs = Math.min(limitMs * this.#gate.stretch, MAX_STRETCHED_MS) - limitMs
    const getsOn = this.#getsOn(ask, limitMs)
    // What is asked for nobody any more only matters if it is clear how it ends.
    if ((getsOn || graceMs > 0) && !this.#fetches.has(multihash)) {
      this.#end(ask, IGNORED)
      return
    }
    if (getsOn) {
      ask.seenBytes = supplier.receivedBytes
      ask.deadline = this.deadlines.add(limitMs, () => this.#deadline(ask))
      return
    }
    ask.isOverdue = true
    supplier.failed()
    if (supplier.receivedBytes === ask.seenBytes) supplier.silentAtMs = this.deadlines.awakeMs
    // It is listened to on, and blamed later the more this node itself is in doubt.
    if (graceMs > 0) ask.deadline = this.deadlines.add(graceMs, () => this.#blameSilence(ask))
    else this.#blameSilence(ask)
    this.#fetches.get(multihash)?.ended(ask)
  }

  /** Whether a peer sends enough for all that it is waited for. */
  #getsOn({ supplier, seenBytes, askedAtMs }: Ask, limitMs: number): boolean {
    const dueBytes = (MIN_BYTES_PER_S * limitMs * supplier.waiting) / 1000
    return supplier.receivedBytes - seenBytes >= dueBytes && this.deadlines.awakeMs - askedAtMs < MAX_WAIT_MS
  }

  #blameSilence(ask: Ask): void {
    const { supplier, kind, multihash, seenBytes } = ask
    const isPromised = kind === 'BLOCK' && supplier.hasPromised(multihash)
    const silence = supplier.receivedBytes > seenBytes ? 'DRIP' : 'TIMEOUT'
    this.#blame(ask, isPromised ? 'HAVE_WITHOUT_BLOCK' : silence)
    if (this.#fetches.has(multihash)) return
    // Nobody is left to take it back.
    ask.deadline = this.deadlines.add(MAX_UNCONFIRMED_MS, () => this.#end(ask, IGNORED))
  }

  /** Counts a fault as soon as it is sure that it is the peer's. It is listened to on. */
  #blame(ask: Ask, fault: Fault): void {
    const { supplier, cid } = ask
    this.#gate.hold({
      peer: supplier,
      sinceMs: ask.askedAtMs,
      atMs: this.deadlines.awakeMs,
      settle: isConfirmed => {
        if (!isConfirmed) this.#settle(ask, IGNORED)
        else if (this.#settle(ask, FAILURE)) {
          this.#host.load.failed(isSilence(fault))
          this.#weigh(supplier.link, fault, cid)
        }
      }
    })
  }

  /** Counts a fault that stands for several failures, of which so many have been counted. */
  #weigh(link: PeerLink, fault: Fault, cid: CID | undefined, counted = 1): void {
    const { table } = this.#protection
    for (let count = counted; count < faultWeights[fault]; count++) {
      const now = this.#clock.now()
      const slot = this.#protection.slot(link.key, now)
      table.settle(slot, table.follow(slot, now, NO_LIMIT_MS), FAILURE, now)
    }
    this.#host.onFault(link, fault, cid)
  }

  #delivered(ask: Ask): void {
    const { supplier, multihash, askedAtMs, token } = ask
    const now = this.deadlines.awakeMs
    const elapsedMs = now - askedAtMs
    this.#host.onDelivered(supplier.link, this.#protection.table.wasRefused(token))
    this.#end(ask, SUCCESS)
    supplier.delivered(multihash, elapsedMs, now)
    this.#host.load.answered(elapsedMs)
    this.#hedgeDelay.record(elapsedMs, this.#clock.now())
    this.#gate.delivered(now)
  }

  /** A block that was not asked for: what was asked for, spoilt? Or a late answer? */
  #unasked(supplier: Supplier, prefix: Prefix, multihash: string): boolean {
    if (supplier.link.wants.wasAsked(multihash) || this.#wanted.has(multihash)) return false
    const spoilt = [...supplier.asks.values()].find(
      ({ cid, kind }) => kind === 'BLOCK' && isLike(cid, prefix)
    )
    if (spoilt === undefined) {
      this.#weigh(supplier.link, 'UNREQUESTED_BLOCK', undefined, 0)
      return true
    }
    if (this.#end(spoilt, FAILURE)) this.#weigh(supplier.link, 'CORRUPT_BLOCK', spoilt.cid)
    this.#fetches.get(spoilt.multihash)?.ended(spoilt)
    this.#abandon(supplier)
    return true
  }

  /** Nothing a peer was asked is waited for any longer. */
  #abandon(supplier: Supplier): void {
    supplier.failed()
    for (const ask of [...supplier.asks.values()]) {
      supplier.outbox.push({ cid: ask.cid, type: 'CANCEL' })
      this.#end(ask, IGNORED)
      this.#fetches.get(ask.multihash)?.ended(ask)
    }
  }

  #remove(supplier: Supplier, fault: Fault | undefined): void {
    this.#suppliers.delete(supplier.key)
    supplier.outbox.close()
    this.#failAll(supplier, fault)
    for (const fetch of this.#fetches.values()) fetch.forget(supplier)
    this.#advanceAll()
  }

  #broken(supplier: Supplier, error: unknown): void {
    if (isUnsupported(error)) {
      this.#remove(supplier, undefined)
      return
    }
    const detail = { peer: supplier.link.peer, error: error as Error }
    for (const multihash of [...supplier.asks.keys()])
      this.#fetches.get(multihash)?.tell(() => progress('bitswap:send-wantlist:error', detail))
    const isFault = isPeersFault(error)
    this.#failAll(supplier, isFault ? (isTimeout(error) ? 'TIMEOUT' : 'RESET') : undefined)
  }

  /** All that a peer was asked is lost: one fault at most, however much it was asked. */
  #failAll(supplier: Supplier, fault: Fault | undefined): void {
    let isBlamed = false
    for (const ask of [...supplier.asks.values()]) {
      supplier.asks.delete(ask.multihash)
      ask.deadline?.cancel()
      if (fault === undefined || isBlamed || ask.isOverdue) this.#settle(ask, IGNORED)
      else {
        isBlamed = true
        supplier.failed()
        this.#blame(ask, fault)
      }
      this.#fetches.get(ask.multihash)?.ended(ask)
    }
  }

  /** An ask is over. Returns whether that it ended so is news. */
  #end(ask: Ask, outcome: number): boolean {
    ask.deadline?.cancel()
    const { asks } = ask.supplier
    if (asks.get(ask.multihash) === ask) asks.delete(ask.multihash)
    return this.#settle(ask, outcome)
  }

  #settle({ supplier, askedAtMs, slot, token }: Ask, outcome: number): boolean {
    const { link } = supplier
    const now = this.deadlines.awakeMs
    const ownMs = now - Math.max(askedAtMs, link.lastAnsweredMs)
    if (outcome === SUCCESS) link.lastAnsweredMs = now
    const { table } = this.#protection
    return table.settleMeasured(slot, token, outcome, this.#clock.now(), now - askedAtMs, ownMs)
  }
}

/** Whether a CID is of the kind that a block's prefix says. */
function isLike({ version, code, multihash }: CID, prefix: Prefix): boolean {
  return (
    version === prefix.version &&
    code === prefix.codec &&
    multihash.code === prefix.hashCode &&
    multihash.size === prefix.size
  )
}
