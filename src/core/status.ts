import { CLOSED, HALF_OPEN, OPEN } from './breaker-table.ts'
import type { CircuitState, Counts } from './circuit-breaker.ts'
import type { Counterfactual } from './counterfactual.ts'
import type { RejectionReason } from './errors.ts'
import type { HealthStatus } from './health-monitor.ts'
import { type HealthTable, healthCodes } from './health-table.ts'
import { type KeyTable, SHARED_SLOT } from './key-table.ts'
import type { LatencySummary } from './latency-histogram.ts'
import type { Mode } from './mode.ts'
import { SlotGlance } from './peer-glance.ts'
import type { ProtectionTable } from './protection-table.ts'
import type { TripRecord } from './trip-record.ts'

const { UNKNOWN, HEALTHY, DEGRADED, UNHEALTHY } = healthCodes

/** What is known of one target. Plain, frozen data. */
export interface PeerStatus {
  readonly key: string
  /** An isolated target is shown as OPEN. */
  readonly circuitState: CircuitState
  readonly healthStatus: HealthStatus
  /** OPEN by hand. */
  readonly isIsolated: boolean
  /** Would be refused, but is kept as last resort: enough others are ejected, or it cannot be done without. */
  readonly isDemoted: boolean
  /** Held back on one sign of trouble, until it is found out whether the target responds. */
  readonly isSuspect: boolean
  readonly isRecovering: boolean
  /** Share of calls admitted: 1 unless recovering. */
  readonly recoveryRate: number
  /** Counts of the breaker's window. */
  readonly counts: Readonly<Counts>
  /** Share of successes over the health window, 0 to 1; 1 when there was no call. */
  readonly successRate: number
  /** Smoothed response time in ms; 0 before the first success. */
  readonly responseTimeMs: number
  /** Its smoothed mean deviation in ms. */
  readonly responseTimeDeviationMs: number
  readonly consecutiveErrors: number
  /** Admitted calls that have not ended. */
  readonly inFlight: number
  /** Trips not yet forgiven; each lengthens the next OPEN time. */
  readonly trips: number
  /** Of these, the ones that came after the circuit had closed again; each raises the proof asked for. */
  readonly relapses: number
  /** How the circuit last came to open; `undefined` if it never did. */
  readonly lastTrip: TripRecord | undefined
  /** When the state began, in ms since 1970. */
  readonly since: number
  /** When the next probe may go, in ms since 1970; `undefined` unless that depends on time alone. */
  readonly nextRetryAt: number | undefined
  /** When a call to it last ended, or it was first seen, in ms since 1970. */
  readonly lastUsedAt: number
}

/** How many targets are of each health. */
export interface HealthStats {
  readonly healthyPeers: number
  readonly degradedPeers: number
  readonly unhealthyPeers: number
  readonly unknownPeers: number
}

/** What is known of all targets together. Plain, frozen data. */
export interface OverallStatus {
  readonly mode: Mode
  readonly totalPeers: number
  readonly healthStats: HealthStats
  /** How many circuits are in each state. */
  readonly circuitStates: Readonly<Record<CircuitState, number>>
  readonly recoveringPeers: number
  readonly isolatedPeers: number
  readonly demotedPeers: number
  readonly suspectPeers: number
  /** Targets refused now for what they did. */
  readonly ejectedPeers: number
  readonly inFlight: number
  /** Calls rejected since the start, by reason; in observe mode, that would have been. */
  readonly rejections: Readonly<Record<RejectionReason, number>>
  /** What enforcing would have changed while the mode was `observe`. */
  readonly counterfactual: Counterfactual
  /** Response times of all targets over the last one to two cleanup intervals. */
  readonly latency: LatencySummary
  /** Whether at least half of the targets are CLOSED and not UNHEALTHY. */
  readonly isHealthy: boolean
  /** The same in a sentence. */
  readonly summary: string
}

/** A table and what belongs to reading it: the keys of its slots, and the difference from its time to wall time. */
export interface StatusSource {
  readonly table: ProtectionTable
  readonly health: HealthTable
  readonly keys: KeyTable
  readonly nowMs: number
  readonly wallOffsetMs: number
}

export function readPeerStatus(source: StatusSource, slot: number): PeerStatus {
  const { table, health, nowMs, wallOffsetMs } = source
  const glance = new SlotGlance(source, slot)
  const { circuitState } = glance
  const isIsolated = table.isIsolated(slot)
  const ramp = table.ramp(slot, nowMs)
  return Object.freeze({
    key: glance.key,
    circuitState,
    healthStatus: glance.healthStatus,
    isIsolated,
    isDemoted: table.isDemoted(slot),
    isSuspect: glance.isSuspect,
    isRecovering: ramp !== undefined,
    recoveryRate: ramp?.rate ?? 1,
    counts: glance.counts,
    successRate: glance.successRate,
    responseTimeMs: glance.responseTimeMs,
    responseTimeDeviationMs: health.deviationMs(slot),
    consecutiveErrors: health.consecutiveErrors(slot),
    inFlight: table.inFlight(slot),
    trips: table.breakers.trips(slot, nowMs),
    relapses: table.breakers.relapses(slot, nowMs),
    lastTrip: table.lastTrip(slot),
    since: glance.since,
    nextRetryAt:
      circuitState === 'OPEN' && !isIsolated
        ? nowMs + table.retryAfterMs(slot, nowMs) + wallOffsetMs
        : undefined,
    lastUsedAt: health.lastUsed(slot) + wallOffsetMs
  })
}

export function readOverallStatus(source: StatusSource): OverallStatus {
  const { table, nowMs } = source
  const health = [0, 0, 0, 0]
  const states = [0, 0, 0]
  let isolated = 0
  let demoted = 0
  let suspect = 0
  let troubled = 0
  // No target of its own, but in the totals of the table.
  table.state(SHARED_SLOT, nowMs)
  for (let slot = source.keys.next(SHARED_SLOT); slot !== SHARED_SLOT; slot = source.keys.next(slot)) {
    const current = table.state(slot, nowMs)
    const state = table.isIsolated(slot) ? OPEN : current
    const status = source.health.status(slot, nowMs)
    states[state]!++
    health[status]!++
    if (table.isIsolated(slot)) isolated++
    if (table.isDemoted(slot)) demoted++
    if (table.isSuspect(slot)) suspect++
    if (state !== CLOSED || status === UNHEALTHY) troubled++
  }
  const totalPeers = source.keys.size
  const counted = {
    mode: table.mode,
    totalPeers,
    healthStats: Object.freeze({
      healthyPeers: health[HEALTHY]!,
      degradedPeers: health[DEGRADED]!,
      unhealthyPeers: health[UNHEALTHY]!,
      unknownPeers: health[UNKNOWN]!
    }),
    circuitStates: Object.freeze({
      CLOSED: states[CLOSED]!,
      OPEN: states[OPEN]!,
      HALF_OPEN: states[HALF_OPEN]!
    }),
    recoveringPeers: table.recovering,
    isolatedPeers: isolated,
    demotedPeers: demoted,
    suspectPeers: suspect,
    ejectedPeers: table.ejected,
    inFlight: table.totalInFlight,
    rejections: table.rejections(),
    counterfactual: table.counterfactual(),
    latency: source.health.latency(nowMs),
    isHealthy: troubled * 2 <= totalPeers
  }
  return Object.freeze({ ...counted, summary: summarize(counted) })
}

function summarize(status: Omit<OverallStatus, 'summary'>): string {
  const { healthStats: health, circuitStates: circuits } = status
  const parts = [
    `${status.totalPeers} ${status.totalPeers === 1 ? 'peer' : 'peers'}: ${health.healthyPeers} healthy, ${health.degradedPeers} degraded, ${health.unhealthyPeers} unhealthy, ${health.unknownPeers} unknown`,
    `circuits: ${circuits.CLOSED} closed, ${circuits.OPEN} open, ${circuits.HALF_OPEN} half-open`,
    `${status.recoveringPeers} recovering`
  ]
  return `${status.isHealthy ? 'healthy' : 'unhealthy'}; ${parts.join('; ')}`
}
