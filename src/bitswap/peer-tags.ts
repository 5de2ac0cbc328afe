import type { Logger, PeerId, PeerStore } from '@libp2p/interface'
import type { HealthStatus } from '../core/index.ts'

/** What the tag is called in the peer store. */
const TAG = 'bitswap-protection'

/** How long it lasts unless it is renewed, in ms: as long as the peer store keeps a peer it hears nothing of. */
const TTL_MS = 6 * 60 * 60_000

/** What a peer is worth to the connection pruner, 0 to 100; one that is not here has no tag. */
const values: Readonly<Partial<Record<HealthStatus, number>>> = { HEALTHY: 50, DEGRADED: 10 }

/**
 * Tags peers by their health, so that the node keeps good ones when it has too many connections: it closes those first
 * whose tags are worth least.
 */
export class PeerTags {
  readonly #peerStore: PeerStore
  readonly #log: Logger

  constructor(peerStore: PeerStore, log: Logger) {
    this.#peerStore = peerStore
    this.#log = log
  }

  /** The health of a peer is different now. */
  note(peer: PeerId, health: HealthStatus): void {
    const value = values[health]
    const tag = value === undefined ? undefined : { value, ttl: TTL_MS }
    this.#peerStore
      .merge(peer, { tags: { [TAG]: tag } })
      .catch(error => this.#log.error('could not tag %p - %e', peer, error))
  }
}
