import { afterAll, beforeAll } from 'vitest'
import { type Block, makeBlocks } from '../../../src/cli/swarm/blocks.ts'
import { Swarm } from '../../../src/cli/swarm/swarm.ts'
import type { PeerPlan, SwarmPeer } from '../../../src/cli/swarm/swarm-peer.ts'

/** The peers of a test file, which run from before its first test until after its last. */
export class TestSwarm {
  #swarm: Swarm | undefined
  #seed = 0

  /** To be called at the top of a file. */
  constructor(plans: readonly PeerPlan[]) {
    beforeAll(async () => {
      this.#swarm = await Swarm.start(plans)
    })
    afterAll(() => this.#swarm?.[Symbol.asyncDispose]())
  }

  /** All of them, or those of the given names. */
  peers(...names: readonly string[]): readonly SwarmPeer[] {
    return names.length === 0 ? this.#swarm!.peers : names.map(name => this.#swarm!.peer(name))
  }

  peer(name: string): SwarmPeer {
    return this.#swarm!.peer(name)
  }

  /** Makes blocks nobody has seen before, and gives each of the peers all of them. */
  async addBlocks(count: number, holders: readonly SwarmPeer[]): Promise<Block[]> {
    const request = { seed: ++this.#seed, count, sizeBytes: 20_000 }
    await Promise.all(holders.map(holder => holder.addBlocks(request)))
    return makeBlocks(request)
  }
}

/** Stops a peer in its tracks until the end of the scope, or until it is thawed. */
export function frozen(peer: SwarmPeer): Disposable {
  peer.freeze()
  return { [Symbol.dispose]: () => peer.thaw() }
}
