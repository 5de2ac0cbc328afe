import type { PeerId } from '@libp2p/interface'
import type { Explanation, PeerStatus, ProtectionEvent } from '../core/index.ts'
import type { Evidence } from './fetch/evidence-log.ts'

/** What is known of a peer. Plain, frozen data; `key` is the peer id. */
export interface BitswapPeerStatus extends PeerStatus {
  readonly isConnected: boolean
  /** Smoothed time a Bitswap stream to it takes to open, in ms; 0 while unknown. */
  readonly openTimeMs: number
  /** Blocks asked of it that it has not answered yet. */
  readonly pendingWants: number
}

/** Why a peer is treated as it is, and what it did wrong when blocks were fetched from it, oldest first. */
export interface BitswapExplanation extends Explanation {
  readonly faults: readonly Evidence[]
}

/** What happened, with the peer it happened to. */
export type BitswapProtectionEvent<Type extends ProtectionEvent['type']> = CustomEvent<
  Extract<ProtectionEvent, { type: Type }> & { readonly peer: PeerId }
>

/** Events of the service. */
export type BitswapProtectionEvents = {
  [Type in ProtectionEvent['type']]: BitswapProtectionEvent<Type>
}
