import { type KadDHTInit, passthroughMapper } from '@libp2p/kad-dht'
import { ChildProgram } from '../../../src/cli/swarm/child-program.ts'
import type { Reachable } from './client.ts'

/** What all nodes of a DHT on 127.0.0.1 have in common: the public one has no room for such addresses. */
export const localDht: Readonly<KadDHTInit> = {
  protocol: '/bitswap-protection/kad/1.0.0',
  peerInfoMapper: passthroughMapper,
  // Queries wait for it.
  initialQuerySelfInterval: 100
}

/** How a server of a DHT shall be. */
export interface DhtPlan {
  /** Whether it speaks Bitswap too, and aborts each stream of it. */
  readonly isResetting?: boolean
  /** Addresses of those it connects to. */
  readonly neighbours?: readonly string[]
}

export interface DhtCommands {
  /** Comes first, and once. Answers where it can be dialled. */
  start(plan: DhtPlan): Reachable
}

/** A server of a DHT, in a process of its own. */
export class DhtPeer extends ChildProgram<DhtCommands> implements Reachable {
  readonly peerId: string = ''
  readonly multiaddr: string = ''

  static async start(plan: DhtPlan): Promise<DhtPeer> {
    const peer = new DhtPeer()
    try {
      return Object.assign(peer, await peer.call('start', plan))
    } catch (error) {
      await peer.kill()
      throw error
    }
  }

  private constructor() {
    super({
      name: 'The DHT peer',
      program: new URL('./dht-program.ts', import.meta.url),
      execArgv: ['--disable-warning=ExperimentalWarning']
    })
  }
}
