import { build, type Histogram } from 'hdr-histogram-js'

/** Percentiles of response times in ms, over the last one to two rotation periods. */
export interface LatencySummary {
  readonly count: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Times are kept in tenths of a ms, to two digits. */
const UNITS_PER_MS = 10
/** Longer times count as this: ten minutes. */
const MAX_UNITS = 10 * 60 * 1000 * UNITS_PER_MS
/** Times below 204.8 ms are only counted at first: many times cheaper than recording each. */
const STAGED_UNITS = 2048

/**
 * Response times of a class of targets. Two histograms rotated by the clock, so that old times are forgotten
 * whether or not new ones come.
 */
export class LatencyHistogram {
  readonly #rotationMs: number
  readonly #staged = new Uint32Array(STAGED_UNITS)
  #current = emptyHistogram()
  #previous = emptyHistogram()
  #rotateAt: number

  constructor(rotationMs: number, nowMs: number) {
    this.#rotationMs = rotationMs
    this.#rotateAt = nowMs + rotationMs
  }

  record(responseTimeMs: number, nowMs: number): void {
    const units = responseTimeMs * UNITS_PER_MS
    if (units >= 0 && units < STAGED_UNITS && nowMs < this.#rotateAt) this.#staged[units | 0]!++
    else this.#recordUnstaged(responseTimeMs, nowMs)
  }

  summary(nowMs: number): LatencySummary {
    return summarize([this], nowMs)
  }

  /** Adds what this histogram holds to `total`. */
  addTo(total: Histogram, nowMs: number): void {
    if (nowMs >= this.#rotateAt) this.#rotate(nowMs)
    this.#flush()
    total.add(this.#current)
    total.add(this.#previous)
  }

  #recordUnstaged(responseTimeMs: number, nowMs: number): void {
    if (nowMs >= this.#rotateAt) {
      this.#rotate(nowMs)
      this.record(responseTimeMs, nowMs)
    } else if (responseTimeMs >= 0 && responseTimeMs < Infinity) {
      this.#current.recordValue(Math.min(Math.round(responseTimeMs * UNITS_PER_MS), MAX_UNITS))
    }
  }

  #rotate(nowMs: number): void {
    this.#flush()
    const periods = Math.floor((nowMs - this.#rotateAt) / this.#rotationMs) + 1
    const oldest = this.#previous
    oldest.reset()
    this.#previous = this.#current
    this.#current = oldest
    // Idle for more than a whole period: what was current is too old as well.
    if (periods > 1) this.#previous.reset()
    this.#rotateAt += periods * this.#rotationMs
  }

  #flush(): void {
    for (let units = 0; units < STAGED_UNITS; units++) {
      const count = this.#staged[units]!
      if (count > 0) this.#current.recordValueWithCount(units, count)
    }
    this.#staged.fill(0)
  }
}

/** Percentiles over several histograms together. */
export function summarize(histograms: readonly LatencyHistogram[], nowMs: number): LatencySummary {
  const total = emptyHistogram()
  for (const histogram of histograms) histogram.addTo(total, nowMs)
  const atPercentile = (percentile: number): number => total.getValueAtPercentile(percentile) / UNITS_PER_MS
  return Object.freeze({
    count: total.totalCount,
    p50Ms: atPercentile(50),
    p95Ms: atPercentile(95),
    p99Ms: atPercentile(99),
    maxMs: total.totalCount === 0 ? 0 : total.maxValue / UNITS_PER_MS
  })
}

// 32 bits per bucket: narrower ones overflow, and then every percentile query throws.
function emptyHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    highestTrackableValue: MAX_UNITS,
    numberOfSignificantValueDigits: 2,
    useWebAssembly: false
  })
}
