import type { CircuitState, HealthStatus, PeerGlance } from '../core/index.ts'

/** By what peers can be sorted, and then by their ids: the worst first, unless it is turned round. */
const keys = {
  trouble: troubleOf,
  peer: () => 0,
  success_rate: ({ successRate }: PeerGlance) => successRate,
  response_time_ms: ({ responseTimeMs }: PeerGlance) => -responseTimeMs,
  failures: ({ counts }: PeerGlance) => -counts.totalFailures,
  requests: ({ counts }: PeerGlance) => -counts.requests,
  since: ({ since }: PeerGlance) => -since
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

/** Who is looked through. */
export interface PagedPeers {
  glances(): Iterable<PeerGlance>
  isConnected(peer: string): boolean
}

/** A page of the peers there are. */
export interface PeerPage {
  readonly peers: readonly string[]
  /** How many there are that are asked for, on all pages. */
  readonly total: number
}

interface Keyed {
  readonly peer: string
  readonly key: number
}

/**
 * Of all that are asked for only those are kept, and sorted, that may be on the page, and no more of any is read than that takes:
 * there can be a hundred thousand.
 */
export function pageOf(paged: PagedPeers, query: PeerQuery): PeerPage {
  const keyOf: (peer: PeerGlance) => number = keys[query.sort]
  const sign = query.reverse ? -1 : 1
  const order = (one: Keyed, other: Keyed): number =>
    sign * (one.key - other.key || (one.peer < other.peer ? -1 : 1))
  const end = query.page * query.size
  const first: Keyed[] = []
  let last: Keyed | undefined
  let total = 0
  for (const glance of paged.glances()) {
    if (!isAskedFor(glance, query, paged)) continue
    total++
    const keyed = { peer: glance.key, key: keyOf(glance) }
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

function isAskedFor(
  glance: PeerGlance,
  { state, health, connected, search }: PeerQuery,
  paged: PagedPeers
): boolean {
  if (state !== undefined && glance.circuitState !== state) return false
  if (health !== undefined && glance.healthStatus !== health) return false
  if (connected !== undefined && paged.isConnected(glance.key) !== connected) return false
  return search === undefined || glance.key.includes(search)
}

const healthRanks: Readonly<Record<HealthStatus, number>> = {
  UNHEALTHY: 8,
  DEGRADED: 10,
  HEALTHY: 12,
  UNKNOWN: 14
}

/** Who is most in trouble comes first. */
function troubleOf(peer: PeerGlance): number {
  const { circuitState, successRate } = peer
  if (circuitState === 'OPEN') return 0 + successRate
  if (peer.isSuspect) return 2 + successRate
  if (circuitState === 'HALF_OPEN') return 4 + successRate
  return (peer.isRecovering ? 6 : healthRanks[peer.healthStatus]) + successRate
}
