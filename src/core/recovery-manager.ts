import { type Clock, systemClock } from './clock.ts'
import { InvalidOptionError } from './errors.ts'
import { checkMaxTargets, DEFAULT_MAX_TARGETS } from './key-table.ts'
import {
  durationMs,
  numberBetween,
  oneOf,
  type Rule,
  type Rules,
  resolveOptions,
  share,
  wholeNumber
} from './options.ts'
import { Ramp, rampRates } from './ramp.ts'

/** LINEAR: equal steps. EXPONENTIAL: equal factors, slower at first. STEP: a table. */
export type RecoveryStrategy = 'LINEAR' | 'EXPONENTIAL' | 'STEP'

/** Options of gradual recovery. */
export interface RecoveryOptions {
  strategy: RecoveryStrategy
  /** Share of calls admitted at first: above 0, up to `maxRecoveryRate`. */
  initialRecoveryRate: number
  /** Share admitted in the last step before recovery is complete: above 0, up to 1. */
  maxRecoveryRate: number
  /** Least time between two steps, in ms. */
  recoveryIntervalMs: number
  /** Share added by a LINEAR step, 0.001 to 1; EXPONENTIAL takes as many steps as LINEAR would. */
  recoveryIncrement: number
  /** Shares of the STEP strategy, rising, each above 0 up to 1. */
  recoverySteps: readonly number[]
  /** Successes needed for recovery to be complete, from 1. */
  successThreshold: number
  /** Failures in a row, from 1, that make a relapse. */
  failureThreshold: number
  /** Time after which recovery ends as soon as the evidence suffices to tell, in ms. */
  maxRecoveryTimeMs: number
  /** The least wait after a relapse, in ms. */
  cooldownPeriodMs: number
}

export const defaultRecoveryOptions: Readonly<RecoveryOptions> = Object.freeze({
  strategy: 'EXPONENTIAL',
  initialRecoveryRate: 0.1,
  maxRecoveryRate: 1,
  recoveryIntervalMs: 10_000,
  recoveryIncrement: 0.1,
  recoverySteps: Object.freeze([0.1, 0.25, 0.5, 1]),
  successThreshold: 10,
  failureThreshold: 3,
  maxRecoveryTimeMs: 5 * 60_000,
  cooldownPeriodMs: 30_000
})

const risingShares: Rule = {
  allowed: '1 to 1000 rising numbers above 0, up to 1',
  accepts: value =>
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= 1000 &&
    value.every((rate, index) => share.accepts(rate) && (index === 0 || rate > value[index - 1]))
}

const rules: Rules<RecoveryOptions> = {
  strategy: oneOf(['LINEAR', 'EXPONENTIAL', 'STEP']),
  initialRecoveryRate: share,
  maxRecoveryRate: share,
  recoveryIntervalMs: durationMs(0),
  recoveryIncrement: numberBetween(0.001, 1),
  recoverySteps: risingShares,
  successThreshold: wholeNumber(1, 1_000_000),
  failureThreshold: wholeNumber(1, 1_000_000),
  maxRecoveryTimeMs: durationMs(1),
  cooldownPeriodMs: durationMs(0)
}

/**
 * Defaults filled in.
 *
 * @throws InvalidOptionError
 */
export function resolveRecoveryOptions(given?: Partial<RecoveryOptions>): Readonly<RecoveryOptions> {
  const options = resolveOptions('recovery', defaultRecoveryOptions, given, rules)
  if (options.initialRecoveryRate > options.maxRecoveryRate) {
    throw new InvalidOptionError(
      'recovery.initialRecoveryRate',
      options.initialRecoveryRate,
      `up to maxRecoveryRate (${options.maxRecoveryRate})`
    )
  }
  return Object.freeze({ ...options, recoverySteps: Object.freeze([...options.recoverySteps]) })
}

/** A target that recovers, or after a relapse waits to do so. */
interface Recovery {
  ramp: Ramp
  /** Until then, in ms, nothing is admitted. */
  waitsUntil: number
}

/**
 * Gradual recovery of targets by key, for use on its own. Inside the protection the circuit breaker decides
 * when a {@link Ramp} starts and what a relapse leads to.
 */
export class RecoveryManager {
  readonly #clock: Clock
  readonly #options: Readonly<RecoveryOptions>
  readonly #rates: readonly number[]
  readonly #recoveries = new Map<string, Recovery>()
  readonly #maxTargets: number

  /**
   * @param maxTargets - targets recovering at once, at least 1; beyond it the one that started first is let go
   * @throws InvalidOptionError
   */
  constructor(
    options?: Partial<RecoveryOptions>,
    { clock = systemClock, maxTargets = DEFAULT_MAX_TARGETS }: { clock?: Clock; maxTargets?: number } = {}
  ) {
    this.#clock = clock
    this.#options = resolveRecoveryOptions(options)
    this.#rates = rampRates(this.#options)
    this.#maxTargets = checkMaxTargets(maxTargets)
  }

  /** Starts the recovery of a target; one that is under way goes on. */
  startRecovery(key: string): void {
    if (this.#recoveries.has(key)) return
    if (this.#recoveries.size === this.#maxTargets)
      this.#recoveries.delete(this.#recoveries.keys().next().value!)
    this.#recoveries.set(key, this.#begin(this.#clock.now()))
  }

  isRecovering(key: string): boolean {
    return this.#current(key) !== undefined
  }

  /** Share of calls admitted now: 1 for a target that is not recovering, 0 while one waits after a relapse. */
  getRecoveryRate(key: string): number {
    const recovery = this.#current(key)
    if (recovery === undefined) return 1
    return this.#isWaiting(recovery) ? 0 : recovery.ramp.rate
  }

  /** Decides on one call. */
  shouldAllowRequest(key: string): boolean {
    const recovery = this.#current(key)
    return recovery === undefined || (!this.#isWaiting(recovery) && recovery.ramp.take())
  }

  recordSuccess(key: string): void {
    this.#record(key, false)
  }

  recordFailure(key: string): void {
    this.#record(key, true)
  }

  #record(key: string, failed: boolean): void {
    const recovery = this.#recoveries.get(key)
    if (recovery === undefined || this.#isWaiting(recovery)) return
    recovery.ramp.record(failed)
    this.#current(key)
  }

  /** The recovery of a target as the time calls for; `undefined` when it is complete or never began. */
  #current(key: string): Recovery | undefined {
    const recovery = this.#recoveries.get(key)
    if (recovery === undefined || this.#isWaiting(recovery)) return recovery
    const now = this.#clock.now()
    const verdict = recovery.ramp.judge(now)
    if (verdict === 'COMPLETE') {
      this.#recoveries.delete(key)
      return undefined
    }
    if (verdict === 'RELAPSE') Object.assign(recovery, this.#begin(now + this.#options.cooldownPeriodMs))
    return recovery
  }

  #isWaiting(recovery: Recovery): boolean {
    return this.#clock.now() < recovery.waitsUntil
  }

  #begin(atMs: number): Recovery {
    return { ramp: new Ramp(this.#options, this.#rates, atMs, 1), waitsUntil: atMs }
  }
}
