/** Weights of a new sample in mean and deviation, and how many deviations are allowed for: RFC 6298, section 2. */
const MEAN_GAIN = 1 / 8
const DEVIATION_GAIN = 1 / 4
const DEVIATIONS = 4

/** How long a peer takes to respond, learned as TCP learns its round trip time (RFC 6298). Times are in ms. */
export class ResponseTime {
  #meanMs = 0
  #deviationMs = 0
  #isKnown = false

  /** Whether there was a sample. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** Smoothed mean; 0 before the first sample. */
  get meanMs(): number {
    return this.#meanMs
  }

  /** Nearly all responses take no longer than this: the mean and four deviations; 0 before the first sample. */
  get usualMs(): number {
    return this.#meanMs + DEVIATIONS * this.#deviationMs
  }

  sample(ms: number): void {
    if (this.#isKnown) {
      this.#deviationMs += DEVIATION_GAIN * (Math.abs(ms - this.#meanMs) - this.#deviationMs)
      this.#meanMs += MEAN_GAIN * (ms - this.#meanMs)
    } else {
      this.#isKnown = true
      this.#meanMs = ms
      this.#deviationMs = ms / 2
    }
  }
}
