import type { ProtectionEventType } from '../../core/index.ts'
import { protectionEventTypes } from '../../core/slot-events.ts'
import type { AuditLog } from './audit-log.ts'

/** Something that happened to a peer, as `BitswapProtectionManager` tells it. */
interface PeerEvent {
  readonly detail: { readonly type: string; readonly key: string }
}

/** Tells what happens to peers: `BitswapProtectionManager`. */
export interface PeerEvents {
  addEventListener(type: ProtectionEventType, listener: (event: PeerEvent) => void): void
  removeEventListener(type: ProtectionEventType, listener: (event: PeerEvent) => void): void
}

/** Tells what happens to endpoints: `SecureChannelPool` and `SecureChannel`. */
export interface EndpointEvents {
  onEvent(listener: (event: { readonly type: string; readonly endpoint: string }) => void): () => void
}

/** Who is listened to. */
export interface EventSources {
  readonly bitswap?: readonly PeerEvents[]
  readonly pools?: readonly EndpointEvents[]
  readonly channels?: readonly EndpointEvents[]
}

/** Told what happened, and to whom: with `peer` or `endpoint`, and what else is known. */
export type EventListener = (type: string, fields: object) => void

/** Listens to whatever happens to peers and endpoints; the function returned ends that. */
export function listenTo(
  { bitswap = [], pools = [], channels = [] }: EventSources,
  listener: EventListener
): () => void {
  const onPeerEvent = ({ detail: { type, key, ...rest } }: PeerEvent): void => {
    // In place of the peer id as libp2p has it.
    listener(type, { ...rest, peer: key })
  }
  for (const node of bitswap)
    for (const type of protectionEventTypes) node.addEventListener(type, onPeerEvent)
  const ends = [...pools, ...channels].map(endpoints =>
    endpoints.onEvent(({ type, ...rest }) => listener(type, rest))
  )
  return () => {
    for (const node of bitswap)
      for (const type of protectionEventTypes) node.removeEventListener(type, onPeerEvent)
    for (const end of ends) end()
  }
}

/** Writes down whatever happens to peers and endpoints; the function returned ends that. */
export function recordEvents(log: AuditLog, sources: EventSources): () => void {
  return listenTo(sources, (type, fields) => log.record(type, fields))
}
