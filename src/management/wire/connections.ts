import { type Static, Type } from 'typebox'
import type { PoolDetails } from '../managed.ts'

const Time = Type.String({ format: 'date-time' })

export const Connection = Type.Object({
  connection_id: Type.String(),
  endpoint: Type.String(),
  last_activity: Time,
  reconnects: Type.Integer(),
  errors: Type.Integer(),
  p95_latency_ms: Type.Number(),
  is_healthy: Type.Boolean(),
  is_idle: Type.Boolean()
})

/** Pools and their channels. */
export const PoolStatus = Type.Object({
  endpoint: Type.String({ description: 'host:port, or several of them' }),
  active_connections: Type.Integer({ description: 'As many as connections has' }),
  total_reconnects: Type.Integer(),
  total_errors: Type.Integer(),
  pool_p95_latency_ms: Type.Number({ description: 'The greatest p95 of all connections' }),
  connections: Type.Array(Connection),
  last_updated: Time
})

export type ConnectionWire = Static<typeof Connection>
export type PoolStatusWire = Static<typeof PoolStatus>

/** One pool, or several as one. */
export function poolStatus(pools: readonly PoolDetails[], nowMs: number): PoolStatusWire {
  const sum = (read: (pool: PoolDetails) => number): number =>
    pools.reduce((total, pool) => total + read(pool), 0)
  return {
    endpoint: pools.map(({ endpoint }) => endpoint).join(','),
    active_connections: sum(({ connections }) => connections.length),
    total_reconnects: sum(({ totalReconnects }) => totalReconnects),
    total_errors: sum(({ totalErrors }) => totalErrors),
    pool_p95_latency_ms: Math.max(0, ...pools.map(({ poolP95LatencyMs }) => poolP95LatencyMs)),
    connections: pools.flatMap(connectionsOf),
    last_updated: new Date(nowMs).toISOString()
  }
}

export function connectionsOf({ endpoint, connections }: PoolDetails): ConnectionWire[] {
  return connections.map(
    ({ connectionId, lastActivity, reconnects, errors, p95LatencyMs, isHealthy, isIdle }) => ({
      connection_id: connectionId,
      endpoint,
      last_activity: new Date(lastActivity).toISOString(),
      reconnects,
      errors,
      p95_latency_ms: p95LatencyMs,
      is_healthy: isHealthy,
      is_idle: isIdle
    })
  )
}
