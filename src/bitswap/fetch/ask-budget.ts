/** How many peers may be asked besides the first ones: a share of these, so that it never multiplies the load. */
export class AskBudget {
  readonly #maxSaved: number
  readonly #share: () => number
  #saved: number

  /**
   * @param maxSaved - most that can be saved up, and what there is at first
   * @param share - of the first ones; it may change, but not from or to 0
   */
  constructor(maxSaved: number, share: () => number) {
    this.#maxSaved = maxSaved
    this.#share = share
    this.#saved = share() === 0 ? 0 : maxSaved
  }

  /** A first one is asked. */
  earn(): void {
    this.#saved = Math.min(this.#maxSaved, this.#saved + this.#share())
  }

  /** Takes so many, if they are there. @param count - from 1 to what can be saved */
  take(count = 1): boolean {
    if (this.#saved < count) return false
    this.#saved -= count
    return true
  }
}
