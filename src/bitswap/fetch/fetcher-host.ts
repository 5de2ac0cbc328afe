import type { Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { AutoTuner } from '../auto-tuner.ts'
import type { PeerLink } from '../peer-link.ts'
import type { WantResult } from '../want-result.ts'
import type { BlockFetch } from './block-fetch.ts'
import type { Fault } from './fault.ts'

/** Who is told how asking peers for blocks goes. */
export type LoadObserver = Pick<AutoTuner, 'answered' | 'failed' | 'hedged' | 'hedgeRefused'>

/** What the fetcher needs of the node. */
export interface FetcherHost {
  /** Whether blocks may be asked of a peer at all. */
  isAllowed(key: string): boolean
  /** Opens a stream to a peer for our own wants. */
  open(link: PeerLink): Promise<Stream>
  /** Connects to more of the providers that were given for a block. */
  connectMore(fetch: BlockFetch): void
  /** Looks for providers of a block and connects to them; whoever is found becomes a supplier. */
  findProviders(fetch: BlockFetch, signal: AbortSignal): Promise<void>
  /** Who is told how asking goes. */
  readonly load: LoadObserver
  /** Something that was asked of a peer is over. */
  onWant(result: WantResult, elapsedMs: number): void
  /** A peer did something wrong. */
  onFault(link: PeerLink, fault: Fault, cid: CID | undefined): void
  /** A peer delivered a block; `wasRefused` if enforcing would have kept it from being asked. */
  onDelivered(link: PeerLink, wasRefused: boolean): void
}
