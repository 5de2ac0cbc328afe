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

interface Keyed {
  readonly peer: PeerSnapshot
  readonly key: number | string
}

/** Of all that are asked for only those are kept, and sorted, that may be on the page: there can be a hundred thousand. */
export function pageOf(all: Iterable<PeerSnapshot>, query: PeerQuery): PeerPage {
  const keyOf: (peer: PeerSnapshot) => number | string = keys[query.sort]
  const sign = query.reverse ? -1 : 1
  const order = (one: Keyed, other: Keyed): number =>
    sign * (compare(one.key, other.key) || (one.peer.key < other.peer.key ? -1 : 1))
  const end = query.page * query.size
  const first: Keyed[] = []
  let last: Keyed | undefined
  let total = 0
  for (const peer of all) {
    if (!isAskedFor(peer, query)) continue
    total++
    const keyed = { peer, key: keyOf(peer) }
    if (last !== undefined && order(last, keyed) < 0) continue
    first.push(keyed)
    // Sorted now and then, not with each.
    if (first.length === 2 * end) {
      first.sort(order).length = end
      last = first[end - 1]
    }
  }
  const shown = first.sort(order).slice(end - query.size, end)
  return { peers: shown.map(({ peer }) => peer), total }
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
