import type { CircuitBreakerOptions, Counts } from './circuit-breaker.ts'
import { numberBetween, resolveOptions, wholeNumber } from './options.ts'

/** When to open. */
export interface TripRule {
  /** Failures in a row, from 1. */
  consecutiveFailures: number
  /** Share of failures in the window, above 0 up to 1, */
  failureShare: number
  /** once so many calls of the window have ended, from 1. */
  minRequests: number
}

export const defaultTripRule: Readonly<TripRule> = Object.freeze({
  consecutiveFailures: 5,
  failureShare: 0.5,
  minRequests: 20
})

/**
 * A `readyToTrip` that opens at so many failures in a row, or at a share of failures among enough calls.
 *
 * @throws InvalidOptionError
 */
export function tripAt(rule?: Partial<TripRule>): (counts: Readonly<Counts>) => boolean {
  const { consecutiveFailures, failureShare, minRequests } = resolveOptions('tripAt', defaultTripRule, rule, {
    consecutiveFailures: wholeNumber(1, 1_000_000),
    failureShare: numberBetween(0.01, 1),
    minRequests: wholeNumber(1, 1_000_000)
  })
  return counts => {
    if (counts.consecutiveFailures >= consecutiveFailures) return true
    const ended = counts.totalSuccesses + counts.totalFailures
    return ended >= minRequests && counts.totalFailures >= failureShare * ended
  }
}

/** What a preset sets; options given beside it go first. */
export type PresetName = 'bitswap' | 'relay'

const common: Partial<CircuitBreakerOptions> = {
  readyToTrip: tripAt(),
  successThreshold: 3,
  halfOpenTimeoutMs: 30_000,
  timeoutGrowth: 2,
  maxTimeoutMs: 10 * 60_000,
  timeoutJitter: 0.1,
  proofGrowth: 2,
  timeoutDecayMs: 60_000,
  slowCallMs: 5_000,
  hungCallMs: 10_000
}

/**
 * Breaker options for the two uses. The window rolls in two steps only: with many peers it is most of the
 * memory, and results are lost only to a step, not to a whole window.
 */
export const presets: Readonly<Record<PresetName, Readonly<Partial<CircuitBreakerOptions>>>> = Object.freeze({
  bitswap: Object.freeze({
    ...common,
    name: 'bitswap',
    maxRequests: 10,
    intervalMs: 30_000,
    bucketPeriodMs: 15_000,
    timeoutMs: 60_000
  }),
  relay: Object.freeze({
    ...common,
    name: 'relay',
    maxRequests: 10,
    intervalMs: 30_000,
    bucketPeriodMs: 3_000,
    timeoutMs: 30_000
  })
})
