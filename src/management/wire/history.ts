import { type Static, Type } from 'typebox'
import type { HistoryPoint } from '../../telemetry/index.ts'
import type { ManagedHistory } from '../managed.ts'

const MaybeMs = Type.Union([Type.Number(), Type.Null()])

const Point = Type.Object({
  at: Type.String({ format: 'date-time' }),
  peers: Type.Integer(),
  open_circuits: Type.Integer(),
  wants: Type.Integer({ description: 'Answered since the point before' }),
  failed_wants: Type.Integer(),
  want_latency_ms: MaybeMs,
  connections: Type.Integer(),
  relay_requests: Type.Integer({ description: 'Answered since the point before' }),
  relay_errors: Type.Integer(),
  relay_latency_ms: MaybeMs,
  failovers: Type.Integer()
})

/** How things went, the oldest first. */
export const History = Type.Object({ interval_ms: Type.Number(), points: Type.Array(Point) })

export type HistoryWire = Static<typeof History>

/** @param max - how many points at most: the last */
export function history(kept: ManagedHistory, max: number): HistoryWire {
  return { interval_ms: kept.intervalMs, points: kept.getPoints(max).map(point) }
}

function point(seen: HistoryPoint): Static<typeof Point> {
  return {
    at: new Date(seen.at).toISOString(),
    peers: seen.peers,
    open_circuits: seen.openCircuits,
    wants: seen.wants,
    failed_wants: seen.failedWants,
    want_latency_ms: seen.wantLatencyMs ?? null,
    connections: seen.connections,
    relay_requests: seen.relayRequests,
    relay_errors: seen.relayErrors,
    relay_latency_ms: seen.relayLatencyMs ?? null,
    failovers: seen.failovers
  }
}
