import type { Logger } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { Deadlines } from '../../core/deadlines.ts'
import { type Clock, FAILURE, type Protection, SUCCESS } from '../../core/index.ts'
import { isPeersFault, isTimeout, isUnsupported } from '../blame.ts'
import { readMultihash } from '../multihash.ts'
import type { PeerLink } from '../peer-link.ts'
import type { Limits } from '../tuning.ts'
import type { Ask, AskKind } from './ask.ts'
import { AskBudget } from './ask-budget.ts'
import { AskCalls } from './ask-calls.ts'
import { Asks } from './asks.ts'
import { BlockFetch } from './block-fetch.ts'
import { type HasherLoader, hashBlock, isLike, type Prefix, readPrefix } from './block-hash.ts'
import type { Fault } from './fault.ts'
import type { FetchContext } from './fetch-context.ts'
import { type FetchProgress, progress } from './fetch-progress.ts'
import type { FetcherHost } from './fetcher-host.ts'
import { HedgeDelay } from './hedge-delay.ts'
import { LifeSigns } from './life-signs.ts'
import { Outbox } from './outbox.ts'
import type { Standing } from './ranking.ts'
import { Relief } from './relief.ts'
import { advanceAll } from './round.ts'
import { Searches } from './searches.ts'
import { Supplier } from './supplier.ts'
import { TrialBudget } from './trial-budget.ts'
import { Verdicts } from './verdicts.ts'
import type { FetchWatcher } from './waiters.ts'

/** Most hedges that can be saved up: enough to get past a handful of peers that are all silent at the start. */
const MAX_HEDGES_SAVED = 10

/** Blocks remembered that were wanted of late. */
const MAX_WANTED = 4096

/** Who is outrun with a block, and gets on, is left so many that it is to send next: on a slow line, what it began to send. */
const MAX_NEXT = 6

/** Options of one fetch. */
export interface FetchOptions {
  readonly signal?: AbortSignal | undefined
  /** Told how it goes on, as by stock Bitswap. */
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined
}

/**
 * Fetches blocks from the peers that are connected: knows what is fetched and who is there, and brings together what comes and
 * who wants it. Whom to ask decides each {@link BlockFetch}; what was a fault, {@link Verdicts}.
 */
export class BlockFetcher implements FetchContext {
  readonly deadlines: Deadlines
  readonly random: () => number
  readonly #clock: Clock
  readonly #host: FetcherHost
  readonly #loadHasher: HasherLoader
  readonly #log: Logger
  readonly #suppliers = new Map<string, Supplier>()
  readonly #fetches = new Map<string, BlockFetch>()
  /** Whoever sends one of these was asked for it, be it over a connection that is gone. */
  readonly #wanted = new Set<string>()
  readonly #calls: AskCalls
  readonly #verdicts: Verdicts
  readonly #asks: Asks
  readonly #lifeSigns = new LifeSigns()
  readonly #searches: Searches<BlockFetch>
  readonly #hedges: AskBudget
  readonly #hedgeDelay: HedgeDelay
  readonly #trials = new TrialBudget()
  readonly #relief: Relief
  #lastBlockMs = -Infinity

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
    this.#clock = clock
    this.deadlines = deadlines
    this.#host = host
    this.random = random
    this.#calls = new AskCalls(protection, clock, deadlines, (result, elapsedMs) =>
      host.onWant(result, elapsedMs)
    )
    this.#verdicts = new Verdicts(this.#calls, deadlines, this.#suppliers, host)
    this.#asks = new Asks(this.#calls, this.#verdicts, deadlines, this.#fetches)
    this.#hedges = new AskBudget(MAX_HEDGES_SAVED, () => limits.hedgeShare)
    this.#hedgeDelay = new HedgeDelay(clock.now())
    this.#relief = new Relief({ clock, deadlines, fetches: this.#fetches, suppliers: this.#suppliers })
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
    const supplier = this.#suppliers.get(link.key)
    if (supplier !== undefined) this.#asks.suspect(supplier)
  }

  /** A peer that could not be asked may be asked again. */
  readmitted(): void {
    this.advanceAll()
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
    supplier.heard(bytes, this.deadlines.awakeMs)
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
    this.#asks.end(ask, SUCCESS)
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
    this.#trials.sized(data.length)
    if (ask !== undefined) this.#delivered(ask, data.length)
    fetch?.deliver(data, supplier)
    return true
  }

  /** Ends all fetches. */
  stop(reason: unknown): void {
    for (const fetch of [...this.#fetches.values()]) fetch.fail(reason)
    this.#relief.close()
    this.#verdicts.clear()
    for (const supplier of this.#suppliers.values()) supplier.outbox.close()
    this.#suppliers.clear()
  }

  // What a fetch needs.

  suppliers(): Iterable<Supplier> {
    return this.#suppliers.values()
  }

  mayAsk(supplier: Supplier): boolean {
    return this.#calls.mayAsk(supplier)
  }

  standing(supplier: Supplier): Standing {
    return this.#calls.standing(supplier)
  }

  ask(supplier: Supplier, { cid, multihash }: BlockFetch, kind: AskKind): Ask | undefined {
    const ask = this.#asks.start(supplier, cid, multihash, kind)
    if (ask !== undefined && kind === 'BLOCK') {
      this.#hedges.earn()
      this.#trials.earn()
    }
    return ask
  }

  withdraw(supplier: Supplier, { cid, multihash }: BlockFetch): void {
    this.#asks.withdraw(supplier, cid, multihash)
  }

  isTakingLong(ask: Ask): void {
    this.#asks.takesLong(ask)
  }

  advanceAll(): void {
    const mayBeAsked = (): Supplier[] =>
      [...this.#suppliers.values()].filter(supplier => this.mayAsk(supplier))
    advanceAll([...this.#fetches.values()], mayBeAsked)
  }

  get isOutage(): boolean {
    return this.#verdicts.isOutage || this.#isQuiet
  }

  get wanted(): number {
    return this.#fetches.size
  }

  get lastBlockMs(): number {
    return this.#lastBlockMs
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

  outran(supplier: Supplier): void {
    supplier.outrun()
    const isGettingOn = this.deadlines.awakeMs - supplier.cameAtMs < this.hedgeAfterMs()
    for (const ask of [...supplier.asks.values()].slice(isGettingOn ? MAX_NEXT : 0))
      this.#fetches.get(ask.multihash)?.hurry(ask.isSilent && this.#trials.isCheap)
  }

  takeTrial(): boolean {
    return this.#trials.take()
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
    // Somebody may have room now, or nothing to do any more.
    this.advanceAll()
    this.#relief.plan()
  }

  /** What a caller's listener throws is no matter of the fetch, nor of other callers. */
  #tell(onProgress: (progress: FetchProgress) => void, progressOf: () => FetchProgress): void {
    try {
      onProgress(progressOf())
    } catch (error) {
      this.#log.error('a listener failed - %e', error)
    }
  }

  /** Whether nothing at all arrives although several peers that usually answer should have. */
  get #isQuiet(): boolean {
    return this.#lifeSigns.isQuiet(this.#suppliers, this.deadlines.awakeMs, this.hedgeAfterMs())
  }

  /** This node is not cut off, if it was thought to be. */
  #noteLife(): void {
    if (this.isOutage) {
      this.#verdicts.heard()
      for (const fetch of this.#fetches.values()) fetch.reconnected()
    }
    this.#lifeSigns.note(this.deadlines.awakeMs)
  }

  #delivered(ask: Ask, bytes: number): void {
    const { supplier, askedAtMs } = ask
    const now = this.deadlines.awakeMs
    const elapsedMs = now - askedAtMs
    this.#host.onDelivered(supplier.link, this.#calls.wasRefused(ask))
    this.#asks.end(ask, SUCCESS)
    supplier.delivered(ask, now, bytes)
    this.#host.load.answered(elapsedMs)
    this.#hedgeDelay.record(elapsedMs, this.#clock.now())
    this.#verdicts.delivered(now)
    this.#lastBlockMs = now
  }

  /** A block that was not asked for: what was asked for, spoilt? Or a late answer? */
  #unasked(supplier: Supplier, prefix: Prefix, multihash: string): boolean {
    if (supplier.link.wants.wasAsked(multihash) || this.#wanted.has(multihash)) return false
    const spoilt = [...supplier.asks.values()].find(
      ({ cid, kind }) => kind === 'BLOCK' && isLike(cid, prefix)
    )
    if (spoilt === undefined) {
      this.#verdicts.proven(supplier.link, 'UNREQUESTED_BLOCK', undefined, 0)
      return true
    }
    if (this.#asks.end(spoilt, FAILURE)) this.#verdicts.proven(supplier.link, 'CORRUPT_BLOCK', spoilt.cid)
    this.#fetches.get(spoilt.multihash)?.ended(spoilt)
    this.#asks.withdrawAll(supplier)
    return true
  }

  #remove(supplier: Supplier, fault: Fault | undefined): void {
    this.#suppliers.delete(supplier.key)
    supplier.outbox.close()
    this.#asks.failAll(supplier, fault)
    for (const fetch of this.#fetches.values()) fetch.forget(supplier)
    this.advanceAll()
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
    this.#asks.failAll(supplier, isFault ? (isTimeout(error) ? 'TIMEOUT' : 'RESET') : undefined)
  }
}
