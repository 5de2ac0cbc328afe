import type { CID } from 'multiformats/cid'
import type { Deadline, Deadlines } from '../deadlines.ts'
import type { Ask, AskKind } from './ask.ts'
import { type FetchProgress, type ProgressListener, progress } from './fetch-progress.ts'
import type { Supplier } from './supplier.ts'

/** A peer that has less than this share of what it is asked for is not asked alone. */
const LIKELY_SHARE = 0.5

/** A peer that was asked has at least this long once another has said that it has the block, in ms. */
const MIN_GRACE_MS = 50

/** Peers asked at once whether they have a block. */
const MAX_ASKED_AROUND = 32

/** While nothing is known of anybody, so many peers are asked for one block at once. */
const MAX_RACERS = 3

/** How much less likely a peer is to have a block if others said they have it. */
const UNPROMISED_SHARE = 0.1

/** Peers up to this many times slower than the best are as good: load is spread over them. */
const AS_GOOD = 2

/** Nobody else is asked for a block while the same peer sends others, for up to so many times of what most take. */
const MAX_QUEUED = 4

/** A peer that does worse than others is asked again after this long, in ms: it may do better by now, and would not be seen to. */
const FORGOTTEN_MS = 2_000

/** Connections that take longer than this, in ms, do not keep others from being made. */
const CONNECT_SOON_MS = 200

/** Offers after which a recovering peer has earned a request: its share is a tenth at least. */
const MAX_OFFERS = 16

/** Without a block for this long, in ms, other providers are looked for. */
const SEARCH_AFTER_MS = 1_000

/**
 * When nobody is left to ask: after this long, in ms, at first and later, those who have said nothing are asked once
 * more. What they were asked before has been taken back by then, or they would not heed it.
 */
const MIN_RETRY_MS = 1_000
const MAX_RETRY_MS = 4_000

/**
 * How a peer stands: asked as any other; not known, since it never delivered anything; let in to find out whether it does
 * better now (its circuit is HALF_OPEN); or only let in because too many others are refused.
 */
export type Standing = 'ORDINARY' | 'UNKNOWN' | 'PROBATION' | 'LAST_RESORT'

/** Who waits for a fetch, and is told how it goes on. */
export interface FetchWatcher extends ProgressListener {
  readonly signal: AbortSignal | undefined
}

/** What a fetch needs of whoever runs it. */
export interface FetchContext {
  readonly deadlines: Deadlines
  readonly random: () => number
  /** Whether nothing arrives from so many that this node may be cut off. */
  readonly isOutage: boolean
  suppliers(): Iterable<Supplier>
  /** Whether a peer may be asked now. */
  mayAsk(supplier: Supplier): boolean
  standing(supplier: Supplier): Standing
  /** Asks a peer; `undefined` if it may not be asked after all. */
  ask(supplier: Supplier, fetch: BlockFetch, kind: AskKind): Ask | undefined
  /** Takes back what was asked of a peer for this fetch. */
  withdraw(supplier: Supplier, fetch: BlockFetch): void
  hedgeAfterMs(): number
  /** Notes that a peer takes longer than most. */
  isTakingLong(ask: Ask): void
  /** Whether a second request may be made now. */
  takeHedge(): boolean
  /** Whether a peer may be tried out now. */
  takeTrial(): boolean
  /** Connects to more of the providers that were given. */
  connectMore(fetch: BlockFetch): void
  /** Looks for more providers, if that is not under way. */
  search(fetch: BlockFetch): void
  /** Nobody wants it any more, or it is there. */
  onOver(fetch: BlockFetch): void
}

/** Best first. */
const standings: readonly Standing[] = ['ORDINARY', 'UNKNOWN', 'PROBATION', 'LAST_RESORT']

interface Waiter {
  readonly watcher: FetchWatcher
  readonly resolve: (block: Uint8Array) => void
  readonly reject: (reason: unknown) => void
  readonly onAbort: () => void
}

/**
 * A block that is being fetched, for however many callers: who is asked for it, and who next. It goes on until it has
 * the block or nobody waits for it any more.
 */
export class BlockFetch implements ProgressListener {
  readonly cid: CID
  readonly multihash: string
  readonly #context: FetchContext
  readonly #waiters = new Set<Waiter>()
  /** Who was asked anything on the connection that stands, and has to be told when it is over. */
  readonly #addressed = new Set<Supplier>()
  /** Of these, who was asked for the block, and is not asked again before the next retry. */
  readonly #asked = new Set<Supplier>()
  /** Those of whom it is not known what becomes of it. */
  readonly #live = new Map<Supplier, Ask>()
  readonly #wantsWord = new Set<Supplier>()
  /** Who has told this fetch that it lacks the block; if that changes, it sends it. */
  readonly #lacking = new Set<Supplier>()
  /** Whether that is believed which peers have told other fetches: it may be different by now. */
  #believesOthers = true
  /** What a peer was asked besides, to find out how it does. */
  #probe: Ask | undefined
  #isOver = false
  #hedge: Deadline | undefined
  #search: Deadline | undefined
  #retry: Deadline | undefined
  #retryMs = MIN_RETRY_MS
  #isAdvancing = false
  /** Whether others were asked while this node may have been cut off, and it has not shown since that it is not. */
  #isCutOff = false
  /** Connections being made to peers that may have it. */
  #connecting = 0
  /** Those of them that may still be expected to be there soon. */
  #connectingSoon = 0
  /** Whether providers were looked for since those were last asked once more who have said nothing. */
  #isSearched = false

  constructor(cid: CID, multihash: string, context: FetchContext) {
    this.cid = cid
    this.multihash = multihash
    this.#context = context
    this.#search = context.deadlines.add(SEARCH_AFTER_MS, () => context.search(this))
  }

  /** Whether a peer is waited for. */
  get isWaiting(): boolean {
    return this.#live.size > 0
  }

  /** Waits for the block. @throws the signal's reason */
  join(watcher: FetchWatcher): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#leave(waiter)
      const waiter: Waiter = { watcher, resolve, reject, onAbort }
      watcher.signal?.addEventListener('abort', onAbort)
      this.#waiters.add(waiter)
    })
  }

  /** Tells all who wait. */
  tell(progressOf: (cid: CID) => FetchProgress): void {
    for (const { watcher } of this.#waiters) watcher.tell(progressOf)
  }

  /** Peers are being connected to that may have it. @param connected - when that is done */
  expectPeers(connected: Promise<void>): void {
    this.#connecting++
    this.#connectingSoon++
    let isSoon = true
    const notSoon = (): void => {
      if (isSoon) this.#connectingSoon--
      isSoon = false
    }
    const patience = this.#context.deadlines.add(CONNECT_SOON_MS, notSoon)
    const onEnd = (): void => {
      patience.cancel()
      notSoon()
      this.#connecting--
      this.advance()
    }
    connected.then(onEnd, onEnd)
  }

  /** A peer is connected now. */
  joined(supplier: Supplier): void {
    if (!this.isWaiting) this.advance()
    // Nothing is known of anybody, so it may be wise not to wait for who was asked first.
    else if (!this.#isAnybodyKnown && this.#isEligible(supplier)) this.#tellAsked(this.#askAround([supplier]))
  }

  /** Asks the next peer, if that is of use now. */
  advance(): void {
    // To ask who may be asked can end a time out, which lets everybody advance.
    if (this.#isOver || this.#isAdvancing || this.#live.size > 0) return
    this.#isAdvancing = true
    if (!this.#askNext() && (this.#wantsWord.size === 0 || this.#isCutOff)) this.#starve()
    this.#isAdvancing = false
  }

  /** An ask is over, and brought no block; or its peer is not waited for any longer. */
  ended(ask: Ask): void {
    const { supplier } = ask
    if (this.#live.get(supplier) === ask) this.#live.delete(supplier)
    this.#wantsWord.delete(supplier)
    this.#connectMore()
    this.advance()
  }

  /** A peer said that it has the block. Who was asked for it and has said nothing so far is not waited for long. */
  promised(supplier: Supplier): void {
    this.#wantsWord.delete(supplier)
    // It was not asked for the block itself; but it may have been asked because the block takes long.
    const isLate = this.#asked.delete(supplier)
    if (this.#isOver) return
    const isPromised = [...this.#live.keys()].some(asked => asked.hasPromised(this.multihash))
    if (this.#live.size > 0 && (isLate || !isPromised)) {
      if (this.#isTrial && this.#live.size < MAX_RACERS && this.#context.takeTrial()) this.#askNext()
      else this.#planHedge(MIN_GRACE_MS, true)
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
    this.#retryMs = MIN_RETRY_MS
    this.#planRetry(MIN_GRACE_MS)
  }

  /** A peer lacks the block: so may others. */
  lacked(ask: Ask): void {
    this.#lacking.add(ask.supplier)
    const racers = this.#isOver ? [] : this.#askAround()
    this.ended(ask)
    this.#tellAsked(racers)
  }

  /** A peer is gone, with all that was asked of it. */
  forget(supplier: Supplier): void {
    this.#addressed.delete(supplier)
    this.#lacking.delete(supplier)
    this.#asked.delete(supplier)
    this.#live.delete(supplier)
    this.#wantsWord.delete(supplier)
  }

  deliver(block: Uint8Array, supplier: Supplier): void {
    const waiters = [...this.#waiters]
    this.forget(supplier)
    this.#end(true)
    for (const waiter of waiters) {
      this.#dismiss(waiter)
      waiter.watcher.tell(cid => progress('bitswap:block', { cid, sender: supplier.link.peer }))
      waiter.resolve(block)
    }
  }

  /** Ends it for all who wait. */
  fail(reason: unknown): void {
    const waiters = [...this.#waiters]
    this.#end()
    for (const waiter of waiters) {
      this.#dismiss(waiter)
      waiter.reject(reason)
    }
  }

  #leave(waiter: Waiter): void {
    this.#dismiss(waiter)
    waiter.reject(waiter.watcher.signal!.reason)
    if (this.#waiters.size === 0) this.#end()
  }

  #dismiss(waiter: Waiter): void {
    this.#waiters.delete(waiter)
    waiter.watcher.signal?.removeEventListener('abort', waiter.onAbort)
  }

  #end(isDelivered = false): void {
    if (this.#isOver) return
    this.#isOver = true
    // Else it would never be known how that peer does.
    if (this.#probe !== undefined && (!isDelivered || this.#probe.isOverdue))
      this.#context.withdraw(this.#probe.supplier, this)
    for (const deadline of [this.#hedge, this.#search, this.#retry]) deadline?.cancel()
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
    for (const supplier of this.#eligible())
      if (this.#wantsWord.size < MAX_ASKED_AROUND && !supplier.hasPromised(this.multihash))
        this.#ask(supplier)
    return true
  }

  #askOne(): boolean {
    const shed = new Set<Supplier>()
    for (let supplier = this.#choose(shed); supplier !== undefined; supplier = this.#choose(shed)) {
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
    this.#planHedge(this.#context.hedgeAfterMs(), false)
    this.#asked.add(supplier)
    if (kind === 'HAVE') return true
    if (this.#standing(supplier) === 'ORDINARY') this.#askBesides()
    const racers = this.#isUnsure(supplier) ? this.#askAround() : []
    this.#tellAsked([supplier, ...racers])
    return true
  }

  #askForBlock(supplier: Supplier): boolean {
    const ask = this.#context.ask(supplier, this, 'BLOCK')
    if (ask === undefined) return false
    this.#addressed.add(supplier)
    this.#asked.add(supplier)
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
    const eligible = this.#eligible()
    const supplier =
      eligible.find(supplier => this.#standing(supplier) === 'PROBATION') ?? this.#pickTrial(eligible)
    this.#probe = supplier && this.#context.ask(supplier, this, 'BLOCK')
    if (this.#probe !== undefined) this.#asked.add(this.#probe.supplier)
  }

  /** One that is new, or else one that does badly as far as is known, which is not asked otherwise. */
  #pickTrial(eligible: readonly Supplier[]): Supplier | undefined {
    const idle = eligible.filter(({ asks }) => asks.size === 0)
    const picked =
      idle.find(supplier => this.#standing(supplier) === 'UNKNOWN') ??
      idle.find(supplier => this.#isForgotten(supplier))
    return picked !== undefined && this.#context.takeTrial() ? picked : undefined
  }

  /** Whether a peer was left alone for a while since others are better, which may be over. */
  #isForgotten({ pace, lastAskedMs }: Supplier): boolean {
    const now = this.#context.deadlines.awakeMs
    if (now - lastAskedMs < FORGOTTEN_MS) return false
    const bestMs = Math.min(...[...this.#live.keys()].map(asked => asked.pace.expectedMs(now, 0)))
    return pace.expectedMs(now, 0) > AS_GOOD * bestMs
  }

  #standing(supplier: Supplier): Standing {
    const standing = this.#context.standing(supplier)
    const isKnown = supplier.pace.isKnown || supplier.hasPromised(this.multihash)
    return standing === 'ORDINARY' && !isKnown ? 'UNKNOWN' : standing
  }

  /** Whether a peer may well not deliver: it often lacks blocks, or nothing is known of anybody. */
  #isUnsure(supplier: Supplier): boolean {
    if (supplier.hasPromised(this.multihash)) return false
    if (supplier.pace.hitShare < LIKELY_SHARE) return true
    return !this.#isAnybodyKnown
  }

  /**
   * Asks others as well: for the block while nothing is known of anybody and few are asked, else whether they have it.
   * Returns who was asked for the block.
   */
  #askAround(others: readonly Supplier[] = this.#ranked().map(({ supplier }) => supplier)): Supplier[] {
    const isNew = !this.#isAnybodyKnown && !this.#context.isOutage
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
    if (supplier.hasPromised(this.multihash) || this.#wantsWord.size >= MAX_ASKED_AROUND) return false
    if (this.#context.ask(supplier, this, 'HAVE') === undefined) return false
    this.#addressed.add(supplier)
    this.#wantsWord.add(supplier)
    return true
  }

  /** Has another peer asked if there is no block by then. @param isFree - whether that is no matter of the budget */
  #planHedge(afterMs: number, isFree: boolean): void {
    this.#hedge?.cancel()
    this.#hedge = this.#context.deadlines.add(afterMs, () => {
      if (this.#live.size === 0) return
      const restMs = this.#queuedForMs()
      if (restMs > 0) {
        this.#planHedge(restMs, isFree)
        return
      }
      for (const ask of this.#live.values()) this.#context.isTakingLong(ask)
      this.#connectMore()
      const isUseful = this.#eligible().length > 0
      // Who is tried out is asked for little, and a word costs little: that is no matter of the budget either.
      const costsNothing = isFree || this.#isTrial || this.#context.isOutage
      const mayAsk = isUseful && (costsNothing || this.#context.takeHedge())
      const isAsked = mayAsk && this.#askNext()
      if (!isAsked) this.#planHedge(this.#context.hedgeAfterMs(), false)
    })
  }

  /**
   * How much longer the block may be expected to wait for others that the same peer is sending, in ms: what it takes is the line,
   * on which a second copy would only be in the way.
   */
  #queuedForMs(): number {
    const now = this.#context.deadlines.awakeMs
    const usualMs = this.#context.hedgeAfterMs()
    const asks = [...this.#live.values()]
    if (now - Math.min(...asks.map(({ askedAtMs }) => askedAtMs)) >= MAX_QUEUED * usualMs) return 0
    return Math.max(...asks.map(({ supplier }) => supplier.lastDeliveredMs)) + usualMs - now
  }

  get #isAnybodyKnown(): boolean {
    return [...this.#context.suppliers()].some(({ pace }) => pace.isKnown)
  }

  /** Whether somebody is waited for who had not delivered anything when he was asked. */
  get #isTrial(): boolean {
    return [...this.#live.values()].some(ask => ask.isTrial)
  }

  /** Those that are connected may not do. */
  #connectMore(): void {
    if (!this.#isOver && this.#connectingSoon === 0) this.#context.connectMore(this)
  }

  /** One of the best peers: of two taken by chance the one that is expected to deliver sooner. */
  #choose(except: ReadonlySet<Supplier>): Supplier | undefined {
    const ranked = this.#ranked().filter(({ supplier }) => !except.has(supplier))
    const best = ranked[0]
    if (best === undefined) return undefined
    const asGood = ranked.filter(({ costMs }) => costMs <= AS_GOOD * best.costMs)
    const pick = (): number => Math.floor(this.#context.random() * asGood.length)
    return asGood[Math.min(pick(), pick())]!.supplier
  }

  /** Who can be asked of those that stand best, by the time that is expected to pass until the block is there. */
  #ranked(): Array<{ supplier: Supplier; costMs: number }> {
    const now = this.#context.deadlines.awakeMs
    const byStanding = Map.groupBy(this.#eligible(), supplier => this.#standing(supplier))
    const eligible = standings.map(standing => byStanding.get(standing)).find(Boolean) ?? []
    const known = eligible.filter(({ pace }) => pace.isKnown)
    // Of who is not known yet the best is expected.
    const unknownMs = Math.max(1, Math.min(...known.map(({ pace }) => pace.expectedMs(now, 0)), 1_000))
    const isPromised = eligible.some(supplier => supplier.hasPromised(this.multihash))
    const costOf = (supplier: Supplier): number => {
      const { pace, waiting } = supplier
      const share = supplier.hasPromised(this.multihash) ? 1 : isPromised ? UNPROMISED_SHARE : pace.hitShare
      return (Math.max(1, pace.expectedMs(now, unknownMs)) * (1 + waiting)) / share
    }
    return eligible
      .map(supplier => ({ supplier, costMs: costOf(supplier) }))
      .sort((one, other) => one.costMs - other.costMs)
  }

  #eligible(): Supplier[] {
    return [...this.#context.suppliers()].filter(
      supplier => this.#isEligible(supplier) && !this.#wantsWord.has(supplier)
    )
  }

  #isEligible(supplier: Supplier): boolean {
    return (
      !this.#asked.has(supplier) &&
      !this.#lacking.has(supplier) &&
      !(this.#believesOthers && supplier.lacks(this.multihash)) &&
      !supplier.isFull &&
      this.#context.mayAsk(supplier)
    )
  }

  /** Nobody is left to ask. */
  #starve(): void {
    if (!this.#isSearched && !this.#hasProspects()) {
      this.#isSearched = true
      this.#context.search(this)
    }
    if (this.#retry !== undefined) return
    // Not all at once.
    this.#planRetry(this.#retryMs * (1 - this.#context.random() / 2))
    this.#retryMs = Math.min(MAX_RETRY_MS, 2 * this.#retryMs)
  }

  /** Has those asked once more who have said nothing by then. */
  #planRetry(afterMs: number): void {
    this.#retry?.cancel()
    this.#retry = this.#context.deadlines.add(afterMs, () => {
      this.#retry = undefined
      this.#isSearched = false
      for (const supplier of this.#asked)
        if (supplier.asks.get(this.multihash)?.isOverdue !== false) this.#asked.delete(supplier)
      for (const [supplier, { isOverdue }] of this.#live) if (isOverdue) this.#live.delete(supplier)
      if (!this.isWaiting) this.#believesOthers = false
      this.advance()
    })
  }

  /** Whether somebody has only to have room, or to be connected. */
  #hasProspects(): boolean {
    if (this.#connecting > 0) return true
    const mayHaveRoom = (supplier: Supplier): boolean =>
      !this.#asked.has(supplier) && !supplier.lacks(this.multihash) && this.#context.mayAsk(supplier)
    return [...this.#context.suppliers()].some(mayHaveRoom)
  }
}
