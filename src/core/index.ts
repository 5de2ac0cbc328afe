/**
 * The pure core: circuit breaker, health, gradual recovery, and their combination for many targets.
 *
 * @packageDocumentation
 */
export type { BadRecord, BadRecords, DatedTrip } from './bad-record.ts'
export type { CallContext, CallOptions, Permit, ProtectedFunction } from './call-runner.ts'
export {
  CircuitBreaker,
  type CircuitBreakerInit,
  type CircuitBreakerOptions,
  type CircuitState,
  type CoreComponents,
  type Counts,
  defaultCircuitBreakerOptions
} from './circuit-breaker.ts'
export { type Clock, systemClock } from './clock.ts'
export type { Counterfactual } from './counterfactual.ts'
export {
  CallTimeoutError,
  CircuitOpenError,
  InvalidOptionError,
  IsolatedError,
  ProtectionClosedError,
  RecoverySheddingError,
  RejectedError,
  type Rejection,
  type RejectionReason,
  SuspectError,
  TableFullError,
  TooManyInFlightError,
  TooManyRequestsError
} from './errors.ts'
export type { CircuitEvent, HealthEvent, ProtectionEvent, StageEvent } from './events.ts'
export type { Explanation } from './explain.ts'
export {
  defaultHealthOptions,
  type Health,
  HealthMonitor,
  type HealthOptions,
  type HealthStatus
} from './health-monitor.ts'
export { LATENCY_BOUNDS_MS, type LatencyCounts } from './latency-buckets.ts'
export type { LatencySummary } from './latency-histogram.ts'
export { ManualClock } from './manual-clock.ts'
export type { Mode } from './mode.ts'
export { FAILURE, IGNORED, type Outcome, SUCCESS } from './outcome.ts'
export type { PeerGlance } from './peer-glance.ts'
export { defaultTripRule, type PresetName, presets, type TripRule, tripAt } from './presets.ts'
export {
  defaultProtectionOptions,
  Protection,
  type ProtectionComponents,
  type ProtectionOptions
} from './protection.ts'
export type { ProtectionTable } from './protection-table.ts'
export {
  defaultRecoveryOptions,
  RecoveryManager,
  type RecoveryOptions,
  type RecoveryStrategy
} from './recovery-manager.ts'
export type { ProtectionEventType } from './slot-events.ts'
export type { HealthStats, OverallStatus, PeerStatus } from './status.ts'
export type { TripReason, TripRecord } from './trip-record.ts'
