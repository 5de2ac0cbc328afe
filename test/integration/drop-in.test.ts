import { unixfs } from '@helia/unixfs'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { describe, expect, test, vi } from 'vitest'
import { unprotectBitswap } from '../../src/bitswap/index.ts'
import { makeBlocks, makeBytes } from '../../src/cli/swarm/blocks.ts'
import { Client } from './support/client.ts'
import { frozen, TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** What stock Helia takes for each block while a peer it is connected to is frozen, in ms. */
const STOCK_MS = 10_000

const healthy = ['a', 'b', 'c']

const swarm = new TestSwarm([
  ...healthy.map(name => ({ name })),
  { name: 'mute', fault: 'mute' as const },
  { name: 'reset', fault: 'reset' as const },
  { name: 'frozen' }
])

function startDropIn(): Promise<Client> {
  return Client.start({ isDropIn: true })
}

describe('blocks', () => {
  test('are fetched from healthy peers, each from one of them', async () => {
    await using client = await startDropIn()
    await client.connect(...swarm.peers(...healthy))
    const blocks = await swarm.addBlocks(60, swarm.peers(...healthy))
    const sent = async (): Promise<number> => {
      const stats = await Promise.all(swarm.peers(...healthy).map(peer => peer.stats()))
      return stats.reduce((sum, { blocksSent }) => sum + blocksSent, 0)
    }
    const before = await sent()
    await client.getAll(blocks, 6)
    expect((await sent()) - before).toBeLessThanOrEqual(60 * 1.15)
    for (const peer of swarm.peers(...healthy)) {
      expect(client.status(peer)).toMatchObject({ circuitState: 'CLOSED', counts: { totalFailures: 0 } })
    }
  })

  test('are fetched although one peer is mute, one resets, and one is frozen', async () => {
    await using client = await startDropIn()
    const all = swarm.peers(...healthy, 'mute', 'reset', 'frozen')
    await client.connect(...all)
    const blocks = await swarm.addBlocks(60, swarm.peers(...healthy, 'mute', 'frozen'))
    using _ = frozen(swarm.peer('frozen'))
    const elapsedMs = await client.getAll(blocks, 6)
    expect(Math.max(...elapsedMs)).toBeLessThan(STOCK_MS / 4)
    for (const peer of swarm.peers(...healthy)) {
      expect(client.status(peer)).toMatchObject({ circuitState: 'CLOSED', counts: { totalFailures: 0 } })
    }
  })

  test('that one peer alone has are found', async () => {
    await using client = await startDropIn()
    await client.connect(...swarm.peers(...healthy))
    for (const name of healthy) {
      const blocks = await swarm.addBlocks(5, [swarm.peer(name)])
      await client.getAll(blocks, 2)
    }
  })

  test('are fetched in a session, from providers that are not connected yet', async () => {
    await using client = await startDropIn()
    const peer = swarm.peer('a')
    const [root, leaf] = await swarm.addBlocks(2, [peer])
    const session = client.helia.blockstore.createSession(root!.cid, {
      providers: [multiaddr(peer.multiaddr)]
    })
    for (const { cid, bytes } of [root!, leaf!]) {
      const parts: Uint8Array[] = []
      for await (const part of session.get(cid, { signal: AbortSignal.timeout(10_000) })) parts.push(part)
      expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0)
    }
    session.close()
  })

  test('nobody has are waited for until the caller gives up', async () => {
    await using client = await startDropIn()
    await client.connect(...swarm.peers(...healthy))
    const [block] = await swarm.addBlocks(1, [])
    const startedAt = performance.now()
    await expect(client.get(block!.cid, AbortSignal.timeout(500))).rejects.toThrow()
    expect(performance.now() - startedAt).toBeLessThan(700)
  })

  test('arrive as soon as a peer has them', async () => {
    await using client = await startDropIn()
    await client.connect(...swarm.peers(...healthy))
    const request = { seed: 1_000, count: 1, sizeBytes: 20_000 }
    const [block] = await makeBlocks(request)
    const got = client.get(block!.cid)
    await until(async () => (await swarm.peer('b').stats()).wants > 0, 'the peer is asked')
    await swarm.peer('b').addBlocks(request)
    expect(Buffer.compare(await got, block!.bytes)).toBe(0)
  })
})

test('a file is read by unixfs', async () => {
  await using client = await startDropIn()
  const peer = swarm.peer('a')
  await client.connect(peer, swarm.peer('b'))
  const request = { seed: 5, sizeBytes: 2_000_000, chunkBytes: 100_000 }
  const cid = await peer.addFile(request)
  const parts: Uint8Array[] = []
  for await (const part of unixfs(client.helia).cat(CID.parse(cid))) parts.push(part)
  expect(Buffer.compare(Buffer.concat(parts), makeBytes(request))).toBe(0)
})

test('whoever asks the node is still served by stock Bitswap', async () => {
  await using client = await startDropIn()
  expect(client.libp2p.getProtocols()).toContain('/ipfs/bitswap/1.2.0')
})

test('undone, the node fetches as stock Helia does', async () => {
  await using client = await startDropIn()
  await client.connect(...swarm.peers(...healthy))
  unprotectBitswap(client.helia)
  const [block] = await swarm.addBlocks(1, swarm.peers(...healthy))
  await client.getAll([block!], 1)
  // Stock Bitswap asks everybody.
  const asked = swarm.peers(...healthy).filter(peer => client.status(peer).counts.requests > 0)
  expect(asked).toHaveLength(healthy.length)
})
