import { type Block, makeBlocks } from '../../../src/cli/swarm/blocks.ts'
import type { Client, Reachable } from './client.ts'
import { until } from './waiting.ts'

let seed = 0

/** Makes blocks nobody has seen before. */
export async function newBlocks(count: number): Promise<Block[]> {
  return makeBlocks({ seed: ++seed, count, sizeBytes: 1_000 })
}

/** Has a peer that resets whatever its Bitswap is sent asked for blocks until its circuit opens, as it must. */
export async function askUntilOpen(client: Client, peer: Reachable): Promise<void> {
  for (const { cid } of await newBlocks(10)) {
    if (client.events(peer).includes('circuit:open')) break
    await client.get(cid, AbortSignal.timeout(100)).catch(() => {})
  }
  await until(() => client.events(peer).includes('circuit:open'), 'the circuit opens')
}
