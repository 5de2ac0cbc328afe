import { LatencyHistogram } from '../../core/latency-histogram.ts'

/** A second peer is asked no earlier than this, in ms; and after this long as long as nothing is known of any peer. */
const MIN_HEDGE_MS = 50
const UNKNOWN_HEDGE_MS = 250

/** A block takes about this many times a word about it, as long as none has come. */
const WORDS_PER_BLOCK = 4

/** Times are remembered for one to two of these, in ms. */
const PERIOD_MS = 60_000

/** What was worked out holds for this long, in ms, unless it was from less than half of what there is by then. */
const FRESH_MS = 500

/** After how long a second peer is asked: when most blocks of all peers together would be there (the 95th percentile). */
export class HedgeDelay {
  readonly #times: LatencyHistogram
  #delayMs = UNKNOWN_HEDGE_MS
  #wordMs = Infinity
  #staleAtMs = -Infinity
  /** Of how many it was worked out, and how many have come since. */
  #count = 0
  #newer = 0

  constructor(nowMs: number) {
    this.#times = new LatencyHistogram(PERIOD_MS, nowMs)
  }

  /** A block took this long. */
  record(elapsedMs: number, nowMs: number): void {
    this.#times.record(elapsedMs, nowMs)
    this.#newer++
  }

  /** A peer said whether it has a block, after this long. */
  hint(elapsedMs: number): void {
    this.#wordMs = Math.min(this.#wordMs, elapsedMs)
  }

  /** In ms. */
  after(nowMs: number): number {
    if (nowMs < this.#staleAtMs && this.#newer <= this.#count) return this.#delayMs
    const { count, p95Ms } = this.#times.summary(nowMs)
    const usualMs = count > 0 ? p95Ms : Math.min(UNKNOWN_HEDGE_MS, WORDS_PER_BLOCK * this.#wordMs)
    this.#delayMs = Math.max(MIN_HEDGE_MS, usualMs)
    this.#staleAtMs = count > 0 ? nowMs + FRESH_MS : -Infinity
    this.#count = count
    this.#newer = 0
    return this.#delayMs
  }
}
