import { type Static, Type } from 'typebox'
import type { OverallStatus } from '../../core/index.ts'
import type { MemoryProtection } from '../managed.ts'
import type { RelayView } from '../relay-view.ts'
import { durationText } from './duration.ts'

const MemoryProtectionStatus = Type.Object({
  enabled: Type.Boolean(),
  self_check: Type.Boolean(),
  secure_buffers: Type.Boolean(),
  rust_integrity: Type.Boolean({
    description: 'Of another implementation: there is nothing of it to check, so it is false'
  })
})

/** The service in short. */
export const EnhancedStatus = Type.Object({
  service: Type.String(),
  status: Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('draining')]),
  version: Type.String(),
  timestamp: Type.String({ format: 'date-time' }),
  uptime: Type.String({ examples: ['2h30m15s'] }),
  memory_protection: MemoryProtectionStatus,
  secure_channel: Type.Object({
    status: Type.Union([Type.Literal('healthy'), Type.Literal('unhealthy')]),
    pool_healthy: Type.Boolean(),
    active_connections: Type.Integer(),
    error_rate: Type.Number({ description: 'Of 100 that ended' }),
    avg_latency_ms: Type.Number()
  }),
  performance: Type.Object({
    connection_pool_utilization: Type.Number({ description: 'Of 100 connections there may be' }),
    avg_response_time_ms: Type.Number(),
    error_rate_percent: Type.Number()
  }),
  bitswap: Type.Union([
    Type.Null(),
    Type.Object({
      mode: Type.String(),
      is_healthy: Type.Boolean(),
      summary: Type.String(),
      total_peers: Type.Integer(),
      open_circuits: Type.Integer()
    })
  ])
})

export type EnhancedStatusWire = Static<typeof EnhancedStatus>

/** What of the service the status needs. */
export interface ServiceFacts {
  readonly name: string
  readonly version: string
  readonly isDraining: boolean
  readonly uptimeMs: number
  readonly nowMs: number
}

/** @param memory - how secrets are protected in memory; `undefined` if that is not known */
export function enhancedStatus(
  bitswap: OverallStatus | undefined,
  relay: RelayView,
  memory: MemoryProtection | undefined,
  service: ServiceFacts
): EnhancedStatusWire {
  const isWell = relay.isHealthy && bitswap?.isHealthy !== false
  const { connections, maxConnections, isHealthy } = relay
  const errorPercent = rounded(relay.errorShare * 100)
  const latencyMs = rounded(relay.meanLatencyMs)
  return {
    service: service.name,
    status: service.isDraining ? 'draining' : isWell ? 'ok' : 'degraded',
    version: service.version,
    timestamp: new Date(service.nowMs).toISOString(),
    uptime: durationText(service.uptimeMs),
    memory_protection: memoryProtection(memory),
    secure_channel: {
      status: isHealthy ? 'healthy' : 'unhealthy',
      pool_healthy: isHealthy,
      active_connections: connections,
      error_rate: errorPercent,
      avg_latency_ms: latencyMs
    },
    performance: {
      connection_pool_utilization: maxConnections === 0 ? 0 : rounded((connections / maxConnections) * 100),
      avg_response_time_ms: latencyMs,
      error_rate_percent: errorPercent
    },
    bitswap:
      bitswap === undefined
        ? null
        : {
            mode: bitswap.mode,
            is_healthy: bitswap.isHealthy,
            summary: bitswap.summary,
            total_peers: bitswap.totalPeers,
            open_circuits: bitswap.circuitStates.OPEN
          }
  }
}

function memoryProtection(status: MemoryProtection | undefined): Static<typeof MemoryProtectionStatus> {
  return {
    // What cannot be seen is not claimed.
    enabled: status?.isEnabled === true,
    self_check: status?.selfCheckPassed === true,
    secure_buffers: (status?.secureBuffers ?? 0) > 0,
    rust_integrity: false
  }
}

/** To one digit, for people. */
function rounded(value: number): number {
  return Math.round(value * 10) / 10
}
