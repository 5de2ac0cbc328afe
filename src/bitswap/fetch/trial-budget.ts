import { AskBudget } from './ask-budget.ts'

/**
 * So many peers are tried out at first, and later this share of requests is spent on it. Each costs a block, and so many bytes
 * of that are one trial, up to all there are.
 */
const MAX_TRIALS_SAVED = 4
const TRIAL_SHARE = 0.03
export const TRIAL_BYTES = 65_536

/** Weight of a block in the usual size of a block. */
const SIZE_GAIN = 1 / 8

/**
 * How often a peer may be tried out. Whoever is not known has to be asked to be known, but a trial is a block that comes twice
 * or not at all: so there are a few, and fewer where blocks are large.
 */
export class TrialBudget {
  readonly #budget = new AskBudget(MAX_TRIALS_SAVED, () => TRIAL_SHARE)
  /** Usual size of a block, in bytes; 0 while none has come. */
  #blockBytes = 0

  /** Whether blocks are so small, as far as is known, that it hardly matters whether one comes twice. */
  get isCheap(): boolean {
    return this.#blockBytes <= TRIAL_BYTES
  }

  /** A peer is asked for a block. */
  earn(): void {
    this.#budget.earn()
  }

  /** A block of so many bytes came. */
  sized(bytes: number): void {
    this.#blockBytes += (this.#blockBytes === 0 ? 1 : SIZE_GAIN) * (bytes - this.#blockBytes)
  }

  /** Takes one trial, if there is enough for it. */
  take(): boolean {
    return this.#budget.take(Math.min(Math.max(1, this.#blockBytes / TRIAL_BYTES), MAX_TRIALS_SAVED))
  }
}
