/** How many requests may be repeated at once beyond the share, as when a node with many under way goes down. */
const RESERVE = 100

/**
 * How many requests may be made again, or twice: a share of those that are made, so that nodes that are slow because there is
 * too much to do are not given twice as much. As Finagle's `RetryBudget`, with a reserve instead of a least rate.
 */
export class RetryBudget {
  readonly #share: number
  #credit = RESERVE

  /** @param share - of requests that may be repeated, from 0 to 1 */
  constructor(share: number) {
    this.#share = share
  }

  /** A request was made. */
  earn(): void {
    this.#credit = Math.min(this.#credit + this.#share, RESERVE)
  }

  /** Whether one more may be made again. */
  get hasCredit(): boolean {
    return this.#share > 0 && this.#credit >= 1
  }

  /** One is made again. Returns whether it may be. */
  spend(): boolean {
    const { hasCredit } = this
    if (hasCredit) this.#credit--
    return hasCredit
  }
}
