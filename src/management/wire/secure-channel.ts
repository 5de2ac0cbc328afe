import { type Static, Type } from 'typebox'
import type { ChannelDetails, PoolDetails } from '../managed.ts'
import { type RelayView, total } from '../relay-view.ts'
import { PoolStatus, poolStatus } from './connections.ts'

const Time = Type.String({ format: 'date-time' })

const Node = Type.Object({
  endpoint: Type.String(),
  role: Type.String(),
  state: Type.String(),
  is_healthy: Type.Boolean(),
  circuit_state: Type.String(),
  height: Type.Union([Type.Integer(), Type.Null()]),
  is_lagging: Type.Boolean(),
  response_time_ms: Type.Number(),
  in_flight: Type.Integer(),
  connections: Type.Integer(),
  consecutive_fails: Type.Integer(),
  total_errors: Type.Integer(),
  last_check: Type.Union([Time, Type.Null()]),
  last_error: Type.Union([Type.String(), Type.Null()])
})

const Channel = Type.Object({
  is_healthy: Type.Boolean(),
  is_failed_over: Type.Boolean(),
  is_draining: Type.Boolean(),
  height: Type.Union([Type.Integer(), Type.Null()]),
  in_flight: Type.Integer(),
  nodes: Type.Array(Node)
})

const Pool = Type.Object({
  endpoint: Type.String(),
  is_healthy: Type.Boolean(),
  is_draining: Type.Boolean(),
  circuit_state: Type.String(),
  active_connections: Type.Integer({ description: 'Those that stand, in use or not' }),
  idle_connections: Type.Integer(),
  max_connections: Type.Integer(),
  waiting: Type.Integer({ description: 'Callers that wait for a connection' }),
  reconnects: Type.Integer(),
  total_errors: Type.Integer(),
  p95_latency_ms: Type.Number()
})

/** Pools with their connections, and secure channels with their nodes. */
export const SecureChannelStatus = Type.Interface([PoolStatus], {
  is_healthy: Type.Boolean(),
  pools: Type.Array(Pool),
  channels: Type.Array(Channel)
})

export type SecureChannelStatusWire = Static<typeof SecureChannelStatus>

/** Sums since the start. */
export const Stats = Type.Object({
  total_connections: Type.Integer(),
  total_reconnects: Type.Integer(),
  total_errors: Type.Integer(),
  total_requests: Type.Integer(),
  total_retries: Type.Integer(),
  total_hedges: Type.Integer(),
  total_failovers: Type.Integer(),
  error_rate: Type.Number({ description: 'Of 1 that ended' }),
  avg_latency_ms: Type.Number(),
  last_updated: Time
})

export type StatsWire = Static<typeof Stats>

export function secureChannelStatus(relay: RelayView, nowMs: number): SecureChannelStatusWire {
  return {
    ...poolStatus(relay.pools, nowMs),
    is_healthy: relay.isHealthy,
    pools: relay.pools.map(pool),
    channels: relay.channels.map(channel)
  }
}

export function stats({ pools, channels, ...relay }: RelayView, nowMs: number): StatsWire {
  const nodes = channels.flatMap(each => each.nodes)
  return {
    total_connections: relay.connections,
    total_reconnects: total(pools, ({ totalReconnects }) => totalReconnects),
    total_errors: total([...pools, ...nodes], ({ totalErrors }) => totalErrors),
    total_requests: total(channels, ({ totalRequests }) => totalRequests),
    total_retries: total(channels, ({ totalRetries }) => totalRetries),
    total_hedges: total(channels, ({ totalHedges }) => totalHedges),
    total_failovers: total(channels, ({ totalFailovers }) => totalFailovers),
    error_rate: relay.errorShare,
    avg_latency_ms: relay.meanLatencyMs,
    last_updated: new Date(nowMs).toISOString()
  }
}

function pool(status: PoolDetails): Static<typeof Pool> {
  return {
    endpoint: status.endpoint,
    is_healthy: status.isHealthy,
    is_draining: status.isDraining,
    circuit_state: status.circuit?.circuitState ?? 'CLOSED',
    active_connections: status.activeConnections,
    idle_connections: status.idleConnections,
    max_connections: status.maxConnections,
    waiting: status.waiting,
    reconnects: status.totalReconnects,
    total_errors: status.totalErrors,
    p95_latency_ms: status.poolP95LatencyMs
  }
}

function channel({ nodes, ...status }: ChannelDetails): Static<typeof Channel> {
  return {
    is_healthy: status.isHealthy,
    is_failed_over: status.isFailedOver,
    is_draining: status.isDraining,
    height: status.height ?? null,
    in_flight: status.inFlight,
    nodes: nodes.map(node)
  }
}

function node(status: ChannelDetails['nodes'][number]): Static<typeof Node> {
  const { lastCheck } = status
  return {
    endpoint: status.endpoint,
    role: status.role,
    state: status.state,
    is_healthy: status.isHealthy,
    circuit_state: status.circuit?.circuitState ?? 'CLOSED',
    height: status.height ?? null,
    is_lagging: status.isLagging,
    response_time_ms: status.responseTimeMs,
    in_flight: status.inFlight,
    connections: status.connections,
    consecutive_fails: status.consecutiveFails,
    total_errors: status.totalErrors,
    last_check: lastCheck === undefined ? null : new Date(lastCheck).toISOString(),
    last_error: status.lastError ?? null
  }
}
