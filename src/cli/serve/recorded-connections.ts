import type { Connection, Libp2p } from '@libp2p/interface'
import type { AuditLog } from '../../telemetry/index.ts'

/** Writes down each connection to a peer: that it stands, and that it does not any more. The function returned ends that. */
export function recordConnections(log: AuditLog, libp2p: Libp2p): () => void {
  const ends = (['connection:open', 'connection:close'] as const).map(type => {
    const onEvent = ({ detail }: CustomEvent<Connection>): void => {
      const { id, remotePeer, remoteAddr, direction } = detail
      log.record(type, { connectionId: id, peer: `${remotePeer}`, address: `${remoteAddr}`, direction })
    }
    libp2p.addEventListener(type, onEvent)
    return () => libp2p.removeEventListener(type, onEvent)
  })
  return () => {
    for (const end of ends) end()
  }
}
