import type { CircuitState, HealthStatus } from '../core/index.ts'
import type { PeerSnapshot } from './managed.ts'

/** By what peers can be sorted: the worst first, unless it is turned round. */
const keys = {
  trouble: troubleOf,
  peer: ({ key }: PeerSnapshot) => key,
  success_rate: ({ successRate }: PeerSnapshot) => successRate,
  response_time_ms: ({ responseTimeMs }: PeerSnapshot) => -responseTimeMs,
  failures: ({ counts }: PeerSnapshot) => -counts.totalFailures,
  requests: ({ counts }: PeerSnapshot) => -counts.requests,
  since: ({ since }: PeerSnapshot) => -since
}

export type PeerSort = keyof typeof keys

export const peerSorts = Object.keys(keys) as PeerSort[]

/** Which peers are shown, and how. */
export interface PeerQuery {
  /** From 1. */
  readonly page: number
  readonly size: number
  readonly sort: PeerSort
  readonly reverse: boolean
  readonly state?: CircuitState | undefined
  readonly health?: HealthStatus | undefined
  readonly connected?: boolean | undefined
  /** Part of the peer id. */
  readonly search?: string | undefined
}

/** A page of the peers there are. */
export interface PeerPage {
  readonly peers: readonly PeerSnapshot[]
  /** How many there are that are asked for, on all pages. */
  readonly total: number
}

export function pageOf(all: Iterable<PeerSnapshot>, query: PeerQuery): PeerPage {
  const found = [...all].filter(peer => isAskedFor(peer, query))
  const keyOf: (peer: PeerSnapshot) => number | string = keys[query.sort]
  const keyed = found.map(peer => ({ peer, key: keyOf(peer) }))
  keyed.sort((one, other) => compare(one.key, other.key) || compare(one.peer.key, other.peer.key))
  if (query.reverse) keyed.reverse()
  const begin = (query.page - 1) * query.size
  return { peers: keyed.slice(begin, begin + query.size).map(({ peer }) => peer), total: found.length }
}

function isAskedFor(peer: PeerSnapshot, { state, health, connected, search }: PeerQuery): boolean {
  if (state !== undefined && peer.circuitState !== state) return false
  if (health !== undefined && peer.healthStatus !== health) return false
  if (connected !== undefined && peer.isConnected !== connected) return false
  return search === undefined || peer.key.includes(search)
}

function compare(one: number | string, other: number | string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** Who is most in trouble comes first. */
function troubleOf({
  circuitState,
  isSuspect,
  isRecovering,
  healthStatus,
  successRate
}: PeerSnapshot): number {
  if (circuitState === 'OPEN') return 0 + successRate
  if (isSuspect) return 2 + successRate
  if (circuitState === 'HALF_OPEN') return 4 + successRate
  if (isRecovering) return 6 + successRate
  const ranks: Readonly<Record<HealthStatus, number>> = {
    UNHEALTHY: 8,
    DEGRADED: 10,
    HEALTHY: 12,
    UNKNOWN: 14
  }
  return ranks[healthStatus] + successRate
}
