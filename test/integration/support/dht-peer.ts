import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type KadDHTInit, passthroughMapper } from '@libp2p/kad-dht'
import { killWithParent } from '../../../src/cli/swarm/child-guard.ts'
import type { Reachable } from './client.ts'

const program = fileURLToPath(new URL('./dht-program.ts', import.meta.url))

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

/** A server of a DHT, in a process of its own. */
export class DhtPeer implements AsyncDisposable, Reachable {
  readonly peerId: string
  readonly multiaddr: string
  readonly #child: ChildProcess

  static async start(plan: DhtPlan): Promise<DhtPeer> {
    const execArgv = ['--disable-warning=ExperimentalWarning']
    const child = fork(program, [JSON.stringify(plan)], { execArgv })
    killWithParent(child)
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`The DHT peer ended (${code})`)
    })
    const [address] = await Promise.race([once(child, 'message'), ended])
    return new DhtPeer(child, address)
  }

  private constructor(child: ChildProcess, { peerId, multiaddr }: Reachable) {
    this.#child = child
    this.peerId = peerId
    this.multiaddr = multiaddr
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
