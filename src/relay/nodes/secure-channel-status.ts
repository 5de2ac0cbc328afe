import type { LatencyCounts, PeerStatus } from '../../core/index.ts'
import type { LatencySummary } from '../../core/latency-histogram.ts'
import type { NodeRole } from './relay-node.ts'

/**
 * How a node is:
 *
 * - `up`: it answers
 * - `suspect`: it has failed, or did not answer a check; it is held back while that is found out
 * - `down`: it does not answer; it is asked until it does
 * - `warming-up`: it says that it only starts
 * - `refused`: it is not who it should be, or does not let us in; see `lastError`
 * - `isolated`: it was taken out of service by hand
 */
export type NodeState = 'up' | 'suspect' | 'down' | 'warming-up' | 'refused' | 'isolated'

/** What is known of one node. */
export interface NodeStatus {
  /** `host:port`. */
  readonly endpoint: string
  readonly role: NodeRole
  readonly state: NodeState
  readonly isHealthy: boolean
  /** Blocks of its best chain, without the first; `undefined` if it was never asked. */
  readonly height: number | undefined
  /** Whether it is so many blocks behind that it is passed over. */
  readonly isLagging: boolean
  /** Smoothed time to an answer, in ms. */
  readonly responseTimeMs: number
  readonly inFlight: number
  readonly connections: number
  /** When it was last checked, in ms since 1970. */
  readonly lastCheck: number | undefined
  readonly consecutiveFails: number
  /** Requests and checks that failed as one that is away or overloaded lets them fail. */
  readonly totalErrors: number
  /** How long its answers took. */
  readonly answerTimes: LatencyCounts
  /** What it last failed with, in words. */
  readonly lastError: string | undefined
  /** `undefined` before it was first asked. */
  readonly circuit: PeerStatus | undefined
}

/** What is known of a secure channel. */
export interface SecureChannelStatus {
  /** Whether any node answers. */
  readonly isHealthy: boolean
  /** Whether no primary node answers, and backup ones are asked. */
  readonly isFailedOver: boolean
  readonly isDraining: boolean
  /** The height most nodes agree on at least. */
  readonly height: number | undefined
  readonly inFlight: number
  readonly totalRequests: number
  /** Requests that were made again, and in addition because a node was slow. */
  readonly totalRetries: number
  readonly totalHedges: number
  /** Requests that ended with an error that is not an answer of a node. */
  readonly totalErrors: number
  readonly totalFailovers: number
  /** Of requests, from the call to the answer. */
  readonly latency: LatencySummary
  readonly nodes: readonly NodeStatus[]
  /** When all this was so, in ms since 1970. */
  readonly lastUpdated: number
}

/** Something that happened to a secure channel. */
export interface SecureChannelEvent {
  readonly type:
    | 'node:suspect'
    | 'node:down'
    | 'node:up'
    | 'node:warming-up'
    /** A security event: somebody has to look. */
    | 'node:refused'
    | 'node:isolated'
    | 'node:released'
    /** No primary node answers any more; and one does again. */
    | 'failover'
    | 'failback'
  /** `host:port` of the node that brought it about. */
  readonly endpoint: string
  readonly role: NodeRole
  readonly error: unknown
  /** When, in ms since 1970. */
  readonly at: number
}
