import { ResponseTime } from '../response-time.ts'

/** A bound that was not confirmed is half as much after this long, in ms: so that a peer gets another chance. */
const BOUND_HALF_LIFE_MS = 30_000

/** By doubling no more than this is expected, in ms: the least upper bound that TCP may set to its timeout (RFC 6298, 2.5). */
const MAX_DOUBLED_MS = 60_000

/** Weight of one answer in how often a peer has what it is asked for. */
const HIT_GAIN = 1 / 8

/** How soon a peer can be expected to deliver a block. It ranks peers, and is held against nobody. */
export class Pace {
  readonly #time = new ResponseTime()
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

  /** It delivered a block that was asked for `elapsedMs` before. */
  delivered(elapsedMs: number): void {
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
   */
  expectedMs(nowMs: number, unknownMs: number): number {
    const meanMs = this.#time.isKnown ? this.#time.meanMs : unknownMs
    return Math.max(meanMs, this.#boundAt(nowMs))
  }

  #expectAtLeast(ms: number, nowMs: number): void {
    this.#boundMs = Math.max(this.#boundAt(nowMs), ms)
    this.#boundAtMs = nowMs
  }

  #boundAt(nowMs: number): number {
    return this.#boundMs * 2 ** (-(nowMs - this.#boundAtMs) / BOUND_HALF_LIFE_MS)
  }
}
