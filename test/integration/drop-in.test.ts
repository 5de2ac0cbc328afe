import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { describe, expect, test, vi } from 'vitest'
import { bitswapProtection, protectBitswap, unprotectBitswap } from '../../src/bitswap/index.ts'
import { makeBlocks, makeBytes } from '../../src/cli/swarm/blocks.ts'
import { Swarm } from '../../src/cli/swarm/swarm.ts'
import type { SwarmPeer } from '../../src/cli/swarm/swarm-peer.ts'
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
    // Before anybody is known, a few are asked of two.
    const count = 100
    const blocks = await swarm.addBlocks(count, swarm.peers(...healthy))
    const sent = async (): Promise<number> => {
      const stats = await Promise.all(swarm.peers(...healthy).map(peer => peer.stats()))
      return stats.reduce((sum, { blocksSent }) => sum + blocksSent, 0)
    }
    const before = await sent()
    await client.getAll(blocks, 6)
    expect((await sent()) - before).toBeLessThanOrEqual(count * 1.15)
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

  test('are fetched in a session on and on, though its connections are lost meanwhile', async () => {
    await using client = await startDropIn()
    const peer = swarm.peer('a')
    const [root, next, last] = await swarm.addBlocks(3, [peer])
    const session = client.helia.blockstore.createSession(root!.cid, {
      providers: [multiaddr(peer.multiaddr)]
    })
    const get = async (cid: CID): Promise<void> => {
      for await (const _ of session.get(cid, { signal: AbortSignal.timeout(10_000) })) {
      }
    }
    await get(root!.cid)
    await client.libp2p.hangUp(peerIdFromString(peer.peerId))
    await get(next!.cid)
    peer.freeze()
    const got = get(last!.cid)
    await client.libp2p.hangUp(peerIdFromString(peer.peerId))
    peer.thaw()
    await got
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

describe('while blocks are being fetched', () => {
  test.each<[string, (peer: SwarmPeer) => unknown]>([
    ['frozen', peer => peer.freeze()],
    ['killed', peer => peer.kill()]
  ])('a peer may be %s, and nobody waits for it', async (_, befall) => {
    await using others = await Swarm.start([{ name: 'victim' }, { name: 'well' }])
    await using client = await startDropIn()
    await client.connect(...others.peers)
    const request = { seed: 2_000, count: 100, sizeBytes: 20_000 }
    await Promise.all(others.peers.map(peer => peer.addBlocks(request)))
    const blocks = await makeBlocks(request)
    await client.getAll(blocks.slice(0, 30), 6)
    const rest = client.getAll(blocks.slice(30), 6)
    await befall(others.peer('victim'))
    expect(Math.max(...(await rest))).toBeLessThan(STOCK_MS / 4)
    expect(client.status(others.peer('well'))).toMatchObject({ counts: { totalFailures: 0 } })
  })
})

test('a node without Helia gets blocks by itself, and gives back the protocol when it stops', async () => {
  const peer = swarm.peer('a')
  const [block] = await swarm.addBlocks(1, [peer])
  const node = await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), protection: bitswapProtection() }
  })
  try {
    const { protection } = node.services
    const signal = AbortSignal.timeout(10_000)
    const got = await protection.getBlock(block!.cid, { providers: [multiaddr(peer.multiaddr)], signal })
    expect(Buffer.compare(got, block!.bytes)).toBe(0)
    expect(node.getProtocols()).toContain('/ipfs/bitswap/1.2.0')
  } finally {
    await node.stop()
  }
  expect(node.getProtocols()).not.toContain('/ipfs/bitswap/1.2.0')
})

test('in mode off the node fetches as stock Helia does', async () => {
  await using client = await Client.start({ isDropIn: true, protection: { mode: 'off' } })
  await client.connect(...swarm.peers(...healthy))
  const blocks = await swarm.addBlocks(5, swarm.peers(...healthy))
  await client.getAll(blocks, 2)
  expect([...client.protection.peers()].flatMap(({ counts }) => counts.requests)).toEqual([])
})

test('a Helia node without the service says what is missing', async () => {
  const helia = protectBitswap(
    withBitswap(
      withLibp2pLight(createHeliaLight(), {
        addresses: { listen: [] },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        services: { identify: identify() }
      })
    )
  )
  await expect(helia.start()).rejects.toMatchObject({ name: 'ProtectionMissingError' })
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

test('a file is pinned, which fetches all of it', async () => {
  await using client = await startDropIn()
  const peer = swarm.peer('a')
  await client.connect(peer)
  const root = CID.parse(await peer.addFile({ seed: 6, sizeBytes: 1_000_000, chunkBytes: 100_000 }))
  const pinned: CID[] = []
  for await (const cid of client.helia.pins.add(root, { signal: AbortSignal.timeout(10_000) }))
    pinned.push(cid)
  expect(pinned).toHaveLength(11)
  expect(await client.helia.pins.isPinned(root)).toBe(true)
  for (const cid of pinned) expect(await client.helia.blockstore.has(cid)).toBe(true)
})

test('what happens is told as by stock Helia', async () => {
  const peer = swarm.peer('a')
  const told = async (client: Client): Promise<string[]> => {
    const [block] = await swarm.addBlocks(1, [peer])
    const types: string[] = []
    const options = {
      providers: [multiaddr(peer.multiaddr)],
      signal: AbortSignal.timeout(10_000),
      onProgress: ({ type }: { type: string }) => types.push(type)
    }
    for await (const _ of client.helia.blockstore.get(block!.cid, options)) {
    }
    return types
  }
  await using client = await startDropIn()
  await using stock = await Client.start()
  const types = await told(client)
  expect(types.filter(type => /^(bitswap|helia|connection):/.test(type))).toEqual([
    'bitswap:dial',
    'connection:open',
    'connection:opened',
    'helia:block-broker:connected',
    'bitswap:send-wantlist',
    'helia:block-broker:request-block',
    'bitswap:block',
    'helia:block-broker:receive-block'
  ])
  expect(await told(stock)).toEqual(expect.arrayContaining(types))
})

test('a peer that serves well is tagged for the connection pruner', async () => {
  await using client = await startDropIn()
  const peer = swarm.peer('c')
  await client.connect(peer)
  await client.getAll(await swarm.addBlocks(30, [peer]), 3)
  const { tags } = await client.libp2p.peerStore.get(peerIdFromString(peer.peerId))
  expect(tags.get('bitswap-protection')?.value).toBe(50)
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
