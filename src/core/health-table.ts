import type { HealthOptions, HealthStatus } from './health-monitor.ts'
import { LatencyHistogram, type LatencySummary, summarize } from './latency-histogram.ts'
import { callsPacking, layout, type RecordStore } from './record-store.ts'

/** Statuses as integers; `healthStatuses[code]` is the word. */
export const healthCodes = Object.freeze({ UNKNOWN: 0, HEALTHY: 1, DEGRADED: 2, UNHEALTHY: 3 })
const { UNKNOWN, HEALTHY, DEGRADED, UNHEALTHY } = healthCodes
export const healthStatuses: readonly HealthStatus[] = Object.freeze([
  'UNKNOWN',
  'HEALTHY',
  'DEGRADED',
  'UNHEALTHY'
])

const { LAST_USED, INTERVAL, MEAN, DEVIATION, RECENT, EARLIER, CALLS } = layout
const { STATUS_MASK, ERRORS_SHIFT, ERRORS_MASK, STATUS_AND_ERRORS } = callsPacking

// Where in RECENT and EARLIER, in bits.
const SUCCESSES = 0
const FAILURES = 16

/** Counts are 16 bits wide; at this both counts of the interval are halved, which keeps their ratio. */
const MAX_COUNT = 0xffff

/** The most errors in a row that are told apart. */
export const MAX_CONSECUTIVE_ERRORS = 0xff

/** Smoothed response time before the first. */
const NONE_YET = Number.NaN

// Gains of the smoothed response time and its mean deviation: RFC 6298, section 2.3.
const MEAN_GAIN = 1 / 8
const DEVIATION_GAIN = 1 / 4

/**
 * Health of many targets, one slot each: success rate over the present and the previous check interval, errors
 * in a row, smoothed response time, and histograms shared by all targets of one status.
 */
export class HealthTable {
  readonly #options: Readonly<HealthOptions>
  readonly #records: RecordStore
  readonly #histograms: readonly LatencyHistogram[]
  // These stand ready for the calls that end well.
  readonly #healthy: LatencyHistogram
  readonly #checkIntervalMs: number
  readonly #maxResponseTimeMs: number

  /** @param records - where the health of each slot is kept */
  constructor(options: Readonly<HealthOptions>, records: RecordStore, nowMs: number) {
    this.#options = options
    this.#records = records
    this.#histograms = healthStatuses.map(() => new LatencyHistogram(options.cleanupIntervalMs, nowMs))
    this.#healthy = this.#histograms[HEALTHY]!
    this.#checkIntervalMs = options.checkIntervalMs
    this.#maxResponseTimeMs = options.maxResponseTimeMs
  }

  /** Starts a slot afresh: nothing known. */
  reset(slot: number, nowMs: number): void {
    const { ints, doubles, stride } = this.#records
    const base = slot * stride
    doubles[(base >> 1) + MEAN] = NONE_YET
    doubles[(base >> 1) + DEVIATION] = 0
    ints[base + RECENT] = 0
    ints[base + EARLIER] = 0
    ints[base + CALLS] = (ints[base + CALLS]! & ~STATUS_AND_ERRORS) | UNKNOWN
    ints[base + INTERVAL] = Math.floor(nowMs / this.#options.checkIntervalMs)
    doubles[(base >> 1) + LAST_USED] = nowMs
  }

  /** Notes a call that ended; how long a failure took is no response time. Returns the status it leads to. */
  record(slot: number, responseTimeMs: number, failed: boolean, nowMs: number): number {
    const { ints, doubles, stride } = this.#records
    const base = slot * stride
    if (nowMs >= (ints[base + INTERVAL]! + 1) * this.#options.checkIntervalMs) this.#moveWindow(base, nowMs)
    doubles[(base >> 1) + LAST_USED] = nowMs
    const status = failed ? this.#recordFailure(base) : this.#recordSuccess(base, responseTimeMs)
    if (!failed) this.#histograms[status]!.record(responseTimeMs, nowMs)
    ints[base + CALLS] = (ints[base + CALLS]! & ~STATUS_MASK) | status
    return status
  }

  /**
   * Does what {@link record} does for a success of a HEALTHY target, in good time and in the present interval, in
   * which nothing is to be judged. Returns false, and does nothing, if it is not that.
   */
  recordHealthySuccess(
    ints: Int32Array,
    doubles: Float64Array,
    base: number,
    responseTimeMs: number,
    nowMs: number
  ): boolean {
    const at = base >> 1
    const recent = ints[base + RECENT]!
    const mean = doubles[at + MEAN]!
    const error = responseTimeMs - mean
    if (
      (ints[base + CALLS]! & STATUS_AND_ERRORS) !== HEALTHY ||
      nowMs >= (ints[base + INTERVAL]! + 1) * this.#checkIntervalMs ||
      responseTimeMs > this.#maxResponseTimeMs ||
      (recent & MAX_COUNT) >= MAX_COUNT - 1 ||
      Number.isNaN(error)
    )
      return false
    const deviation = doubles[at + DEVIATION]!
    doubles[at + LAST_USED] = nowMs
    doubles[at + MEAN] = mean + MEAN_GAIN * error
    doubles[at + DEVIATION] = deviation + DEVIATION_GAIN * (Math.abs(error) - deviation)
    ints[base + RECENT] = recent + 1
    this.#healthy.record(responseTimeMs, nowMs)
    return true
  }

  /** Notes that the slot is in use, though there is nothing to record. */
  touch(slot: number, nowMs: number): void {
    this.#records.doubles[((slot * this.#records.stride) >> 1) + LAST_USED] = nowMs
  }

  /** The status the last result led to. */
  lastStatus(slot: number): number {
    return this.#records.ints[slot * this.#records.stride + CALLS]! & STATUS_MASK
  }

  status(slot: number, nowMs: number): number {
    const base = slot * this.#records.stride
    return this.#judge(base, this.#intervalsPassed(base, nowMs))
  }

  /** Successes in the window: the present and the previous check interval. */
  successes(slot: number, nowMs: number): number {
    const base = slot * this.#records.stride
    return this.#inWindow(base, SUCCESSES, this.#intervalsPassed(base, nowMs))
  }

  /** Failures in the window. */
  failures(slot: number, nowMs: number): number {
    const base = slot * this.#records.stride
    return this.#inWindow(base, FAILURES, this.#intervalsPassed(base, nowMs))
  }

  /** Share of successes in the window; 1 when there was no call. */
  successRate(slot: number, nowMs: number): number {
    const successes = this.successes(slot, nowMs)
    const requests = successes + this.failures(slot, nowMs)
    return requests === 0 ? 1 : successes / requests
  }

  consecutiveErrors(slot: number): number {
    return this.#errors(slot * this.#records.stride)
  }

  /** Smoothed response time in ms; 0 before the first success. */
  responseTimeMs(slot: number): number {
    return this.#records.doubles[((slot * this.#records.stride) >> 1) + MEAN]! || 0
  }

  /** Smoothed mean deviation of the response time in ms. */
  deviationMs(slot: number): number {
    return this.#records.doubles[((slot * this.#records.stride) >> 1) + DEVIATION]!
  }

  /** When the slot was last reset, recorded or touched, in ms. */
  lastUsed(slot: number): number {
    return this.#records.doubles[((slot * this.#records.stride) >> 1) + LAST_USED]!
  }

  /** Response times of all targets together, or of those that had a certain status. */
  latency(nowMs: number, status?: number): LatencySummary {
    return status === undefined
      ? summarize(this.#histograms, nowMs)
      : this.#histograms[status]!.summary(nowMs)
  }

  /** Check intervals that began since the slot was last recorded. */
  #intervalsPassed(base: number, nowMs: number): number {
    return Math.floor(nowMs / this.#options.checkIntervalMs) - this.#records.ints[base + INTERVAL]!
  }

  #errors(base: number): number {
    return (this.#records.ints[base + CALLS]! >> ERRORS_SHIFT) & ERRORS_MASK
  }

  #moveWindow(base: number, nowMs: number): void {
    const { ints } = this.#records
    const passed = this.#intervalsPassed(base, nowMs)
    ints[base + EARLIER] = passed === 1 ? ints[base + RECENT]! : 0
    ints[base + RECENT] = 0
    ints[base + INTERVAL]! += passed
    // Nothing is taken for granted in a new interval.
    ints[base + CALLS] = ints[base + CALLS]! & ~STATUS_MASK
  }

  #recordFailure(base: number): number {
    const { ints } = this.#records
    if (this.#errors(base) < MAX_CONSECUTIVE_ERRORS) ints[base + CALLS]! += 1 << ERRORS_SHIFT
    ints[base + RECENT]! += 1 << FAILURES
    if (this.#inWindow(base, FAILURES, 1) === MAX_COUNT) this.#halveCounts(base)
    return this.#judge(base, 0)
  }

  #recordSuccess(base: number, responseTimeMs: number): number {
    const { ints } = this.#records
    ints[base + CALLS] = ints[base + CALLS]! & ~(ERRORS_MASK << ERRORS_SHIFT)
    ints[base + RECENT]!++
    if (this.#inWindow(base, SUCCESSES, 1) === MAX_COUNT) this.#halveCounts(base)
    this.#smooth(base, responseTimeMs)
    const isStillHealthy =
      (ints[base + CALLS]! & STATUS_MASK) === HEALTHY && responseTimeMs <= this.#options.maxResponseTimeMs
    return isStillHealthy ? HEALTHY : this.#judge(base, 0)
  }

  /** The status as it is once `passed` more intervals have begun; changes nothing. */
  #judge(base: number, passed: number): number {
    const { maxConsecutiveErrors, minRequests, degradedThreshold, healthyThreshold, maxResponseTimeMs } =
      this.#options
    const successes = this.#inWindow(base, SUCCESSES, passed)
    const evidence = successes + this.#inWindow(base, FAILURES, passed)
    if (evidence === 0) return UNKNOWN
    if (this.#errors(base) >= maxConsecutiveErrors) return UNHEALTHY
    if (evidence < minRequests) return UNKNOWN
    if (successes < degradedThreshold * evidence) return UNHEALTHY
    const isSlow = this.#records.doubles[(base >> 1) + MEAN]! > maxResponseTimeMs
    return successes >= healthyThreshold * evidence && !isSlow ? HEALTHY : DEGRADED
  }

  #inWindow(base: number, field: number, passed: number): number {
    const { ints } = this.#records
    const present = (ints[base + RECENT]! >> field) & MAX_COUNT
    if (passed <= 0) return present + ((ints[base + EARLIER]! >> field) & MAX_COUNT)
    return passed === 1 ? present : 0
  }

  #halveCounts(base: number): void {
    const { ints } = this.#records
    // The lowest bit of the failures must not become the highest one of the successes.
    ints[base + RECENT] = (ints[base + RECENT]! >> 1) & 0x7fff7fff
  }

  #smooth(base: number, responseTimeMs: number): void {
    const { doubles } = this.#records
    const at = base >> 1
    const mean = doubles[at + MEAN]!
    if (!(responseTimeMs >= 0 && responseTimeMs < Infinity)) return
    if (Number.isNaN(mean)) {
      doubles[at + MEAN] = responseTimeMs
      doubles[at + DEVIATION] = responseTimeMs / 2
      return
    }
    const error = responseTimeMs - mean
    doubles[at + DEVIATION]! += DEVIATION_GAIN * (Math.abs(error) - doubles[at + DEVIATION]!)
    doubles[at + MEAN] = mean + MEAN_GAIN * error
  }
}
