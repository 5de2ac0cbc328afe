import type { Limits } from '../tuning.ts'

/** Most hedges that can be saved up: enough to get past a handful of peers that are all silent at the start. */
const MAX_SAVED = 10

/** How many second requests may be made: a share of the first ones, so that hedging never multiplies the load. */
export class HedgeBudget {
  readonly #limits: Pick<Limits, 'hedgeShare'>
  #saved = MAX_SAVED

  /** @param limits - `hedgeShare` may change, but not from or to 0 */
  constructor(limits: Pick<Limits, 'hedgeShare'>) {
    this.#limits = limits
    if (limits.hedgeShare === 0) this.#saved = 0
  }

  /** A request is made. */
  earn(): void {
    this.#saved = Math.min(MAX_SAVED, this.#saved + this.#limits.hedgeShare)
  }

  /** Takes one hedge, if there is one. */
  take(): boolean {
    if (this.#saved < 1) return false
    this.#saved--
    return true
  }
}
