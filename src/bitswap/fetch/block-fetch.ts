import type { CID } from 'multiformats/cid'
import type { Deadline } from '../../core/deadlines.ts'
import type { Ask, AskKind } from './ask.ts'
import { Candidates } from './candidates.ts'
import { Choice } from './choice.ts'
import type { FetchContext } from './fetch-context.ts'
import { type FetchProgress, type ProgressListener, progress } from './fetch-progress.ts'
import { Hedge } from './hedge.ts'
import { LiveAsks } from './live-asks.ts'
import { PendingConnections } from './pending-connections.ts'
import { pickProbe } from './probe.ts'
import type { Relievable } from './relief.ts'
import { Retry } from './retry.ts'
import type { Supplier } from './supplier.ts'
import { type FetchWatcher, Waiters } from './waiters.ts'

/** A peer that has less than this share of what it is asked for is not asked alone. */
const LIKELY_SHARE = 0.5

/** A peer that was asked has at least this long once another has said that it has the block, in ms. */
const MIN_GRACE_MS = 50

/** Peers asked at once whether they have a block. */
const MAX_ASKED_AROUND = 32

/** While nothing is known of anybody, so many peers are asked for one block at once. */
const MAX_RACERS = 3

/** Offers after which a recovering peer has earned a request: its share is a tenth at least. */
const MAX_OFFERS = 16

/** If nothing came from anybody for this long, in ms, and again after that, more of the providers that were given are connected to. */
const MORE_AFTER_MS = 100

/** If nobody had room for it for this long, in ms, and again after that: those that are connected are too slow. */
const CROWDED_MS = 250

/** Without a block for this long, in ms, other providers are looked for. */
const SEARCH_AFTER_MS = 1_000

/**
 * A block that is being fetched, for however many callers: who is asked for it, and who next. It goes on until it has
 * the block or nobody waits for it any more.
 */
export class BlockFetch implements ProgressListener, Relievable {
  readonly cid: CID
  readonly multihash: string
  readonly #context: FetchContext
  readonly #waiters = new Waiters(() => this.#end())
  readonly #candidates: Candidates
  readonly #choice: Choice
  /** Who was asked anything on the connection that stands, and has to be told when it is over. */
  readonly #addressed = new Set<Supplier>()
  /** Those of whom it is not known what becomes of it. */
  readonly #live = new LiveAsks()
  /** What a peer was asked besides, to find out how it does. */
  #probe: Ask | undefined
  readonly #hedge: Hedge
  readonly #retry: Retry
  readonly #beganAtMs: number
  #more: Deadline
  #crowded: Deadline
  readonly #search: Deadline
  /** Whether providers were looked for since those were last asked once more who have said nothing. */
  #isSearched = false
  readonly #connecting: PendingConnections
  #isOver = false
  #isAdvancing = false
  /** Whether others were asked while this node may have been cut off, and it has not shown since that it is not. */
  #isCutOff = false

  constructor(cid: CID, multihash: string, context: FetchContext) {
    this.cid = cid
    this.multihash = multihash
    this.#context = context
    const { deadlines, random } = context
    this.#candidates = new Candidates(context, multihash)
    this.#choice = new Choice(context, this.#candidates, multihash)
    const isWordDue = (): boolean => this.#candidates.wordsDue > 0
    this.#hedge = new Hedge(context, this.#live, isWordDue, isFree => this.#onLate(isFree))
    this.#retry = new Retry(deadlines, random, () => this.#onRetry())
    this.#connecting = new PendingConnections(deadlines)
    this.#beganAtMs = deadlines.awakeMs
    this.#more = deadlines.add(MORE_AFTER_MS, () => this.#onNothingCame(() => context.connectMore(this)))
    this.#crowded = deadlines.add(CROWDED_MS, () => this.#onCrowded())
    this.#search = deadlines.add(SEARCH_AFTER_MS, () => context.search(this))
  }

  /** Whether a peer is waited for. */
  get isWaiting(): boolean {
    return this.#live.size > 0
  }

  /** Whether it did better to wait for somebody who had no room, when it was last to ask. */
  get isPatient(): boolean {
    return this.#choice.isPatient
  }

  get idleTrialSinceMs(): number | undefined {
    return this.#isOver ? undefined : this.#live.idleTrialSinceMs
  }

  /** Waits for the block. @throws the signal's reason */
  join(watcher: FetchWatcher): Promise<Uint8Array> {
    return this.#waiters.join(watcher)
  }

  /** Tells all who wait. */
  tell(progressOf: (cid: CID) => FetchProgress): void {
    this.#waiters.tell(progressOf)
  }

  /** Peers are being connected to that may have it. @param connected - when that is done */
  expectPeers(connected: Promise<void>): void {
    this.#connecting.add(connected, () => this.advance())
  }

  /** A peer is connected now. */
  joined(supplier: Supplier): void {
    if (!this.isWaiting) this.advance()
    // Nothing is known of anybody, so it may be wise not to wait for who was asked first.
    else if (!this.#choice.isAnybodyKnown && this.#candidates.has(supplier))
      this.#tellAsked(this.#askAround([supplier]))
  }

  /** Asks the next peer, if that is of use now. */
  advance(): void {
    // To ask who may be asked can end a time out, which lets everybody advance.
    if (this.#isOver || this.#isAdvancing || this.#live.size > 0) return
    this.#isAdvancing = true
    if (!this.#askNext() && (this.#candidates.wordsDue === 0 || this.#isCutOff)) this.#starve()
    this.#isAdvancing = false
  }

  /** An ask is over, and brought no block; or its peer is not waited for any longer. */
  ended(ask: Ask): void {
    this.#live.end(ask)
    this.#candidates.endWord(ask.supplier)
    this.#connectMore()
    this.advance()
  }

  askAlso(supplier: Supplier): boolean {
    return this.#candidates.has(supplier) && this.#ask(supplier)
  }

  /** A peer said that it has the block. Who was asked for it and has said nothing so far is not waited for long. */
  promised(supplier: Supplier): void {
    // It was not asked for the block itself; but it may have been asked because the block takes long.
    const isLate = this.#candidates.promised(supplier)
    if (this.#isOver) return
    if (this.#live.size > 0 && (isLate || !this.#live.isPromised(this.multihash))) {
      if (this.#live.isTrial && this.#live.size < MAX_RACERS && this.#context.takeTrial()) this.#askNext()
      else this.#hedge.plan(MIN_GRACE_MS, true)
    }
    this.advance()
  }

  /** This node is not cut off any more: who was asked for the block meanwhile may send it now, as late as it is. */
  reconnected(): void {
    if (!this.#isCutOff) return
    this.#isCutOff = false
    for (const supplier of this.#addressed) {
      const ask = supplier.asks.get(this.multihash)
      if (ask?.kind === 'BLOCK') this.#live.set(supplier, ask)
    }
    this.#retry.restart(MIN_GRACE_MS)
  }

  /** A peer lacks the block: so may others. */
  lacked(ask: Ask): void {
    this.#candidates.lacked(ask.supplier)
    const racers = this.#isOver ? [] : this.#askAround()
    this.ended(ask)
    this.#tellAsked(racers)
  }

  /** A peer is gone, with all that was asked of it. */
  forget(supplier: Supplier): void {
    this.#addressed.delete(supplier)
    this.#live.delete(supplier)
    this.#candidates.forget(supplier)
  }

  deliver(block: Uint8Array, supplier: Supplier): void {
    const waiters = this.#waiters.list()
    this.forget(supplier)
    this.#end(true)
    const sender = supplier.link.peer
    this.#waiters.resolve(waiters, block, cid => progress('bitswap:block', { cid, sender }))
    for (const outrun of this.#live.keys()) this.#context.outran(outrun)
  }

  /**
   * Who is waited for has been outrun with another block: this one need not wait for how that ends.
   *
   * @param isFree - whether that is no matter of the budget
   */
  hurry(isFree: boolean): void {
    this.#hedge.hurry(isFree)
  }

  /** Ends it for all who wait. */
  fail(reason: unknown): void {
    const waiters = this.#waiters.list()
    this.#end()
    this.#waiters.reject(waiters, reason)
  }

  #end(isDelivered = false): void {
    if (this.#isOver) return
    this.#isOver = true
    // Else it would never be known how that peer does.
    if (this.#probe !== undefined && (!isDelivered || this.#probe.isOverdue))
      this.#context.withdraw(this.#probe.supplier, this)
    this.#hedge.cancel()
    this.#more.cancel()
    this.#crowded.cancel()
    this.#search.cancel()
    this.#retry.cancel()
    for (const supplier of this.#addressed) this.#context.withdraw(supplier, this)
    this.#context.onOver(this)
  }

  /**
   * Asks the best peer that can be asked; returns whether there is one. While this node may be cut off, all others are asked
   * at once whether they have the block, instead of one after the other for it: as soon as it is no longer cut off, all who
   * were asked for it send it.
   */
  #askNext(): boolean {
    const isAsked = this.#askOne()
    if (!this.#context.isOutage) return isAsked
    this.#isCutOff = true
    if (!isAsked) return false
    for (const supplier of this.#candidates.list())
      if (this.#candidates.wordsDue < MAX_ASKED_AROUND && !supplier.hasPromised(this.multihash))
        this.#ask(supplier)
    return true
  }

  #askOne(): boolean {
    const shed = new Set<Supplier>()
    const next = (): Supplier | undefined => this.#choice.next(shed, !this.isWaiting)
    for (let supplier = next(); supplier !== undefined; supplier = next()) {
      if (this.#ask(supplier)) return true
      shed.add(supplier)
    }
    return this.#askShed(shed)
  }

  /** Offers it to recovering peers until one has earned it: they are spared for the sake of others, and there are none. */
  #askShed(shed: ReadonlySet<Supplier>): boolean {
    for (let offers = 0; offers < MAX_OFFERS; offers++) {
      for (const supplier of shed) if (this.#ask(supplier)) return true
    }
    return false
  }

  /** Returns whether the peer was asked. */
  #ask(supplier: Supplier): boolean {
    const kind = this.#kindFor(supplier)
    const isAsked = kind === 'BLOCK' ? this.#askForBlock(supplier) : this.#askForWord(supplier)
    if (!isAsked) return false
    this.#hedge.plan(this.#context.hedgeAfterMs(), false)
    this.#candidates.asked(supplier)
    if (kind === 'HAVE') return true
    if (this.#choice.standingOf(supplier) === 'ORDINARY') this.#askBesides()
    const racers = this.#isUnsure(supplier) ? this.#askAround() : []
    this.#tellAsked([supplier, ...racers])
    return true
  }

  #askForBlock(supplier: Supplier): boolean {
    const ask = this.#context.ask(supplier, this, 'BLOCK')
    if (ask === undefined) return false
    this.#addressed.add(supplier)
    this.#candidates.asked(supplier)
    this.#live.set(supplier, ask)
    return true
  }

  /** To be called last, since who is told may give up. */
  #tellAsked(asked: readonly Supplier[]): void {
    for (const { link } of asked) this.tell(() => progress('bitswap:send-wantlist', link.peer))
  }

  /** While this node may be cut off, one is asked for the block. */
  #kindFor(supplier: Supplier): AskKind {
    if (!this.#context.isOutage || supplier.hasPromised(this.multihash)) return 'BLOCK'
    const isAsked = (other: Supplier): boolean =>
      other !== supplier && other.asks.get(this.multihash)?.kind === 'BLOCK'
    return [...this.#addressed].some(isAsked) ? 'HAVE' : 'BLOCK'
  }

  /**
   * Asks, besides one that is as good as known to deliver, a peer of which it is not known how it does, so that nobody has to
   * wait for it. It may take its time after the block is there.
   */
  #askBesides(): void {
    if (this.#probe !== undefined) return
    const left = this.#candidates.list()
    const supplier = pickProbe(left, this.#live, this.#choice.standingOf, this.#context)
    this.#probe = supplier && this.#context.ask(supplier, this, 'BLOCK')
    if (this.#probe !== undefined) this.#candidates.asked(this.#probe.supplier)
  }

  /** Whether a peer may well not deliver: it often lacks blocks, or nothing is known of anybody. */
  #isUnsure(supplier: Supplier): boolean {
    if (supplier.hasPromised(this.multihash)) return false
    if (supplier.pace.hitShare < LIKELY_SHARE) return true
    return !this.#choice.isAnybodyKnown
  }

  /**
   * Asks others as well: for the block while nothing is known of anybody and few are asked, else whether they have it.
   * Returns who was asked for the block.
   */
  #askAround(
    others: readonly Supplier[] = this.#choice.ranked().map(({ supplier }) => supplier)
  ): Supplier[] {
    const isNew = !this.#choice.isAnybodyKnown && !this.#context.isOutage
    const racers: Supplier[] = []
    for (const supplier of others) {
      const isRacer = isNew && this.#live.size < MAX_RACERS && supplier.asks.size === 0
      if (!isRacer || !this.#context.takeTrial()) this.#askForWord(supplier)
      else if (this.#askForBlock(supplier)) racers.push(supplier)
    }
    return racers
  }

  /** Returns whether the peer was asked. */
  #askForWord(supplier: Supplier): boolean {
    if (supplier.hasPromised(this.multihash) || this.#candidates.wordsDue >= MAX_ASKED_AROUND) return false
    if (this.#context.ask(supplier, this, 'HAVE') === undefined) return false
    this.#addressed.add(supplier)
    this.#candidates.askedForWord(supplier)
    return true
  }

  /** The block takes long: another peer is asked as well, if there is one. @param isFree - whether that is no matter of the budget */
  #onLate(isFree: boolean): void {
    const late = [...this.#live.values()]
    for (const ask of late) this.#context.isTakingLong(ask)
    this.#connectMore()
    const isUseful = this.#candidates.list().length > 0
    // Who is tried out is asked for little, and a word costs little: that is no matter of the budget either.
    const costsNothing = isFree || this.#live.isTrial || this.#context.isOutage
    const mayAsk = isUseful && (costsNothing || this.#context.takeHedge())
    const isAsked = mayAsk && this.#askNext()
    if (!isAsked) this.#hedge.plan(this.#context.hedgeAfterMs(), false)
    // By a word nobody can be outrun.
    if (this.#live.size > late.length)
      for (const { supplier } of late) supplier.hedged(this.#context.deadlines.awakeMs)
    this.#context.advanceAll()
  }

  /**
   * Nothing came from anybody since it is wanted: those that are connected are too few for what is wanted, or do not do. The
   * first time, that is so whoever is being connected to.
   */
  #onNothingCame(connectMore: () => void): void {
    if (this.#context.lastBlockMs >= this.#beganAtMs) return
    // Before anybody is told, who may give up.
    this.#more = this.#context.deadlines.add(MORE_AFTER_MS, () =>
      this.#onNothingCame(() => this.#connectMore())
    )
    connectMore()
  }

  /** It has waited for somebody to have room. Once it is asked of anybody, whether that takes long tells whether to connect to more. */
  #onCrowded(): void {
    if (this.isWaiting) return
    this.#crowded = this.#context.deadlines.add(CROWDED_MS, () => this.#onCrowded())
    if (this.#candidates.full().length > 0) this.#connectMore()
  }

  /** Those that are connected may not do. */
  #connectMore(): void {
    if (!this.#isOver && !this.#connecting.isAnySoon) this.#context.connectMore(this)
  }

  /** Nobody is left to ask: more are looked for, unless there will be some. */
  #starve(): void {
    if (!this.#isSearched && !this.#connecting.isAny && !this.#candidates.mayHaveRoom) {
      this.#isSearched = true
      this.#context.search(this)
    }
    this.#retry.plan()
  }

  /** Has those asked once more who have said nothing. */
  #onRetry(): void {
    this.#isSearched = false
    this.#candidates.retry()
    this.#live.endOverdue()
    if (!this.isWaiting) this.#candidates.doubtOthers()
    this.advance()
  }
}
