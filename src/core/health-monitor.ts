import { Cleanup } from './cleanup.ts'
import { type Clock, systemClock } from './clock.ts'
import { InvalidOptionError } from './errors.ts'
import { HealthTable, healthStatuses, MAX_CONSECUTIVE_ERRORS } from './health-table.ts'
import { DEFAULT_MAX_TARGETS, KeyTable } from './key-table.ts'
import type { LatencySummary } from './latency-histogram.ts'
import { durationMs, type Rules, resolveOptions, share, wholeNumber } from './options.ts'
import { RecordStore } from './record-store.ts'

/** UNKNOWN until there is enough evidence, and again when it has grown old. */
export type HealthStatus = 'UNKNOWN' | 'HEALTHY' | 'DEGRADED' | 'UNHEALTHY'

/** What is known of a target's health. */
export interface Health {
  readonly status: HealthStatus
  /** Share of successes over the window, 0 to 1; 1 when there was no call. */
  readonly successRate: number
  /** Calls in the window. */
  readonly requests: number
  readonly consecutiveErrors: number
  /** Smoothed response time of successes, in ms; 0 before the first. */
  readonly responseTimeMs: number
  /** Its smoothed mean deviation, in ms. */
  readonly responseTimeDeviationMs: number
}

/** Options of the health monitor. */
export interface HealthOptions {
  /** The window of the success rate is the present and the previous interval of this many ms, at least 100. */
  checkIntervalMs: number
  /** Least success rate of a HEALTHY target: above 0, up to 1. */
  healthyThreshold: number
  /** Least success rate of a DEGRADED target: above 0, up to `healthyThreshold`. */
  degradedThreshold: number
  /** Longest smoothed response time of a HEALTHY target, in ms. */
  maxResponseTimeMs: number
  /** Errors in a row, 1 to 255, that make a target UNHEALTHY whatever else it did. */
  maxConsecutiveErrors: number
  /** Calls in the window, from 1, below which the status is UNKNOWN. */
  minRequests: number
  /** How often old records are looked for, and the histograms rotated, in ms. */
  cleanupIntervalMs: number
  /** A record not used for this long is forgotten, in ms. */
  maxAgeMs: number
}

export const defaultHealthOptions: Readonly<HealthOptions> = Object.freeze({
  checkIntervalMs: 30_000,
  healthyThreshold: 0.95,
  degradedThreshold: 0.8,
  maxResponseTimeMs: 5_000,
  maxConsecutiveErrors: 5,
  minRequests: 5,
  cleanupIntervalMs: 5 * 60_000,
  maxAgeMs: 10 * 60_000
})

const rules: Rules<HealthOptions> = {
  checkIntervalMs: durationMs(100),
  healthyThreshold: share,
  degradedThreshold: share,
  maxResponseTimeMs: durationMs(1),
  maxConsecutiveErrors: wholeNumber(1, MAX_CONSECUTIVE_ERRORS),
  minRequests: wholeNumber(1, 65_535),
  cleanupIntervalMs: durationMs(1),
  maxAgeMs: durationMs(1)
}

/**
 * Defaults filled in.
 *
 * @throws InvalidOptionError
 */
export function resolveHealthOptions(given?: Partial<HealthOptions>): Readonly<HealthOptions> {
  const options = resolveOptions('health', defaultHealthOptions, given, rules)
  if (options.degradedThreshold > options.healthyThreshold) {
    throw new InvalidOptionError(
      'health.degradedThreshold',
      options.degradedThreshold,
      `up to healthyThreshold (${options.healthyThreshold})`
    )
  }
  return options
}

/**
 * Health of targets by key, for use on its own. Inside the protection, which has slots for everything, a
 * {@link HealthTable} does the same.
 */
export class HealthMonitor {
  readonly #clock: Clock
  readonly #options: Readonly<HealthOptions>
  readonly #table: HealthTable
  readonly #keys: KeyTable
  /** Takes its turns when the monitor is used, so that it needs no timer. */
  readonly #cleanup: Cleanup

  /**
   * @param maxTargets - records kept, at least 1; beyond it the longest idle make room
   * @throws InvalidOptionError
   */
  constructor(
    options?: Partial<HealthOptions>,
    { clock = systemClock, maxTargets = DEFAULT_MAX_TARGETS }: { clock?: Clock; maxTargets?: number } = {}
  ) {
    this.#clock = clock
    this.#options = resolveHealthOptions(options)
    const records = new RecordStore(0)
    const table = new HealthTable(this.#options, records, clock.now())
    this.#table = table
    this.#keys = new KeyTable(maxTargets, {
      resize: slots => records.resize(slots),
      reset: (slot, nowMs) => table.reset(slot, nowMs),
      lastUsed: slot => table.lastUsed(slot),
      isEvictable: () => true
    })
    this.#cleanup = new Cleanup(
      this.#keys,
      this.#options.cleanupIntervalMs,
      (slot, nowMs) => nowMs - table.lastUsed(slot) > this.#options.maxAgeMs
    )
  }

  /** Notes a call that ended; with an `error` it failed, and its time is no response time. */
  recordRequest(key: string, responseTimeMs: number, error?: unknown): void {
    const now = this.#clock.now()
    this.#cleanup.turn(now)
    this.#table.record(this.#keys.claim(key, now), responseTimeMs, error !== undefined && error !== null, now)
    if (!this.#cleanup.isPlanned) this.#cleanup.plan(now)
  }

  /** What is known of a target; `undefined` when nothing is. */
  getHealth(key: string): Health | undefined {
    const now = this.#clock.now()
    this.#cleanup.turn(now)
    const slot = this.#keys.find(key)
    return slot < 0 ? undefined : readHealth(this.#table, slot, now)
  }

  getHealthStatus(key: string): HealthStatus {
    return this.getHealth(key)?.status ?? 'UNKNOWN'
  }

  /** Response times of all targets together, over the last one to two cleanup intervals. */
  getLatency(): LatencySummary {
    return this.#table.latency(this.#clock.now())
  }

  /** Every target there is a record of. */
  *targets(): Generator<[key: string, health: Health]> {
    const now = this.#clock.now()
    while (this.#cleanup.next <= now) this.#cleanup.turn(now)
    for (const slot of this.#keys.slots()) yield [this.#keys.key(slot)!, readHealth(this.#table, slot, now)]
  }
}

/** The health kept in a slot. */
export function readHealth(table: HealthTable, slot: number, nowMs: number): Health {
  return Object.freeze({
    status: healthStatuses[table.status(slot, nowMs)]!,
    successRate: table.successRate(slot, nowMs),
    requests: table.successes(slot, nowMs) + table.failures(slot, nowMs),
    consecutiveErrors: table.consecutiveErrors(slot),
    responseTimeMs: table.responseTimeMs(slot),
    responseTimeDeviationMs: table.deviationMs(slot)
  })
}
