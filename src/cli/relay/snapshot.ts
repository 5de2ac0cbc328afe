import type { NodeRole, NodeState, NodeStatus, SecureChannelStatus } from '../../relay/index.ts'
import { harmless } from '../terminal/visible-text.ts'
import type { RequestCounts } from './height-reader.ts'

/** What is known of one node. `null` for what is not. */
export interface NodeReport {
  /** `host:port`. */
  readonly endpoint: string
  readonly role: NodeRole
  readonly state: NodeState
  readonly height: number | null
  readonly isLagging: boolean
  readonly responseTimeMs: number
  readonly connections: number
  /** How often it was down. */
  readonly outages: number
  readonly lastError: string | null
}

/** How things stand. */
export interface Snapshot {
  /** In ms since 1970. */
  readonly atMs: number
  readonly isHealthy: boolean
  readonly isFailedOver: boolean
  readonly height: number | null
  readonly inFlight: number
  readonly requests: number
  readonly failed: number
  /** The longest time to the end of a request, in ms. */
  readonly longestMs: number
  readonly failovers: number
  readonly nodes: readonly NodeReport[]
}

/** @param outages - how often each node was down, by its endpoint */
export function takeSnapshot(
  status: SecureChannelStatus,
  { requests, failed, longestMs }: RequestCounts,
  outages: ReadonlyMap<string, number>
): Snapshot {
  return {
    atMs: status.lastUpdated,
    isHealthy: status.isHealthy,
    isFailedOver: status.isFailedOver,
    height: status.height ?? null,
    inFlight: status.inFlight,
    requests,
    failed,
    longestMs: tenths(longestMs),
    failovers: status.totalFailovers,
    nodes: status.nodes.map(node => nodeReport(node, outages.get(node.endpoint) ?? 0))
  }
}

function nodeReport(
  { endpoint, role, state, height, isLagging, responseTimeMs, connections, lastError }: NodeStatus,
  outages: number
): NodeReport {
  return {
    endpoint,
    role,
    state,
    height: height ?? null,
    isLagging,
    responseTimeMs: tenths(responseTimeMs),
    connections,
    outages,
    // A node may have said it.
    lastError: lastError === undefined ? null : harmless(lastError)
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}
