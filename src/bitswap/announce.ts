import type { Connection, Topology } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import type { PeerLink } from './peer-link.ts'
import { BITSWAP_PROTOCOLS } from './protocols.ts'

/**
 * Tells whoever speaks Bitswap on this node of a peer, as if it had just connected.
 *
 * Bitswap sends a newly connected peer all that is wanted. Otherwise it neither repeats what was held back nor asks a
 * peer again whose first message failed (Helia forgets such a peer until it reconnects).
 *
 * @throws what a topology throws
 */
export async function announce(registrar: Registrar, link: PeerLink): Promise<void> {
  const [connection] = link.connections
  if (connection === undefined) return
  link.isOwed = false
  for (const topology of topologies(registrar, connection)) await topology.onConnect?.(link.peer, connection)
}

/** One registered for several versions is told once. */
function topologies(registrar: Registrar, connection: Connection): Set<Topology> {
  const all = BITSWAP_PROTOCOLS.flatMap(protocol => registrar.getTopologies(protocol))
  return new Set(
    all.filter(topology => connection.limits === undefined || topology.notifyOnLimitedConnection === true)
  )
}
