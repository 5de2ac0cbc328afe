import type { Counts } from './circuit-breaker.ts'

/**
 * Why a circuit opened: too many failures, a probe that failed or did not end, a recovery that failed, or because
 * its adapter found that the target does not respond at all.
 */
export type TripReason = 'FAILURES' | 'PROBE_FAILED' | 'PROBES_OVERDUE' | 'RELAPSE' | 'UNRESPONSIVE'

export const tripReasons: readonly TripReason[] = Object.freeze([
  'FAILURES',
  'PROBE_FAILED',
  'PROBES_OVERDUE',
  'RELAPSE',
  'UNRESPONSIVE'
])

/** How a circuit came to open. */
export interface TripRecord {
  readonly reason: TripReason
  /** What was counted when it did. */
  readonly counts: Readonly<Counts>
}

/** A trip, and when it was, in ms. */
export interface PastTrip {
  readonly trip: TripRecord
  readonly atMs: number
}
