import { setTimeout as sleep } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test, vi } from 'vitest'
import type { Block } from '../../src/cli/swarm/blocks.ts'
import { Client } from './support/client.ts'
import { frozen, TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** Longest a block may take, in ms. */
const LIMIT_MS = 10_000

/** More than streams may be being opened to one peer, and more than Helia sends messages at once. */
const MANY = 100

const swarm = new TestSwarm([{ name: 'only' }])

// A session of stock Helia gives a peer up for good that fails it once, and with it all that the peer alone has.
describe('a stock session with the only peer there is', () => {
  test('gets as many blocks at once as it likes', async () => {
    await using client = await Client.start()
    const { fetchAll } = await openSession(client)
    expect(await fetchAll(await swarm.addBlocks(MANY, [swarm.peer('only')]))).toBe(MANY)
    expect(refusals(client)).toBe(0)
  })

  test('loses nothing when the peer stands still for a while', async () => {
    await using client = await Client.start()
    const { fetchAll } = await openSession(client)
    const peer = swarm.peer('only')
    const [first, ...others] = await swarm.addBlocks(MANY, [peer])
    using _ = frozen(peer)
    const asked = fetchAll([first!])
    await until(() => client.isSuspect(peer), 'the frozen peer is suspected')
    const askedThen = fetchAll(others)
    await sleep(300)
    peer.thaw()
    expect((await asked) + (await askedThen)).toBe(MANY)
    expect(client.status(peer)).toMatchObject({ circuitState: 'CLOSED', trips: 0 })
    expect(refusals(client)).toBe(0)
  })
})

function refusals({ rejections }: Client): number {
  return Object.values(rejections).reduce((sum, count) => sum + count, 0)
}

async function openSession(client: Client) {
  const peer = swarm.peer('only')
  await client.connect(peer)
  const [root] = await swarm.addBlocks(1, [peer])
  const session = client.helia.blockstore.createSession(root!.cid, { providers: [multiaddr(peer.multiaddr)] })
  const fetch = async ({ cid, bytes }: Block): Promise<boolean> => {
    const parts: Uint8Array[] = []
    for await (const part of session.get(cid, { signal: AbortSignal.timeout(LIMIT_MS) })) parts.push(part)
    return Buffer.compare(Buffer.concat(parts), bytes) === 0
  }
  await fetch(root!)
  return {
    /** How many of the blocks come, all asked for at once. */
    fetchAll: async (blocks: readonly Block[]): Promise<number> => {
      const settled = await Promise.allSettled(blocks.map(fetch))
      return settled.filter(each => each.status === 'fulfilled' && each.value).length
    }
  }
}
