import type { CircuitState, LatencyCounts, OverallStatus } from '../core/index.ts'

// What telemetry needs of those it shows. The classes of both halves have all of it.

/** Who is shown, or watched. */
export interface TelemetrySources {
  readonly bitswap?: readonly BitswapSource[]
  readonly pools?: readonly PoolSource[]
  readonly channels?: readonly ChannelSource[]
}

/** A libp2p node that is protected: `BitswapProtectionManager`. */
export interface BitswapSource {
  getOverallStatus(): BitswapSnapshot
}

export interface BitswapSnapshot extends OverallStatus {
  readonly totals: {
    readonly wants: Readonly<Record<string, number>>
    readonly consecutiveWantFailures: number
    readonly heldBack: Readonly<Record<string, number>>
    readonly events: Readonly<Record<string, number>>
    readonly inboundRefusals: Readonly<Record<string, number>>
    readonly inboundDisconnects: number
    readonly openTimes: LatencyCounts
    readonly answerTimes: LatencyCounts
  }
}

/** Channels to one endpoint: `SecureChannelPool`. */
export interface PoolSource {
  readonly namespace: string
  getSummary(): PoolSnapshot
}

export interface PoolSnapshot {
  readonly endpoint: string
  readonly isHealthy: boolean
  readonly activeConnections: number
  readonly idleConnections: number
  readonly opening: number
  readonly waiting: number
  readonly totalReconnects: number
  readonly totalErrors: number
  readonly answerTimes: LatencyCounts
  readonly circuit: { readonly circuitState: CircuitState; readonly consecutiveErrors: number } | undefined
}

/** Several nodes used as one: `SecureChannel`. */
export interface ChannelSource {
  readonly namespace: string
  getStatus(): ChannelSnapshot
}

export interface ChannelSnapshot {
  readonly isFailedOver: boolean
  readonly height: number | undefined
  readonly inFlight: number
  readonly totalRequests: number
  readonly totalRetries: number
  readonly totalHedges: number
  readonly totalErrors: number
  readonly totalFailovers: number
  readonly nodes: readonly NodeSnapshot[]
}

export interface NodeSnapshot {
  readonly endpoint: string
  readonly isHealthy: boolean
  readonly inFlight: number
  readonly connections: number
  readonly consecutiveFails: number
  readonly totalErrors: number
  readonly answerTimes: LatencyCounts
  readonly circuit: { readonly circuitState: CircuitState } | undefined
}
