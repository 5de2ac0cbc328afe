import type { HealthOptions, HealthStatus } from './health-monitor.ts'
import { LatencyHistogram, type LatencySummary, summarize } from './latency-histogram.ts'
import { layout, type RecordStore } from './record-store.ts'

/** Statuses as integers; `healthStatuses[code]` is the word. */
export const UNKNOWN = 0
export const HEALTHY = 1
export const DEGRADED = 2
export const UNHEALTHY = 3
export const healthStatuses: readonly HealthStatus[] = Object.freeze([
  'UNKNOWN',
  'HEALTHY',
  'DEGRADED',
  'UNHEALTHY'
])

const { LAST_USED, INTERVAL, MEAN, DEVIATION, RECENT, CONSECUTIVE_ERRORS, STATUS } = layout

// The small integers from RECENT.
const SUCCESSES = 0
const FAILURES = 1
const EARLIER = 2 // from a count of the present interval to the same of the previous one

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

  /** @param records - where the health of each slot is kept */
  constructor(options: Readonly<HealthOptions>, records: RecordStore, nowMs: number) {
    this.#options = options
    this.#records = records
    this.#histograms = healthStatuses.map(() => new LatencyHistogram(options.cleanupIntervalMs, nowMs))
  }

  /** Starts a slot afresh: nothing known. */
  reset(slot: number, nowMs: number): void {
    const { ints, floats, shorts, bytes, doubles, stride } = this.#records
    const base = slot * stride
    floats[base + MEAN] = NONE_YET
    floats[base + DEVIATION] = 0
    shorts.fill(0, 2 * base + RECENT, 2 * base + RECENT + 2 * EARLIER)
    bytes[4 * base + CONSECUTIVE_ERRORS] = 0
    bytes[4 * base + STATUS] = UNKNOWN
    ints[base + INTERVAL] = Math.floor(nowMs / this.#options.checkIntervalMs)
    doubles[(base >> 1) + LAST_USED] = nowMs
  }

  /** Notes a call that ended; how long a failure took is no response time. Returns the status it leads to. */
  record(slot: number, responseTimeMs: number, failed: boolean, nowMs: number): number {
    const { ints, bytes, doubles, stride } = this.#records
    const base = slot * stride
    if (nowMs >= (ints[base + INTERVAL]! + 1) * this.#options.checkIntervalMs) this.#moveWindow(base, nowMs)
    doubles[(base >> 1) + LAST_USED] = nowMs
    const status = failed ? this.#recordFailure(base) : this.#recordSuccess(base, responseTimeMs)
    if (!failed) this.#histograms[status]!.record(responseTimeMs, nowMs)
    bytes[4 * base + STATUS] = status
    return status
  }

  /** Notes that the slot is in use, though there is nothing to record. */
  touch(slot: number, nowMs: number): void {
    this.#records.doubles[((slot * this.#records.stride) >> 1) + LAST_USED] = nowMs
  }

  /** The status the last result led to. */
  lastStatus(slot: number): number {
    return this.#records.bytes[4 * slot * this.#records.stride + STATUS]!
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

  consecutiveErrors(slot: number): number {
    return this.#records.bytes[4 * slot * this.#records.stride + CONSECUTIVE_ERRORS]!
  }

  /** Smoothed response time in ms; 0 before the first success. */
  responseTimeMs(slot: number): number {
    return this.#records.floats[slot * this.#records.stride + MEAN]! || 0
  }

  /** Smoothed mean deviation of the response time in ms. */
  deviationMs(slot: number): number {
    return this.#records.floats[slot * this.#records.stride + DEVIATION]!
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

  #moveWindow(base: number, nowMs: number): void {
    const { ints, shorts, bytes } = this.#records
    const passed = this.#intervalsPassed(base, nowMs)
    const recent = 2 * base + RECENT
    for (let field = SUCCESSES; field <= FAILURES; field++) {
      shorts[recent + field + EARLIER] = passed === 1 ? shorts[recent + field]! : 0
      shorts[recent + field] = 0
    }
    ints[base + INTERVAL]! += passed
    // Nothing is taken for granted in a new interval.
    bytes[4 * base + STATUS] = UNKNOWN
  }

  #recordFailure(base: number): number {
    const { shorts, bytes } = this.#records
    const errors = 4 * base + CONSECUTIVE_ERRORS
    if (bytes[errors]! < MAX_CONSECUTIVE_ERRORS) bytes[errors]!++
    if (++shorts[2 * base + RECENT + FAILURES]! === MAX_COUNT) this.#halveCounts(base)
    return this.#judge(base, 0)
  }

  #recordSuccess(base: number, responseTimeMs: number): number {
    const { shorts, bytes } = this.#records
    bytes[4 * base + CONSECUTIVE_ERRORS] = 0
    if (++shorts[2 * base + RECENT + SUCCESSES]! === MAX_COUNT) this.#halveCounts(base)
    this.#smooth(base, responseTimeMs)
    // A success in good time makes no HEALTHY target anything else, so most of the time there is nothing to judge.
    const isStillHealthy =
      bytes[4 * base + STATUS] === HEALTHY && responseTimeMs <= this.#options.maxResponseTimeMs
    return isStillHealthy ? HEALTHY : this.#judge(base, 0)
  }

  /** The status as it is once `passed` more intervals have begun; changes nothing. */
  #judge(base: number, passed: number): number {
    const { maxConsecutiveErrors, minRequests, degradedThreshold, healthyThreshold, maxResponseTimeMs } =
      this.#options
    const successes = this.#inWindow(base, SUCCESSES, passed)
    const evidence = successes + this.#inWindow(base, FAILURES, passed)
    if (evidence === 0) return UNKNOWN
    if (this.#records.bytes[4 * base + CONSECUTIVE_ERRORS]! >= maxConsecutiveErrors) return UNHEALTHY
    if (evidence < minRequests) return UNKNOWN
    if (successes < degradedThreshold * evidence) return UNHEALTHY
    const isSlow = this.#records.floats[base + MEAN]! > maxResponseTimeMs
    return successes >= healthyThreshold * evidence && !isSlow ? HEALTHY : DEGRADED
  }

  #inWindow(base: number, field: number, passed: number): number {
    const { shorts } = this.#records
    const present = 2 * base + RECENT + field
    if (passed <= 0) return shorts[present]! + shorts[present + EARLIER]!
    return passed === 1 ? shorts[present]! : 0
  }

  #halveCounts(base: number): void {
    const { shorts } = this.#records
    for (let field = SUCCESSES; field <= FAILURES; field++) shorts[2 * base + RECENT + field]! >>= 1
  }

  #smooth(base: number, responseTimeMs: number): void {
    const { floats } = this.#records
    const mean = floats[base + MEAN]!
    if (!(responseTimeMs >= 0 && responseTimeMs < Infinity)) return
    if (Number.isNaN(mean)) {
      floats[base + MEAN] = responseTimeMs
      floats[base + DEVIATION] = responseTimeMs / 2
      return
    }
    const error = responseTimeMs - mean
    floats[base + DEVIATION]! += DEVIATION_GAIN * (Math.abs(error) - floats[base + DEVIATION]!)
    floats[base + MEAN] = mean + MEAN_GAIN * error
  }
}
