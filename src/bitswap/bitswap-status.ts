import type { PeerId } from '@libp2p/interface'
import type {
  Counterfactual,
  Explanation,
  OverallStatus,
  PeerStatus,
  ProtectionEvent
} from '../core/index.ts'
import type { Evidence } from './fetch/evidence-log.ts'
import type { BitswapTotals } from './protection-metrics.ts'

/** What is known of a peer. Plain, frozen data; `key` is the peer id. */
export interface BitswapPeerStatus extends PeerStatus {
  readonly isConnected: boolean
  /** Smoothed time a Bitswap stream to it takes to open, in ms; 0 while unknown. */
  readonly openTimeMs: number
  /** Blocks asked of it that it has not answered yet. */
  readonly pendingWants: number
}

/** What enforcing would have changed while the mode was `observe`. Calls are messages to peers, and parts of them wants. */
export interface BitswapCounterfactual extends Counterfactual {
  /** Blocks that would not have come from where they came: lost, or left to another peer. */
  readonly blocksLost: number
}

/** What is known of all peers together. Plain, frozen data. */
export interface BitswapOverallStatus extends OverallStatus {
  readonly counterfactual: BitswapCounterfactual
  /** What has happened since the node was made. */
  readonly totals: BitswapTotals
}

/** Why a peer is treated as it is, and what it did wrong when blocks were fetched from it, oldest first. */
export interface BitswapExplanation extends Explanation {
  readonly faults: readonly Evidence[]
}

/** The one of these events that a type is of; some stand for several types. */
type OfType<Type, Event extends ProtectionEvent = ProtectionEvent> = Event extends {
  readonly type: infer Types
}
  ? Type extends Types
    ? Event & { readonly type: Type }
    : never
  : never

/** What happened, with the peer it happened to. */
export type BitswapProtectionEvent<Type extends ProtectionEvent['type']> = CustomEvent<
  OfType<Type> & { readonly peer: PeerId }
>

/** Events of the service. */
export type BitswapProtectionEvents = {
  [Type in ProtectionEvent['type']]: BitswapProtectionEvent<Type>
}
