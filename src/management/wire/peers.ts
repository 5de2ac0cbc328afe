import { type Static, Type } from 'typebox'
import type { PeerSnapshot } from '../managed.ts'

const Time = Type.String({ format: 'date-time' })

export const CircuitStates = ['CLOSED', 'OPEN', 'HALF_OPEN'] as const
export const HealthStatuses = ['HEALTHY', 'DEGRADED', 'UNHEALTHY', 'UNKNOWN'] as const

export const Peer = Type.Object({
  peer: Type.String(),
  circuit_state: Type.Enum([...CircuitStates]),
  health_status: Type.Enum([...HealthStatuses]),
  is_connected: Type.Boolean(),
  is_isolated: Type.Boolean(),
  is_suspect: Type.Boolean(),
  is_demoted: Type.Boolean(),
  is_recovering: Type.Boolean(),
  recovery_rate: Type.Number(),
  success_rate: Type.Number(),
  response_time_ms: Type.Number(),
  open_time_ms: Type.Number(),
  consecutive_errors: Type.Integer(),
  requests: Type.Integer(),
  failures: Type.Integer(),
  in_flight: Type.Integer(),
  pending_wants: Type.Integer(),
  trips: Type.Integer(),
  last_trip: Type.Union([Type.String(), Type.Null()]),
  since: Time,
  next_retry_at: Type.Union([Time, Type.Null()]),
  last_used_at: Time
})

/** A page of peers. */
export const PeerPage = Type.Object({
  page: Type.Integer(),
  size: Type.Integer(),
  total: Type.Integer({ description: 'Peers that are asked for, on all pages' }),
  peers: Type.Array(Peer)
})

export type PeerWire = Static<typeof Peer>
export type PeerPageWire = Static<typeof PeerPage>

export function peer(status: PeerSnapshot): PeerWire {
  const { counts, lastTrip, nextRetryAt } = status
  return {
    peer: status.key,
    circuit_state: status.circuitState,
    health_status: status.healthStatus,
    is_connected: status.isConnected,
    is_isolated: status.isIsolated,
    is_suspect: status.isSuspect,
    is_demoted: status.isDemoted,
    is_recovering: status.isRecovering,
    recovery_rate: status.recoveryRate,
    success_rate: status.successRate,
    response_time_ms: status.responseTimeMs,
    open_time_ms: status.openTimeMs,
    consecutive_errors: status.consecutiveErrors,
    requests: counts.requests,
    failures: counts.totalFailures,
    in_flight: status.inFlight,
    pending_wants: status.pendingWants,
    trips: status.trips,
    last_trip: lastTrip?.reason ?? null,
    since: timeText(status.since),
    next_retry_at: nextRetryAt === undefined ? null : timeText(nextRetryAt),
    last_used_at: timeText(status.lastUsedAt)
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
