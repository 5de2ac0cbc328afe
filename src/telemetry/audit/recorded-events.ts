import type { ProtectionEventType } from '../../core/index.ts'
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

const peerEventTypes: readonly ProtectionEventType[] = [
  'circuit:open',
  'circuit:half-open',
  'circuit:close',
  'recovery:start',
  'recovery:complete',
  'recovery:relapse',
  'health:change',
  'isolate',
  'release'
]

/** Writes down whatever happens to peers and endpoints; the function returned ends that. */
export function recordEvents(
  log: AuditLog,
  { bitswap = [], pools = [], channels = [] }: EventSources
): () => void {
  const onPeerEvent = ({ detail }: PeerEvent): void => {
    const { type, key, ...rest } = detail
    log.record(type, { peer: key, ...rest })
  }
  for (const node of bitswap) for (const type of peerEventTypes) node.addEventListener(type, onPeerEvent)
  const ends = [...pools, ...channels].map(endpoints =>
    endpoints.onEvent(({ type, ...rest }) => log.record(type, rest))
  )
  return () => {
    for (const node of bitswap) for (const type of peerEventTypes) node.removeEventListener(type, onPeerEvent)
    for (const end of ends) end()
  }
}
