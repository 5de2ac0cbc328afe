/** When something counts as bad, and when as good again. */
export interface HysteresisOptions {
  /** A value above this is bad; four fifths of it, and less, are good, unless that is told. */
  readonly badAbove: number
  readonly goodUpTo?: number
  /** How long it has to be bad in a row, in ms, and how long good, until that counts. */
  readonly fireAfterMs: number
  readonly resolveAfterMs: number
}

const GOOD_SHARE = 0.8

/**
 * Whether something is bad: it begins once it has been for a while, and ends once it has been good for a while. What is neither,
 * or is not known, leaves it as it is: so it does not come and go with a value that is close to its limit.
 */
export class Hysteresis {
  readonly #options: HysteresisOptions
  #isFiring = false
  /** Since when it has been otherwise, in ms. */
  #otherwiseSinceMs: number | undefined

  constructor(options: HysteresisOptions) {
    this.#options = options
  }

  get isFiring(): boolean {
    return this.#isFiring
  }

  /** Takes a value; returns whether it counts as other than before. @param value - `undefined` while it is not known */
  look(value: number | undefined, nowMs: number): boolean {
    if (value === undefined || !this.#isOtherwise(value)) {
      this.#otherwiseSinceMs = undefined
      return false
    }
    this.#otherwiseSinceMs ??= nowMs
    const { fireAfterMs, resolveAfterMs } = this.#options
    if (nowMs - this.#otherwiseSinceMs < (this.#isFiring ? resolveAfterMs : fireAfterMs)) return false
    this.#isFiring = !this.#isFiring
    this.#otherwiseSinceMs = undefined
    return true
  }

  #isOtherwise(value: number): boolean {
    const { badAbove, goodUpTo = GOOD_SHARE * badAbove } = this.#options
    return this.#isFiring ? value <= goodUpTo : value > badAbove
  }
}
