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
 * @throws AggregateError of what topologies threw, after all were told
 */
export async function announce(registrar: Registrar, link: PeerLink): Promise<void> {
  if (link.connections.size === 0) return
  link.isOwed = false
  const told = await Promise.allSettled(
    Array.from(topologies(registrar), async topology => {
      const connection = connectionFor(topology, link.connections)
      if (connection !== undefined) await topology.onConnect?.(link.peer, connection)
    })
  )
  const errors = told.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} topologies failed`)
}

/** One registered for several versions is told once. */
function topologies(registrar: Registrar): Set<Topology> {
  return new Set(BITSWAP_PROTOCOLS.flatMap(protocol => registrar.getTopologies(protocol)))
}

/** Limited connections, over relays, are only shown to who asked for them: as the registrar does. */
function connectionFor(topology: Topology, connections: Iterable<Connection>): Connection | undefined {
  const [direct] = [...connections].filter(({ limits }) => limits === undefined)
  const [any] = connections
  return direct ?? (topology.notifyOnLimitedConnection === true ? any : undefined)
}
