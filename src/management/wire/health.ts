import { type Static, Type } from 'typebox'
import type { RelayView } from '../relay-view.ts'

/** Whether pools and channels can be used. */
export const Health = Type.Object({
  status: Type.Union([Type.Literal('healthy'), Type.Literal('unhealthy'), Type.Literal('draining')]),
  timestamp: Type.String({ format: 'date-time' }),
  pool_healthy: Type.Boolean(),
  active_connections: Type.Integer()
})

export type HealthWire = Static<typeof Health>

export function health(
  { isHealthy, connections }: RelayView,
  isDraining: boolean,
  nowMs: number
): HealthWire {
  return {
    status: isDraining ? 'draining' : isHealthy ? 'healthy' : 'unhealthy',
    timestamp: new Date(nowMs).toISOString(),
    pool_healthy: isHealthy,
    active_connections: connections
  }
}

/** Whether the process lives. */
export const Liveness = Type.Object({
  status: Type.Literal('ok'),
  timestamp: Type.String({ format: 'date-time' }),
  uptime: Type.String({ examples: ['2h30m15s'] })
})
