/** Upper bounds of the buckets that times are counted in, in ms. */
export const LATENCY_BOUNDS_MS: readonly number[] = Object.freeze([
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000
])

/** How many times there were since the start, and how long. Plain, frozen data. */
export interface LatencyCounts {
  /** How many were no longer than each of {@link LATENCY_BOUNDS_MS}. */
  readonly atMost: readonly number[]
  readonly count: number
  readonly sumMs: number
}

/** Counts times that are never forgotten, as a histogram of Prometheus does, in constant memory. */
export class LatencyBuckets {
  readonly #counts = new Float64Array(LATENCY_BOUNDS_MS.length + 1)
  #sumMs = 0

  record(ms: number): void {
    let bucket = 0
    while (bucket < LATENCY_BOUNDS_MS.length && ms > LATENCY_BOUNDS_MS[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sumMs += ms
  }

  read(): LatencyCounts {
    let count = 0
    const atMost = LATENCY_BOUNDS_MS.map((_, bucket) => {
      count += this.#counts[bucket]!
      return count
    })
    count += this.#counts[LATENCY_BOUNDS_MS.length]!
    return Object.freeze({ atMost: Object.freeze(atMost), count, sumMs: this.#sumMs })
  }
}
