import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { RateLimitError } from './secure-channel-error.ts'

/** How many requests may be made a second. */
export class RequestLimit {
  readonly #maxPerS: number
  readonly #limiter: RateLimiterMemory

  constructor(maxPerS: number) {
    this.#maxPerS = maxPerS
    this.#limiter = new RateLimiterMemory({ points: maxPerS, duration: 1 })
  }

  /** Counts one request. @throws RateLimitError */
  async take(key: string): Promise<void> {
    try {
      await this.#limiter.consume(key)
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      throw new RateLimitError(this.#maxPerS, refusal.msBeforeNext)
    }
  }
}
