import type { Explanation, Mode, PeerGlance, PeerStatus } from '../core/index.ts'
import type {
  Alert,
  BitswapSource,
  ChannelSource,
  EndpointEvents,
  HistoryPoint,
  PeerEvents,
  PoolSource
} from '../telemetry/index.ts'

// What the server needs of those it shows and steers. The classes of both halves have all of it.

/** Who is shown and steered. */
export interface Managed {
  /** The protection of a libp2p node. */
  readonly bitswap?: ManagedBitswap | undefined
  readonly pools?: readonly ManagedPool[]
  readonly channels?: readonly ManagedChannel[]
  /** How secrets are protected in memory; not shown if not given. */
  readonly memoryProtection?: () => Promise<MemoryProtection>
  /** `AlertMonitor`; no alerts are shown if not given. */
  readonly alerts?: ManagedAlerts | undefined
  /** Blocks that can be fetched through the server; none if not given. */
  readonly blocks?: ManagedBlocks | undefined
  /** `History`; none is shown if not given. */
  readonly history?: ManagedHistory | undefined
}

/** A store of blocks that fetches those it does not have. */
export interface ManagedBlocks {
  isCid(text: string): boolean
  /** @throws if it is not there, nor comes before the signal aborts */
  get(cid: string, signal: AbortSignal): Promise<Uint8Array>
}

/** `History`. */
export interface ManagedHistory {
  readonly intervalMs: number
  getPoints(max: number): readonly HistoryPoint[]
}

/** `AlertMonitor`. */
export interface ManagedAlerts {
  getAlerts(): readonly Alert[]
  onAlert(listener: (alert: Alert) => void): () => void
}

/** `BitswapProtectionManager`. */
export interface ManagedBitswap extends BitswapSource, PeerEvents {
  mode: Mode
  getPeerStatus(peer: string): PeerSnapshot | undefined
  glances(): Iterable<PeerGlance>
  isConnected(peer: string): boolean
  explain(peer: string): (Explanation & { readonly faults?: readonly object[] }) | undefined
  isolate(peer: string): void
  release(peer: string): void
}

/** What is known of a peer. */
export interface PeerSnapshot extends PeerStatus {
  readonly isConnected: boolean
  readonly openTimeMs: number
  readonly pendingWants: number
}

/** `SecureChannelPool`. */
export interface ManagedPool extends PoolSource, EndpointEvents {
  getStatus(): PoolDetails
}

export interface PoolDetails extends ReturnType<PoolSource['getSummary']> {
  readonly isDraining: boolean
  readonly maxConnections: number
  readonly poolP95LatencyMs: number
  readonly connections: ReadonlyArray<{
    readonly connectionId: string
    readonly lastActivity: number
    readonly reconnects: number
    readonly errors: number
    readonly p95LatencyMs: number
    readonly isHealthy: boolean
    readonly isIdle: boolean
  }>
  readonly lastUpdated: number
}

/** `SecureChannel`. */
export interface ManagedChannel extends ChannelSource, EndpointEvents {
  getStatus(): ChannelDetails
  isolate(endpoint: string): Promise<void>
  release(endpoint: string): void
}

type ChannelSnapshot = ReturnType<ChannelSource['getStatus']>

export interface ChannelDetails extends Omit<ChannelSnapshot, 'nodes'> {
  readonly isHealthy: boolean
  readonly isDraining: boolean
  readonly lastUpdated: number
  readonly nodes: ReadonlyArray<
    ChannelSnapshot['nodes'][number] & {
      readonly role: string
      readonly state: string
      readonly height: number | undefined
      readonly isLagging: boolean
      readonly responseTimeMs: number
      readonly lastCheck: number | undefined
      readonly lastError: string | undefined
    }
  >
}

/** How secrets are protected in memory, as measured. */
export interface MemoryProtection {
  readonly isEnabled: boolean | undefined
  readonly selfCheckPassed: boolean | undefined
  readonly secureBuffers: number
}
