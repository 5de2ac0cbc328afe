import type { RecoveryOptions } from './recovery-manager.ts'

/** How a ramp stands: under way, over because the target proved itself, or over because it failed again. */
export type RampVerdict = 'RECOVERING' | 'COMPLETE' | 'RELAPSE'

/** Least share of successes, of all calls during the ramp, that is taken for recovered. */
const HEALTHY_SHARE = 0.8

/** Steps computed as a whole number and a little come from rounding; this much is forgiven. */
const ROUNDING = 1e-9

/** Credit is counted in whole numbers, of which this many are one call: exact, and nothing is allocated. */
const ONE_CALL = 2 ** 30

/**
 * The shares a ramp goes through, one per step, rising from the first to the last.
 *
 * With n = ⌈(max − initial) / increment⌉ steps, LINEAR is `initial + k·increment` and EXPONENTIAL
 * `initial·(max / initial)^(k / n)`, for k from 0 to n; STEP is the table given.
 */
export function rampRates(options: Readonly<RecoveryOptions>): readonly number[] {
  const {
    strategy,
    initialRecoveryRate: initial,
    maxRecoveryRate: max,
    recoveryIncrement,
    recoverySteps
  } = options
  if (strategy === 'STEP') return recoverySteps
  const steps = Math.ceil((max - initial) / recoveryIncrement - ROUNDING)
  return Array.from({ length: steps + 1 }, (_, k) => {
    if (k === steps) return max
    return strategy === 'LINEAR' ? initial + k * recoveryIncrement : initial * (max / initial) ** (k / steps)
  })
}

/**
 * The gradual recovery of one target: what share of its calls is admitted now.
 *
 * It rises by one step when the step's interval has passed and the step saw a success (more of a target that failed
 * before), so a quiet target neither jumps to full traffic nor is punished for being quiet.
 */
export class Ramp {
  readonly #options: Readonly<RecoveryOptions>
  readonly #rates: readonly number[]
  readonly #proof: number
  readonly #startedAt: number
  #step = 0
  #stepStartedAt: number
  #stepSuccesses = 0
  #successes = 0
  #failures = 0
  #consecutiveFailures = 0
  #credit: number

  /**
   * @param rates - of {@link rampRates}; shared by all ramps of one kind
   * @param proof - how many times the usual number of successes is asked for, from 1
   */
  constructor(options: Readonly<RecoveryOptions>, rates: readonly number[], nowMs: number, proof: number) {
    this.#options = options
    this.#rates = rates
    this.#proof = proof
    this.#startedAt = nowMs
    this.#stepStartedAt = nowMs
    // So that the very first call is admitted.
    this.#credit = ONE_CALL - this.#earned
  }

  /** The share admitted now, above 0 up to 1. */
  get rate(): number {
    return this.#rates[this.#step]!
  }

  get successes(): number {
    return this.#successes
  }

  get failures(): number {
    return this.#failures
  }

  /** Whether {@link take} would admit. */
  get wouldTake(): boolean {
    return this.#credit + this.#earned >= ONE_CALL
  }

  /**
   * Decides on one call. Each call offered earns its share as credit and each one admitted costs 1, so over any
   * run of calls the number admitted is within one of the shares added up.
   */
  take(): boolean {
    this.#credit += this.#earned
    if (this.#credit < ONE_CALL) return false
    this.#credit -= ONE_CALL
    return true
  }

  /** Lets a call that was shed and waits earn its share again, up to the credit of one call. */
  earn(): void {
    this.#credit = Math.min(this.#credit + this.#earned, ONE_CALL)
  }

  /** Notes how an admitted call ended. */
  record(failed: boolean): void {
    if (failed) {
      this.#failures++
      this.#consecutiveFailures++
    } else {
      this.#successes++
      this.#stepSuccesses++
      this.#consecutiveFailures = 0
    }
  }

  /** Takes the step that is due, if one is, and tells how the ramp stands. */
  judge(nowMs: number): RampVerdict {
    const { failureThreshold, recoveryIntervalMs, maxRecoveryTimeMs } = this.#options
    const successThreshold = this.#options.successThreshold * this.#proof
    if (this.#consecutiveFailures >= failureThreshold) return 'RELAPSE'
    const proven = this.#successes >= successThreshold && this.#isHealthy()
    const stepIsOver = nowMs - this.#stepStartedAt >= recoveryIntervalMs && this.#stepSuccesses >= this.#proof
    const isLastStep = this.#step === this.#rates.length - 1
    if (stepIsOver && isLastStep && proven) return 'COMPLETE'
    if (stepIsOver && !isLastStep) {
      this.#step++
      this.#stepStartedAt = nowMs
      this.#stepSuccesses = 0
    }
    if (nowMs - this.#startedAt < maxRecoveryTimeMs) return 'RECOVERING'
    if (proven) return 'COMPLETE'
    // Too few calls to judge by: the target is not to blame for that, so the ramp just goes on.
    const canTell = this.#successes + this.#failures >= successThreshold
    return canTell && !this.#isHealthy() ? 'RELAPSE' : 'RECOVERING'
  }

  /** What one call offered earns now. */
  get #earned(): number {
    return Math.ceil(this.rate * ONE_CALL)
  }

  #isHealthy(): boolean {
    return this.#successes >= HEALTHY_SHARE * (this.#successes + this.#failures)
  }
}
