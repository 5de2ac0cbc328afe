/** Most hedges that can be saved up: enough to get past a handful of peers that are all silent at the start. */
const MAX_SAVED = 10

/** How many second requests may be made: a share of the first ones, so that hedging never multiplies the load. */
export class HedgeBudget {
  readonly #share: number
  #saved = MAX_SAVED

  /** @param share - hedges per request, 0 to 1 */
  constructor(share: number) {
    this.#share = share
    if (share === 0) this.#saved = 0
  }

  /** A request is made. */
  earn(): void {
    this.#saved = Math.min(MAX_SAVED, this.#saved + this.#share)
  }

  /** Takes one hedge, if there is one. */
  take(): boolean {
    if (this.#saved < 1) return false
    this.#saved--
    return true
  }
}
