import { outcomeCodes } from './outcome.ts'

const { success: SUCCESS, failure: FAILURE } = outcomeCodes

/** What mode `enforce` would have changed while the mode was `observe`. Plain, frozen data. */
export interface Counterfactual {
  /** Calls that would have been rejected, and were let through. */
  readonly rejectedCalls: number
  /** Of these, the ones that failed: they would not have been made, */
  readonly failuresSpared: number
  /** and nobody would have waited for them, in ms in all. */
  readonly timeSavedMs: number
  /** Of these, the ones that succeeded: they would have been lost, or left to another target. */
  readonly successesLost: number
}

/** Counts what became of calls that would have been rejected. */
export class CounterfactualTally {
  #rejectedCalls = 0
  #failures = 0
  #failedMs = 0
  #successes = 0

  reject(): void {
    this.#rejectedCalls++
  }

  end(outcome: number, elapsedMs: number): void {
    if (outcome === SUCCESS) this.#successes++
    if (outcome !== FAILURE) return
    this.#failures++
    this.#failedMs += elapsedMs
  }

  report(): Counterfactual {
    return Object.freeze({
      rejectedCalls: this.#rejectedCalls,
      failuresSpared: this.#failures,
      timeSavedMs: this.#failedMs,
      successesLost: this.#successes
    })
  }
}
