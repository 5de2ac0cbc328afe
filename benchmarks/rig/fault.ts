/**
 * What a peer does to whoever asks it; all else of it, such as identify, works.
 *
 * - `stall`: takes wants and never answers
 * - `slow`: answers after 2 s
 * - `drip`: sends blocks at 64 B each 200 ms
 * - `lie`: says that it has what it is asked for, and never sends it
 * - `corrupt`: sends other bytes in place of a block
 * - `dont-have`: says that it lacks what it has
 * - `disconnect`: closes the connection on which it is asked
 */
export type FaultKind = 'none' | 'stall' | 'slow' | 'drip' | 'lie' | 'corrupt' | 'dont-have' | 'disconnect'

/** A fault, and when it shows. */
export interface FaultPlan {
  readonly kind: FaultKind
  /** It is good until it was asked for so many blocks; 0 if not given. */
  readonly afterBlocks?: number
  /** Only every n-th block shows it, the n-th first; each if not given. */
  readonly every?: number
  /** It is good and bad in turns. */
  readonly periods?: FaultPeriods
}

interface FaultPeriods {
  readonly goodMs: number
  readonly badMs: number
  /** How much of the first round is over when it begins. */
  readonly offsetMs: number
}

/** Tells for each want what is wrong with its answer. */
export class FaultSchedule {
  readonly #plan: FaultPlan
  readonly #startMs: number
  #blocks = 0

  constructor(plan: FaultPlan, startMs: number) {
    this.#plan = plan
    this.#startMs = startMs
  }

  /** What it does to somebody who wants a block that it has. */
  forBlock(nowMs: number): FaultKind {
    const { kind, every = 1 } = this.#plan
    const isActive = this.#isActive(nowMs)
    this.#blocks++
    return isActive && this.#blocks % every === 0 ? kind : 'none'
  }

  /** What it does to somebody who wants to know whether it has a block. */
  forWord(nowMs: number): FaultKind {
    return this.#isActive(nowMs) ? this.#plan.kind : 'none'
  }

  #isActive(nowMs: number): boolean {
    const { afterBlocks = 0, periods } = this.#plan
    if (this.#blocks < afterBlocks) return false
    if (periods === undefined) return true
    const { goodMs, badMs, offsetMs } = periods
    return (nowMs - this.#startMs + offsetMs) % (goodMs + badMs) >= goodMs
  }
}
