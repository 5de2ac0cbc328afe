import type { Connection, Stream } from '@libp2p/interface'
import type { Clock } from '../core/index.ts'
import { durationMs, numberBetween, type Rules, resolveOptions } from '../core/options.ts'
import type { PeerLink } from './peer-link.ts'
import { RateLimit } from './rate-limit.ts'
import { subnetOf } from './subnet.ts'

/**
 * What peers may ask of this node. Each may take at once what its rates come to in `burstMs`; wants and streams are
 * taken from one budget, bytes from another.
 */
export interface InboundOptions {
  /** Wants a peer may send per second that are answered with a block, 1 to a million. */
  wantsPerS: number
  /** What a want costs more if the block is not here, in wants, 0 to 1000. */
  missCost: number
  /** Bitswap streams a peer may open per second, 1 to a million. */
  streamsPerS: number
  /** Bytes a peer may send per second besides the blocks it was asked for, from 1024. */
  bytesPerS: number
  /** Time whose worth of wants, streams and bytes may come at once, in ms, from 1. */
  burstMs: number
  /** How many times what one peer may, all peers of a subnet may together: 1 to a million. */
  subnetFactor: number
}

/**
 * Meant to be out of reach for whoever fetches blocks. A GiB in blocks of 256 KiB is 4,096 wants and, with Helia, which
 * opens a stream for each message, up to 4,096 streams. Fetched in a minute these are 68 of each per second: a sixth of
 * the budget if the blocks are here, two fifths if none of them is. A list of 1,024 wants, the longest there is (boxo's
 * `MaxQueuedWantlistEntriesPerPeer`, Helia's `DEFAULT_MAX_WANTLIST_SIZE`), is a quarter of the burst until it is
 * answered. So a peer that goes on asking for what is not here makes stock Helia look for 256 blocks per second.
 */
export const defaultInboundOptions: Readonly<InboundOptions> = Object.freeze({
  wantsPerS: 2_048,
  missCost: 7,
  streamsPerS: 512,
  // Wants have some 50 bytes each. All else is slack, e.g. for answers to what was asked before the service started.
  bytesPerS: 8 * 2 ** 20,
  burstMs: 16_000,
  // As many connections as go-libp2p takes from one network.
  subnetFactor: 8
})

const MAX_RATE = 1_000_000

const rules: Rules<InboundOptions> = {
  wantsPerS: numberBetween(1, MAX_RATE),
  missCost: numberBetween(0, 1_000),
  streamsPerS: numberBetween(1, MAX_RATE),
  bytesPerS: numberBetween(1_024, Number.MAX_SAFE_INTEGER),
  burstMs: durationMs(1),
  subnetFactor: numberBetween(1, MAX_RATE)
}

/** @throws InvalidOptionError */
export function resolveInboundOptions(options: Partial<InboundOptions>): Readonly<InboundOptions> {
  return resolveOptions('inbound', defaultInboundOptions, options, rules)
}

/** The largest block that Bitswap sends, in bytes (specs.ipfs.tech/bitswap-protocol, block sizes). */
const MAX_BLOCK_BYTES = 2 * 2 ** 20

/** Answers of a peer that may be under way at once: as many as `getBlock` asks one peer for. */
const MAX_ANSWERS_AT_ONCE = 16

/** A lag of the event loop up to this, in ms, is none: less than anybody notices. */
const USUAL_LAG_MS = 50

/** Misses of all peers together are expected to be no more than so many times what one peer may. */
const TOTAL_FACTOR = 8

/** From this share of what all together may have at once on, they are too many. */
const MUCH = 1 / 2

/**
 * While the event loop lags, or too many blocks are asked for that are not here, prices rise, up to this factor. It leaves
 * room for 256 misses in the burst: even then a node listens to each peer once, unless it asks for very much.
 */
const MAX_PRICE = 16

/** Wants of one peer that Bitswap keeps: `DEFAULT_MAX_WANTLIST_SIZE` of Helia, and as many in boxo. */
const MAX_STANDING = 1_024

/**
 * A peer goes on although it is refused if that happens so many times at once, and then once in this time, in ms. To read
 * what it asks, and refuse it, costs as well: so it is disconnected, and not let in for this long, in ms. It is long since a
 * handshake costs even more.
 */
const REFUSALS = 8
const REFUSAL_MS = 4_000
const SHUT_OUT_MS = 300_000

/** All peers together, where each has a budget. */
const ALL = ''

/** What was too much. UNREADABLE: what was sent is no Bitswap, so nobody can tell what it asks for. */
export type Overrun = 'STREAMS' | 'WANTS' | 'BYTES' | 'UNREADABLE'

/** What the guard needs of its surroundings. */
export interface InboundContext {
  readonly clock: Clock
  /** How late this process is at what it has to do, in ms. */
  readonly lagMs: () => number
  /** Whether streams are to be refused, or only counted. */
  readonly isEnforcing: () => boolean
  /** Told of each stream that is too much, once. */
  readonly onOverrun: (link: PeerLink, overrun: Overrun) => void
  /** Whether a peer may be disconnected. */
  readonly mayShutOut: (link: PeerLink) => boolean
  /** A peer goes on although it is refused, and is to be disconnected. */
  readonly onShutOut: (link: PeerLink) => void
}

/** Who something comes from. */
interface Sender {
  readonly key: string
  readonly subnet: string | undefined
}

/** What a message asks for. */
interface Asked {
  wants: number
  cancels: number
}

/**
 * Keeps peers from flooding this node: what they ask for, and what they send without being asked, is taken from a budget
 * of the peer and one of its subnet. While this process lags, or all together ask for very much, that costs more.
 *
 * Serving and fetching are two things: an answer to a want of ours costs the peer nothing, and is let in even if the
 * peer has asked for too much, so that nobody is blamed for an answer that was turned away here.
 */
export class InboundGuard {
  readonly #context: InboundContext
  readonly #asking: Budget
  readonly #sending: Budget
  /** What all peers together asked for that is not here. */
  readonly #misses: RateLimit
  /** What things cost, in ms of the budget they are taken from. */
  readonly #wantMs: number
  readonly #missMs: number
  readonly #streamMs: number
  readonly #byteMs: number
  readonly #burstMs: number
  /** What was refused, and who is shut out for it. Both outlive connections. */
  readonly #refusals: RateLimit
  readonly #shutOut: RateLimit
  readonly #senders = new WeakMap<Connection, Sender>()

  /** @param maxTracked - peers that have budgets of their own, and subnets */
  constructor(options: Readonly<InboundOptions>, maxTracked: number, context: InboundContext) {
    const { wantsPerS, missCost, streamsPerS, bytesPerS } = options
    this.#context = context
    this.#asking = new Budget(options, maxTracked, context.clock)
    this.#sending = new Budget(options, maxTracked, context.clock)
    this.#misses = new RateLimit(1, options.burstMs, context.clock)
    this.#burstMs = options.burstMs
    this.#refusals = new RateLimit(maxTracked, REFUSALS * REFUSAL_MS, context.clock)
    this.#shutOut = new RateLimit(maxTracked, SHUT_OUT_MS, context.clock)
    this.#wantMs = 1_000 / wantsPerS
    this.#missMs = this.#wantMs * missCost
    this.#streamMs = 1_000 / streamsPerS
    this.#byteMs = 1_000 / bytesPerS
  }

  /** A peer opened a stream. It is aborted as soon as it is too much, which may be at once. */
  opened(stream: Stream, link: PeerLink, connection: Connection): InboundStream {
    const inbound = new InboundStream(this, stream, link, this.#sender(connection))
    inbound.opened()
    return inbound
  }

  /** A peer was given what it wanted: so that was no miss. */
  served(link: PeerLink, connection: Connection | undefined): void {
    const sender = connection === undefined ? { key: link.key, subnet: undefined } : this.#sender(connection)
    this.#asking.giveBack(sender, forgetWants(link, 1))
    this.#misses.giveBack(ALL, this.#missMs / TOTAL_FACTOR)
  }

  /** Whether a peer was disconnected because it went on although it was refused, and is not let in yet. */
  isShutOut(key: string): boolean {
    return this.#shutOut.debtMs(key) > 0
  }

  /** A peer is not connected any more: Bitswap forgets what either side wanted. */
  gone(link: PeerLink): void {
    link.answersDue = 0
    forgetWants(link, link.standingWants)
  }

  takeStream(sender: Sender, isAnswering: boolean): boolean {
    return isAnswering
      ? this.#sending.take(sender, this.#streamMs, this.#creditMs(1))
      : this.#asking.take(sender, this.#streamMs * this.#price())
  }

  /**
   * Wants are charged as misses, until they are answered. Stock Bitswap of Helia never takes a want back, and looks for
   * all that stand with every message. So honest peers have long lists, too, and that is charged only as far as this
   * process cannot keep up.
   *
   * A message that is refused costs what reading it did: so whoever goes on has ever less of it read.
   */
  takeMessage(sender: Sender, link: PeerLink, { wants, cancels }: Asked, isFirst: boolean): boolean {
    const price = this.#price()
    const missesMs = wants * this.#missMs * price
    const askedMs = (wants + cancels) * this.#wantMs * price
    const againMs = Math.min(link.standingWants, MAX_STANDING) * this.#wantMs * (price - 1)
    const messageMs = isFirst ? 0 : this.#streamMs * price
    if (!this.#asking.take(sender, missesMs + askedMs + againMs + messageMs)) {
      // It was read all the same.
      this.#asking.charge(sender, askedMs + messageMs)
      return false
    }
    this.#misses.charge(ALL, (wants * this.#missMs) / TOTAL_FACTOR)
    forgetWants(link, cancels)
    link.standingWants += wants
    link.standingMs += missesMs
    return true
  }

  takeBytes(sender: Sender, bytes: number, answersDue: number): boolean {
    return this.#sending.take(sender, bytes * this.#byteMs, this.#creditMs(answersDue))
  }

  giveBackStream(sender: Sender): void {
    this.#sending.giveBack(sender, this.#streamMs)
  }

  giveBackBytes(sender: Sender, bytes: number): void {
    this.#sending.giveBack(sender, bytes * this.#byteMs)
  }

  /** @returns whether the stream is to be refused */
  overrun(link: PeerLink, overrun: Overrun): boolean {
    this.#context.onOverrun(link, overrun)
    if (!this.#context.isEnforcing()) return false
    const goesOn = !this.#refusals.take(link.key, REFUSAL_MS)
    // Who owes us answers may be about to send them.
    if (goesOn && link.answersDue === 0 && this.#context.mayShutOut(link)) {
      this.#shutOut.charge(link.key, SHUT_OUT_MS)
      this.#context.onShutOut(link)
    }
    return true
  }

  #creditMs(answersDue: number): number {
    return Math.min(answersDue, MAX_ANSWERS_AT_ONCE) * MAX_BLOCK_BYTES * this.#byteMs
  }

  #price(): number {
    const much = this.#misses.debtMs(ALL) / this.#burstMs - MUCH
    const byMisses = 1 + Math.max(0, much / (1 - MUCH)) * (MAX_PRICE - 1)
    return Math.min(Math.max(byMisses, this.#context.lagMs() / USUAL_LAG_MS), MAX_PRICE)
  }

  #sender(connection: Connection): Sender {
    const known = this.#senders.get(connection)
    if (known !== undefined) return known
    const { remotePeer, remoteAddr } = connection
    const sender = { key: remotePeer.toString(), subnet: subnetOf(remoteAddr) }
    this.#senders.set(connection, sender)
    return sender
  }
}

/** Takes away wants that do not stand any more; returns what was charged for their being misses, in ms. */
function forgetWants(link: PeerLink, count: number): number {
  const share = link.standingWants === 0 ? 0 : Math.min(1, count / link.standingWants)
  const chargedMs = link.standingMs * share
  link.standingWants = Math.max(0, link.standingWants - count)
  link.standingMs -= chargedMs
  return chargedMs
}

/** What the handler of a stream hears; the peer only sees that it is reset. */
export class OverBudgetError extends Error {
  override readonly name = 'OverBudgetError'

  constructor() {
    super('The peer asks or sends more than one may')
  }
}

/** What a stream that a peer opened takes of the peer's budget. */
export class InboundStream {
  readonly #guard: InboundGuard
  readonly #stream: Stream
  readonly #link: PeerLink
  readonly #sender: Sender
  /** Whether it was let in as one that may bring answers, and has brought none. */
  #isForAnswers: boolean
  #isCounted = false
  #isRefused = false
  #isFirstMessage = true
  // Of the message that is being received:
  #asked: Asked = { wants: 0, cancels: 0 }
  #answers = 0

  constructor(guard: InboundGuard, stream: Stream, link: PeerLink, sender: Sender) {
    this.#guard = guard
    this.#stream = stream
    this.#link = link
    this.#sender = sender
    this.#isForAnswers = link.answersDue > 0
  }

  /** Whether it was aborted, so that nobody will get what comes over it. */
  get isRefused(): boolean {
    return this.#isRefused
  }

  opened(): void {
    if (!this.#guard.takeStream(this.#sender, this.#isForAnswers)) this.#overrun('STREAMS')
  }

  /** Bytes came, which are not read yet. */
  received(bytes: number): void {
    const answersDue = this.#link.answersDue + this.#answers
    if (!this.#guard.takeBytes(this.#sender, bytes, answersDue)) this.#overrun('BYTES')
  }

  asked(isCancel: boolean): void {
    if (isCancel) this.#asked.cancels++
    else this.#asked.wants++
  }

  /** There was an answer to a want of ours, or what looks like one. */
  answered(bytes: number): void {
    if (this.#link.answersDue === 0) return
    this.#link.answersDue--
    this.#answers++
    this.#guard.giveBackBytes(this.#sender, bytes)
    if (this.#isForAnswers) this.#guard.giveBackStream(this.#sender)
    this.#isForAnswers = false
  }

  /** A message is complete: only now anybody acts on it. */
  message(): void {
    if (this.#isRefused) return
    const isWithin = this.#guard.takeMessage(this.#sender, this.#link, this.#asked, this.#isFirstMessage)
    // Helia puts answers and wants into one message when it has both.
    if (!isWithin && this.#answers === 0) this.#overrun('WANTS')
    this.#isFirstMessage = false
    this.#asked = { wants: 0, cancels: 0 }
    this.#answers = 0
  }

  /** What came cannot be read. */
  unreadable(): void {
    this.#overrun('UNREADABLE')
  }

  #overrun(overrun: Overrun): void {
    if (this.#isCounted) return
    this.#isCounted = true
    this.#isRefused = this.#guard.overrun(this.#link, overrun)
    if (this.#isRefused) this.#stream.abort(new OverBudgetError())
  }
}

/** Something that peers have a budget of, and subnets. */
class Budget {
  readonly #peers: RateLimit
  readonly #subnets: RateLimit
  readonly #subnetFactor: number

  constructor({ burstMs, subnetFactor }: InboundOptions, maxTracked: number, clock: Clock) {
    this.#peers = new RateLimit(maxTracked, burstMs, clock)
    this.#subnets = new RateLimit(maxTracked, burstMs, clock)
    this.#subnetFactor = subnetFactor
  }

  /** A peer that has credit does not suffer for its neighbours. */
  take({ key, subnet }: Sender, costMs: number, creditMs = 0): boolean {
    if (!this.#peers.take(key, costMs, creditMs)) return false
    if (subnet === undefined || this.#subnets.take(subnet, costMs / this.#subnetFactor) || creditMs > 0)
      return true
    this.#peers.giveBack(key, costMs)
    return false
  }

  /** Neighbours are not charged for what a peer has no budget for: else it could use up theirs. */
  charge({ key }: Sender, costMs: number): void {
    this.#peers.charge(key, costMs)
  }

  giveBack({ key, subnet }: Sender, costMs: number): void {
    this.#peers.giveBack(key, costMs)
    if (subnet !== undefined) this.#subnets.giveBack(subnet, costMs / this.#subnetFactor)
  }
}
