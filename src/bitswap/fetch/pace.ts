import { ResponseTime } from '../response-time.ts'

/** A bound that was not confirmed is half as much after this long, in ms: so that a peer gets another chance. */
const BOUND_HALF_LIFE_MS = 30_000

/** By doubling no more than this is expected, in ms: the least upper bound that TCP may set to its timeout (RFC 6298, 2.5). */
const MAX_DOUBLED_MS = 60_000

/** Weight of one block in what a block takes. */
const BLOCK_GAIN = 1 / 8

/** Weight of one answer in how often a peer has what it is asked for. */
const HIT_GAIN = 1 / 8

/** How soon a peer can be expected to deliver a block. It ranks peers, and is held against nobody. */
export class Pace {
  readonly #time = new ResponseTime()
  /** What it takes for each of the blocks that it is asked for at once; and the least that it ever took for one of them to come. */
  #blockMs = 0
  #leastMs = Infinity
  #boundMs = 0
  #boundAtMs = 0
  #hitShare = 1

  /** Whether it ever delivered a block. */
  get isKnown(): boolean {
    return this.#time.isKnown
  }

  /** What nearly all of its blocks take at most, in ms; 0 while unknown. */
  get usualMs(): number {
    return this.#time.usualMs
  }

  /** How much of what it is asked for it has: 0 to 1, and 1 as long as it was not asked. */
  get hitShare(): number {
    return this.#hitShare
  }

  /** It delivered a block that was asked for `elapsedMs` before. @param place - among all it was waited for then: 1 for the only one */
  delivered(elapsedMs: number, place: number): void {
    const blockMs = elapsedMs / place
    this.#blockMs += (this.isKnown ? BLOCK_GAIN : 1) * (blockMs - this.#blockMs)
    this.#leastMs = Math.min(this.#leastMs, elapsedMs)
    this.#time.sample(elapsedMs)
    this.#boundMs = 0
    this.#hitShare += HIT_GAIN * (1 - this.#hitShare)
  }

  /** It said that it lacks a block. */
  lacked(): void {
    this.#hitShare -= HIT_GAIN * this.#hitShare
  }

  /** It had not delivered after this long, when it was waited for no longer. */
  tookLongerThan(elapsedMs: number, nowMs: number): void {
    this.#expectAtLeast(elapsedMs, nowMs)
  }

  /**
   * It had sent nothing at all after this long. It is expected to go on like that for as long again; and if it was asked since it was
   * last found so, for twice as long as was expected then, as TCP doubles its timeout (RFC 6298, 5.5). Otherwise one that is silent
   * would be asked again and again, each time as if it were just a little slow.
   */
  wasSilentFor(elapsedMs: number, nowMs: number): void {
    const wasAskedSince = nowMs - elapsedMs >= this.#boundAtMs
    const doubledMs = wasAskedSince ? Math.min(2 * this.#boundAt(nowMs), MAX_DOUBLED_MS) : 0
    this.#expectAtLeast(Math.max(2 * elapsedMs, doubledMs), nowMs)
  }

  /**
   * Expected time to a block, in ms.
   *
   * @param unknownMs - what is assumed of a peer that never delivered
   * @param waiting - how much it is waited for already
   */
  expectedMs(nowMs: number, unknownMs: number, waiting = 0): number {
    const blockMs = this.isKnown ? this.#blockMs : unknownMs
    const queuedMs = Math.max(blockMs, this.#boundAt(nowMs)) * (1 + waiting)
    return this.isKnown ? Math.max(this.#leastMs, queuedMs) : queuedMs
  }

  #expectAtLeast(ms: number, nowMs: number): void {
    this.#boundMs = Math.max(this.#boundAt(nowMs), ms)
    this.#boundAtMs = nowMs
  }

  #boundAt(nowMs: number): number {
    return this.#boundMs * 2 ** (-(nowMs - this.#boundAtMs) / BOUND_HALF_LIFE_MS)
  }
}
