import { ProtectionMetrics } from '../../../src/bitswap/protection-metrics.ts'
import { InvalidOptionError, type ManualClock, type Mode } from '../../../src/core/index.ts'
import type { ManagedBitswap, PeerSnapshot } from '../../../src/management/index.ts'
import { createProtection } from '../../support/deterministic-protection.ts'

/** A node as the server sees it, with the real core and no network. Peers are called `peer-…`. */
export function createNode() {
  const { protection, clock } = createProtection({ maxEjectedShare: 1 })
  const metrics = new ProtectionMetrics(undefined, () => protection.getOverallStatus())
  const connected = new Set<string>()
  const events = new EventTarget()
  // As the service tells them, with the peer as libp2p has it.
  protection.onEvent(detail =>
    events.dispatchEvent(new CustomEvent(detail.type, { detail: { ...detail, peer: {} } }))
  )
  const withLink = (status: ReturnType<typeof protection.getPeerStatus>): PeerSnapshot | undefined =>
    status && { ...status, isConnected: connected.has(status.key), openTimeMs: 7, pendingWants: 1 }
  const node: ManagedBitswap = {
    get mode(): Mode {
      return protection.mode
    },
    set mode(mode: Mode) {
      protection.mode = mode
    },
    getOverallStatus: () => ({ ...protection.getOverallStatus(), totals: metrics.totals() }),
    getPeerStatus: peer => withLink(protection.getPeerStatus(peer)),
    glances: () => protection.glances(),
    isConnected: peer => connected.has(peer),
    explain: peer => protection.explain(peer),
    isolate: peer => {
      if (!peer.startsWith('peer-')) throw new InvalidOptionError('peer', peer, 'a peer id')
      protection.isolate(peer)
    },
    release: peer => protection.release(peer),
    addEventListener: (type, listener) => events.addEventListener(type, listener as never),
    removeEventListener: (type, listener) => events.removeEventListener(type, listener as never)
  }
  return { node, protection, clock: clock as ManualClock, connected, metrics }
}
