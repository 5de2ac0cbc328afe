import type { LatencyCounts, PeerStatus } from '../../core/index.ts'
import type { LatencySummary } from '../../core/latency-histogram.ts'

/** What is known of one channel of a pool. */
export interface ConnectionStatus {
  readonly connectionId: string
  /** When anything was last sent or received, in ms since 1970. */
  readonly lastActivity: number
  /** How often the place it takes was lost before. */
  readonly reconnects: number
  readonly errors: number
  /** 95 of 100 answers took no longer than this, in ms; 0 if there was none. */
  readonly p95LatencyMs: number
  /** Whether it can be used, and answers as quickly as it should. */
  readonly isHealthy: boolean
  readonly isIdle: boolean
}

/** What is known of a pool as a whole. */
export interface PoolSummary {
  /** `host:port`. */
  readonly endpoint: string
  /** Whether there is a channel that was tried out, and the circuit is not OPEN. */
  readonly isHealthy: boolean
  readonly isDraining: boolean
  readonly maxConnections: number
  /** Channels that stand, in use or not. */
  readonly activeConnections: number
  readonly idleConnections: number
  /** Channels that are being opened. */
  readonly opening: number
  /** Callers that wait for one. */
  readonly waiting: number
  /** How often a channel was opened in place of one that was lost. */
  readonly totalReconnects: number
  /** What went wrong, on all channels there were, and when opening others. */
  readonly totalErrors: number
  /** How long it took until channels could be used. */
  readonly establishment: LatencySummary
  /** How long answers took, on all channels there were. */
  readonly answerTimes: LatencyCounts
  /** The circuit that guards connecting; `undefined` before the first time. */
  readonly circuit: PeerStatus | undefined
  /** Certificates that the endpoint's is verified by, and those that could not be read. */
  readonly trustedRoots: number
  readonly unreadableRoots: number
  /** When all this was so, in ms since 1970. */
  readonly lastUpdated: number
}

/** What is known of a pool. */
export interface PoolStatus extends PoolSummary {
  /** The greatest p95 of its channels, in ms. */
  readonly poolP95LatencyMs: number
  /** As many as are active. */
  readonly connections: readonly ConnectionStatus[]
}
