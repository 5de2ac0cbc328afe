import type { Connection } from '@libp2p/interface'
import { sha256 } from 'multiformats/hashes/sha2'
import { type Deadlines, NO_LIMIT_MS } from '../core/deadlines.ts'
import { type Clock, FAILURE, IGNORED, type Outcome, type Protection, SUCCESS } from '../core/index.ts'
import { isAnswer, isPeersFault, isRefusal, isTimeout } from './blame.ts'
import type { WantlistEntry } from './message-reader.ts'
import { isSha256, readMultihash, textOf } from './multihash.ts'
import type { PeerLink, PeerLinks } from './peer-link.ts'
import type { Limits } from './tuning.ts'
import type { SentOn, Want } from './want-ledger.ts'
import { resultOf, type WantResult } from './want-result.ts'

/** A want is answered within this many times the opening of a stream: one way, a stream back, and the block. */
const OPENINGS_PER_ANSWER = 4

/** Longest a want waits while its peer says nothing at all, in ms. */
const MAX_SILENCE_MS = 10_000

/** Longest a want waits for a peer that keeps sending other things, in ms. */
const MAX_WAIT_MS = 30_000

/** What fails at once is held against the peer if some peer gave a sign of life within this time before, in ms. */
const RECENT_MS = 2_000

/** Who is told of a verdict, and acts on it. */
export interface JudgeHandlers {
  /** A peer fell under suspicion, and somebody has to find out. */
  onSuspect(link: PeerLink): void
  /** It may be sent to again. */
  onCleared(link: PeerLink): void
  /** Wants will never be answered, though the peer is there. */
  onLost(link: PeerLink): void
  onWant(result: WantResult, elapsedMs: number, isOverdue: boolean): void
  /** A block came that was asked for; `wasRefused` if enforcing would have kept it from being asked for. */
  onBlock(link: PeerLink, wasRefused: boolean): void
}

/**
 * Turns what is seen of peers into what the core is told of them.
 *
 * There are two kinds of evidence. That a stream opened is a sign of life, and tells how quick the peer is; a want
 * settles a call, by its answer or by its deadline. Nobody is judged while no peer at all responds: then the fault
 * is more likely here.
 */
export class PeerJudge {
  readonly #protection: Protection
  readonly #clock: Clock
  readonly #links: PeerLinks
  readonly #deadlines: Deadlines
  readonly #limits: Pick<Limits, 'wantTimeoutMs'>
  readonly #handlers: JudgeHandlers
  /** When any peer last gave a sign of life: in ms awake, and by the clock. */
  #lastLifeMs = -1
  #lastLifeAtMs = -Infinity

  constructor(
    protection: Protection,
    clock: Clock,
    links: PeerLinks,
    deadlines: Deadlines,
    limits: Pick<Limits, 'wantTimeoutMs'>,
    handlers: JudgeHandlers
  ) {
    this.#protection = protection
    this.#clock = clock
    this.#links = links
    this.#deadlines = deadlines
    this.#limits = limits
    this.#handlers = handlers
  }

  /** Whether what the peer sends is looked at closely: each block is then hashed to see which want it answers. */
  isDistrusted({ key }: PeerLink): boolean {
    if (!this.#protection.isSteady(key)) return true
    const { health } = this.#protection.table
    return health!.consecutiveErrors(this.#protection.slot(key, this.#clock.now())) > 0
  }

  /** A Bitswap stream to the peer was opened, in `elapsedMs` awake. */
  opened(link: PeerLink, elapsedMs: number): void {
    link.openTime.sample(elapsedMs)
    // Clearing makes a new table, even of an empty set.
    if (link.silentOn.size > 0) link.silentOn.clear()
    this.#noteLife()
    this.#clear(link)
  }

  /** Something else than Bitswap took this long: a first idea of how quick the peer is. */
  seedOpenTime(link: PeerLink, elapsedMs: number): void {
    if (!link.openTime.isKnown) link.openTime.sample(elapsedMs)
  }

  /** A stream is not open although it should be. */
  openIsLate(link: PeerLink): void {
    if (this.#protection.suspect(link.key)) this.#handlers.onSuspect(link)
  }

  /**
   * A stream could not be opened.
   *
   * @param connection - the one it was to be on; `undefined` if that was to be dialled first
   * @param sinceMs - when that began, in ms awake
   * @returns how the call it was opened for is settled
   */
  openFailed(link: PeerLink, connection: Connection | undefined, error: unknown, sinceMs: number): Outcome {
    if (isAnswer(error)) this.#noteLife()
    const isCertain = isAnswer(error) || isRefusal(error) || this.#hasLife(sinceMs)
    const isBlamed = isPeersFault(error) && isCertain
    if (connection !== undefined && isTimeout(error)) link.silentOn.add(connection)
    if (this.#protection.isSuspect(link.key)) this.#concludeSuspicion(link, error, isBlamed)
    return isBlamed ? 'failure' : 'ignored'
  }

  #concludeSuspicion(link: PeerLink, error: unknown, isBlamed: boolean): void {
    if (isAnswer(error)) this.#clear(link)
    // One that is dead does not mean the peer is: the others are tried as well.
    else if (
      isBlamed &&
      isTimeout(error) &&
      [...link.connections].some(connection => !link.silentOn.has(connection))
    )
      this.#handlers.onSuspect(link)
    else if (isBlamed) this.#protection.trip(link.key)
    else if (link.detached > 0) return
    // Nobody answers, so it may be our fault: as long as the connection stands it will show.
    else if (isTimeout(error) && link.connections.size > 0) this.#handlers.onSuspect(link)
    else this.#clear(link)
  }

  /** The peer is asked for a block. */
  asked(link: PeerLink, sentOn: SentOn, cid: Uint8Array, entry: WantlistEntry): void {
    const multihash = readMultihash(cid)
    if (multihash === undefined) return
    if (entry.cancel) {
      this.#settle(link, link.wants.take(multihash), IGNORED)
      return
    }
    const isFirst = link.wants.remember(multihash)
    if (link.wants.isFull || link.wants.has(multihash)) return
    const want = this.#follow(link, sentOn, isFirst && entry.sendDontHave)
    link.wants.add(multihash, want)
    this.#await(link, want.dueAtMs)
  }

  #follow(link: PeerLink, sentOn: SentOn, mustAnswer: boolean): Want {
    const now = this.#clock.now()
    const slot = this.#protection.slot(link.key, now)
    const token = this.#protection.table.follow(slot, now, NO_LIMIT_MS, sentOn.wasRefused)
    const askedAtMs = this.#deadlines.awakeMs
    return { askedAtMs, dueAtMs: askedAtMs + this.#silenceLimitMs(link), mustAnswer, sentOn, slot, token }
  }

  /** Has wants looked at when the first of them is due; that may be one just asked. */
  #await(link: PeerLink, dueAtMs: number): void {
    const { wants } = link
    if (wants.deadline !== undefined && wants.deadline.atMs <= dueAtMs) return
    wants.deadline = this.#deadlines.add(dueAtMs - this.#deadlines.awakeMs, () => this.#lookForOverdue(link))
  }

  #silenceLimitMs(link: PeerLink): number {
    const usual = Math.max(link.answerTime.usualMs, OPENINGS_PER_ANSWER * link.openTime.meanMs)
    const { wantTimeoutMs } = this.#limits
    return Math.min(Math.max(usual, wantTimeoutMs), Math.max(MAX_SILENCE_MS, wantTimeoutMs))
  }

  #lookForOverdue(link: PeerLink): void {
    const now = this.#deadlines.awakeMs
    let nextMs = Infinity
    link.wants.deadline = undefined
    for (const [multihash, want] of link.wants.entries()) {
      if (want.dueAtMs <= now) this.#overdue(link, multihash, want)
      if (link.wants.has(multihash)) nextMs = Math.min(nextMs, want.dueAtMs)
    }
    if (nextMs < Infinity) this.#await(link, nextMs)
  }

  #overdue(link: PeerLink, multihash: string, want: Want): void {
    const now = this.#deadlines.awakeMs
    const quietMs = now - link.lastHeardMs
    const limitMs = this.#silenceLimitMs(link)
    // Busy with other blocks: their turn comes first.
    if (quietMs < limitMs && now - want.askedAtMs < MAX_WAIT_MS) {
      want.dueAtMs = now + limitMs - quietMs
      return
    }
    const isBlamed = want.mustAnswer && this.#lastLifeMs > want.askedAtMs && !this.#mayBeCutOff(want)
    link.wants.take(multihash)
    this.#settle(link, want, isBlamed ? FAILURE : IGNORED, true)
  }

  /**
   * Whether this node may have lost its network while it waited: for half of the time nobody has given a sign of life, though
   * most of those it deals with had reason to.
   */
  #mayBeCutOff({ askedAtMs }: Want): boolean {
    if (this.#lastLifeMs >= (askedAtMs + this.#deadlines.awakeMs) / 2) return false
    let silent = 0
    let done = 0
    for (const { key, wants, lastHeardMs } of this.#links.values()) {
      if (wants.size > 0 || this.#protection.isSuspect(key)) {
        // In an outage of many peers this is asked for each of their wants.
        if (++silent > 1 && 2 * silent > this.#links.size) return true
      } else if (lastHeardMs > askedAtMs) done++
    }
    return silent > 1 && silent > done
  }

  /** The peer sent bytes of Bitswap. */
  heard(link: PeerLink): void {
    this.#noteLife()
    link.lastHeardMs = this.#deadlines.awakeMs
  }

  /** The peer said whether it has a block. */
  toldPresence(link: PeerLink, cid: Uint8Array): void {
    const multihash = readMultihash(cid)
    if (multihash !== undefined) this.#answered(link, link.wants.takeAnswered(multihash))
  }

  /**
   * The peer sent a block. Which want that answers only its hash can tell; of a peer that is trusted it is taken for
   * the one waited for longest, as whoever asked for it hashes it anyway.
   */
  sentBlock(link: PeerLink): void {
    this.#delivered(link, link.wants.takeOldest())
  }

  /** A peer that is distrusted sent a block; it is hashed to see which want it answers. */
  async sentDistrustedBlock(link: PeerLink, prefix: Uint8Array, data: Uint8Array): Promise<void> {
    if (!isSha256(prefix)) return this.sentBlock(link)
    const { bytes } = await sha256.digest(data)
    this.#delivered(link, link.wants.takeAnswered(textOf(bytes)))
  }

  #delivered(link: PeerLink, want: Want | undefined): void {
    if (want !== undefined) this.#handlers.onBlock(link, want.sentOn.wasRefused)
    this.#answered(link, want)
  }

  #answered(link: PeerLink, want: Want | undefined): void {
    if (want === undefined) return
    link.answerTime.sample(this.#deadlines.awakeMs - want.askedAtMs)
    this.#settle(link, want, SUCCESS)
    link.lastAnsweredMs = this.#deadlines.awakeMs
  }

  #settle(link: PeerLink, want: Want | undefined, outcome: number, isOverdue = false): void {
    if (want === undefined) return
    const now = this.#deadlines.awakeMs
    const elapsedMs = now - want.askedAtMs
    // While it answered others, this one waited its turn.
    const ownMs = now - Math.max(want.askedAtMs, link.lastAnsweredMs)
    const { table } = this.#protection
    table.settleMeasured(want.slot, want.token, outcome, this.#clock.now(), elapsedMs, ownMs)
    this.#handlers.onWant(resultOf(outcome), elapsedMs, isOverdue)
  }

  /** The peer reset a stream: one failure, however many wants went out on it. */
  wasReset(link: PeerLink, stream: number): void {
    this.#noteLife()
    this.#failOnce(
      link,
      link.wants.takeAll(sentOn => sentOn.stream === stream)
    )
  }

  /**
   * A connection to the peer is gone.
   *
   * @param error - what broke it; `undefined` if it was closed, which a process that is killed looks like, too
   * @param wasClosedHere - whether somebody on this node closed it
   */
  lost(link: PeerLink, connection: Connection, error: unknown, wasClosedHere: boolean): void {
    link.silentOn.delete(connection)
    // There is another, so the peer has not gone.
    if (link.connections.size > 0) {
      this.#forgetSentOn(link, connection)
      return
    }
    const open = link.wants.takeAll()
    const owed = open.filter(({ mustAnswer }) => mustAnswer)
    for (const want of open) if (!owed.includes(want)) this.#settle(link, want, IGNORED)
    link.wants.forget()
    link.peerWants = 0
    if (wasClosedHere || (error !== undefined && !isPeersFault(error))) {
      for (const want of owed) this.#settle(link, want, IGNORED)
      if (link.detached === 0) this.#clear(link)
      return
    }
    this.#failOnce(link, owed)
    // It left owing answers: has it gone for good?
    if (owed.length > 0) this.#protection.suspect(link.key)
    if (this.#protection.isSuspect(link.key)) this.#handlers.onSuspect(link)
  }

  #forgetSentOn(link: PeerLink, connection: Connection): void {
    const open = link.wants.takeAll(sentOn => sentOn.connection === connection)
    for (const want of open) this.#settle(link, want, IGNORED)
    if (open.length > 0) this.#handlers.onLost(link)
  }

  /** Ends everything that is waited for, to nobody's harm. */
  dismiss(): void {
    for (const link of this.#links.values()) {
      for (const want of link.wants.takeAll()) this.#settle(link, want, IGNORED)
      this.#clear(link)
    }
  }

  #failOnce(link: PeerLink, wants: readonly Want[]): void {
    for (const [index, want] of wants.entries()) this.#settle(link, want, index === 0 ? FAILURE : IGNORED)
  }

  #noteLife(): void {
    this.#lastLifeMs = this.#deadlines.awakeMs
    this.#lastLifeAtMs = this.#clock.now()
  }

  /** Whether the way to some peer was open since then, in ms awake, or just before. */
  #hasLife(sinceMs: number): boolean {
    return this.#lastLifeMs > sinceMs || this.#clock.now() - this.#lastLifeAtMs < RECENT_MS
  }

  #clear(link: PeerLink): void {
    if (this.#protection.clearSuspicion(link.key)) this.#handlers.onCleared(link)
  }
}
