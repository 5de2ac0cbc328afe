import { setTimeout as sleep } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { describe, expect, test } from 'vitest'
import { bitswapProtection } from '../../src/bitswap/index.ts'
import { type Block, makeBlocks } from '../../src/cli/swarm/blocks.ts'
import type { Mode } from '../../src/core/index.ts'
import { newBlocks } from '../integration/support/asking.ts'
import { Client, type ClientPlan } from '../integration/support/client.ts'
import { until } from '../integration/support/waiting.ts'
import { type Asked, type BoxoPeer, startBoxoPeers } from './support/boxo-peer.ts'
import { expectNoBlame } from './support/no-blame.ts'
import type { PeerFile } from './support/peer-process.ts'
import { readFile } from './support/reading.ts'

const MIB = 2 ** 20
const FILE_BYTES = 64 * MIB

/** Leaves of 256 KiB, the two nodes above them, and the root. */
const FILE_BLOCKS = 259

/** The longest a file may take; it takes 1 to 4 s. */
const FILE_LIMIT_MS = 30_000

/** What stock Helia takes for each block while a peer it is connected to is frozen, in ms. */
const STOCK_MS = 10_000

/** Longer than a CANCEL waits for something to go along with, in ms. */
const CANCEL_MS = 1_500

const modes: readonly Mode[] = ['off', 'observe', 'enforce']

const fetchers = [
  { name: 'protectBitswap', isDropIn: true },
  { name: 'stock Helia', isDropIn: false }
]

describe.each(fetchers)('with the service and $name', ({ isDropIn }) => {
  test('a file is read from one peer, which sends each block once', async () => {
    await using peers = await startBoxoPeers(1)
    const [peer] = peers.all
    const file = await peer!.addFile(1, FILE_BYTES)
    await using client = await Client.start({ isDropIn })
    await client.connect(peer!)
    const { totalMs } = await readFile(client, file)
    expect(totalMs).toBeLessThan(FILE_LIMIT_MS)
    // A peer counts what it sent when it is gone.
    await until(async () => (await blocksSent([peer!])) === FILE_BLOCKS, 'it sent each block once')
    expectNoBlame(client, peer!)
  })

  test('a peer that freezes holds nobody up for long', async () => {
    await using peers = await startBoxoPeers(2)
    const [well, frozen] = peers.all
    const blocks = await makeBlocks({ seed: 7, count: 60, sizeBytes: 20_000 })
    await Promise.all(peers.all.map(peer => peer.add(blocks)))
    await using client = await Client.start({ isDropIn })
    await client.connect(...peers.all)
    await client.getAll(blocks.slice(0, 30), 6)
    using _ = frozen!.freeze()
    const elapsedMs = await client.getAll(blocks.slice(30), 6)
    expect(Math.max(...elapsedMs)).toBeLessThan(STOCK_MS / 4)
    expectNoBlame(client, well!)
  })

  test('a block nobody has is answered by DONT_HAVE, and nobody is blamed', async () => {
    await using peers = await startBoxoPeers(2)
    await using client = await Client.start({ isDropIn })
    await client.connect(...peers.all)
    const [missing] = await newBlocks(1)
    // Longer than a peer has to answer.
    await expect(client.get(missing!.cid, AbortSignal.timeout(2_500))).rejects.toThrow()
    for (const peer of peers.all) {
      const { counts, pendingWants } = client.status(peer)
      expect({ answers: counts.totalSuccesses, pendingWants }).toEqual({ answers: 1, pendingWants: 0 })
    }
    expectNoBlame(client, ...peers.all)
  })

  test('a block that a peer gets only later is sent by then', async () => {
    await using peers = await startBoxoPeers(2)
    const [peer] = peers.all
    await using client = await Client.start({ isDropIn })
    await client.connect(...peers.all)
    const [block] = await newBlocks(1)
    const got = client.get(block!.cid, AbortSignal.timeout(STOCK_MS))
    await until(async () => (await peer!.stats()).messages > 0, 'the peer is asked')
    await peer!.add([block!])
    expect(Buffer.compare(await got, block!.bytes)).toBe(0)
    expectNoBlame(client, ...peers.all)
  })

  test('blocks of 2 MiB arrive, the largest there are', async () => {
    await using peers = await startBoxoPeers(1)
    const [peer] = peers.all
    const blocks = await makeBlocks({ seed: 9, count: 4, sizeBytes: 2 * MIB })
    await peer!.add(blocks)
    await using client = await Client.start({ isDropIn })
    await client.connect(peer!)
    await client.getAll(blocks, blocks.length)
    expectNoBlame(client, peer!)
  })
})

describe('with protectBitswap', () => {
  test('a file is read from three peers, about once in all', async () => {
    await using peers = await startBoxoPeers(3)
    const [file] = await addFileToAll(peers.all)
    await using client = await Client.start({ isDropIn: true })
    await client.connect(...peers.all)
    const { totalMs } = await readFile(client, file!)
    expect(totalMs).toBeLessThan(FILE_LIMIT_MS)
    expect(await blocksSent(peers.all)).toBeLessThanOrEqual(1.15 * FILE_BLOCKS)
    expectNoBlame(client, ...peers.all)
  })

  test('a file is read from three peers, one of which is frozen for a while, and one killed', async () => {
    await using peers = await startBoxoPeers(3)
    const [well, frozen, killed] = peers.all
    const [file] = await addFileToAll(peers.all)
    await using client = await Client.start({ isDropIn: true })
    await client.connect(...peers.all)
    const { totalMs, longestPauseMs } = await readFile(client, file!, [
      { afterBytes: FILE_BYTES / 8, happen: () => frozen!.freeze() },
      { afterBytes: FILE_BYTES / 4, happen: () => killed!.kill() },
      { afterBytes: FILE_BYTES / 2, happen: () => frozen!.thaw() }
    ])
    expect(totalMs).toBeLessThan(FILE_LIMIT_MS)
    expect(longestPauseMs).toBeLessThan(STOCK_MS / 2)
    expectNoBlame(client, well!)
  })

  test('the last peer that is left goes on alone, and the others stay frozen', async () => {
    await using peers = await startBoxoPeers(3)
    const [well, ...others] = peers.all
    const [before] = await addFileToAll(peers.all)
    const [meanwhile] = await addFileToAll(peers.all, { seed: 3 })
    await using client = await Client.start({ isDropIn: true })
    await client.connect(...peers.all)
    await readFile(client, before!)
    const sentBefore = await blocksSent([well!])
    // Not while a file is read: the rest of it may be there before any of it is read.
    for (const peer of others) peer.freeze()
    await Promise.all(others.map(peer => peer.standsStill()))
    const { longestPauseMs } = await readFile(client, meanwhile!)
    expect(longestPauseMs).toBeLessThan(STOCK_MS / 2)
    // A peer counts what it sent when it is gone.
    await until(async () => (await blocksSent([well!])) >= sentBefore + FILE_BLOCKS, 'it sent all of it')
    expectNoBlame(client, well!)
  })

  // Boxo keeps 1,024 wants of a peer in mind and drops the others, for which stock Helia then waits for ever.
  test('more blocks wanted at once than a peer keeps in mind arrive all the same', async () => {
    await using peers = await startBoxoPeers(1)
    const [peer] = peers.all
    const blocks = await newBlocks(2_000)
    await peer!.add(blocks)
    await using client = await Client.start({ isDropIn: true })
    await client.connect(peer!)
    await client.getAll(blocks, blocks.length)
    expectNoBlame(client, peer!)
  })

  test.each([
    { when: 'at once', afterMs: 0 },
    { when: 'after the CANCEL', afterMs: CANCEL_MS }
  ])('blocks that were taken back are sent when they are asked for again $when', async ({ afterMs }) => {
    await using peers = await startBoxoPeers(1)
    const [peer] = peers.all
    const blocks = await newBlocks(20)
    await peer!.add(blocks)
    await using client = await Client.start({ isDropIn: true })
    await client.connect(peer!)
    await client.getAll(blocks.slice(0, 1), 1)
    await askAndTakeBack(client, peer!, blocks.slice(1), afterMs)
    await client.getAll(blocks.slice(1), 6)
    expectNoBlame(client, peer!)
  })

  test('a block that a peer lacked is asked of it again by the next who wants it', async () => {
    await using peers = await startBoxoPeers(1)
    const [peer] = peers.all
    await using client = await Client.start({ isDropIn: true })
    await client.connect(peer!)
    const [block] = await newBlocks(1)
    await expect(client.get(block!.cid, AbortSignal.timeout(300))).rejects.toThrow()
    await sleep(CANCEL_MS)
    await peer!.add([block!])
    const got = await client.get(block!.cid, AbortSignal.timeout(6_000))
    expect(Buffer.compare(got, block!.bytes)).toBe(0)
    expectNoBlame(client, peer!)
  })
})

describe("Helia's own fetch is what it is without the service", () => {
  test.each([
    { name: 'one peer', count: 1 },
    { name: 'three peers', count: 3 }
  ])('from $name, in each mode', async ({ count }) => {
    const stock = await askedByHelia(count, { after: { protection: () => new EventTarget() } })
    for (const mode of modes) expect(await askedByHelia(count, { protection: { mode } })).toEqual(stock)
  })
})

test('a node without Helia gets blocks by itself, the same ones as often as it likes', async () => {
  await using peers = await startBoxoPeers(1)
  const [peer] = peers.all
  const blocks = await newBlocks(20)
  await peer!.add(blocks)
  const node = await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), protection: bitswapProtection() }
  })
  const { protection } = node.services
  const providers = [multiaddr(peer!.multiaddr)]
  try {
    for (const { cid, bytes } of [...blocks, ...blocks]) {
      const got = await protection.getBlock(cid, { providers, signal: AbortSignal.timeout(STOCK_MS) })
      expect(Buffer.compare(got, bytes)).toBe(0)
    }
    const [status] = protection.peers()
    expect(status).toMatchObject({ counts: { totalFailures: 0, totalSuccesses: 40 } })
    await until(async () => (await blocksSent([peer!])) === 40, 'it sent all that was asked of it')
  } finally {
    await node.stop()
  }
})

function addFileToAll(peers: readonly BoxoPeer[], { seed = 2 } = {}): Promise<PeerFile[]> {
  return Promise.all(peers.map(peer => peer.addFile(seed, FILE_BYTES)))
}

async function blocksSent(peers: readonly BoxoPeer[]): Promise<number> {
  const stats = await Promise.all(peers.map(peer => peer.stats()))
  return stats.reduce((sum, { blocksSent }) => sum + blocksSent, 0)
}

/** What each peer was asked for while Helia, left to itself, read a file that all of them have. */
async function askedByHelia(count: number, plan: ClientPlan): Promise<Asked[]> {
  await using peers = await startBoxoPeers(count)
  const [file] = await addFileToAll(peers.all)
  await using client = await Client.start(plan)
  await client.connect(...peers.all)
  await readFile(client, file!)
  const asked = () => Promise.all(peers.all.map(async peer => (await peer.stats()).asked))
  // Two may have sent all of it before the third has read its wants.
  const haveReadAll = async () => (await asked()).every(({ wantBlocks }) => wantBlocks >= FILE_BLOCKS)
  await until(haveReadAll, 'each has read its wants')
  return await asked()
}

/** Has a peer find wants and, after so long, their cancels when it looks at its input again. */
async function askAndTakeBack(
  client: Client,
  peer: BoxoPeer,
  blocks: readonly Block[],
  afterMs: number
): Promise<void> {
  using _ = peer.freeze()
  await peer.standsStill()
  const signal = AbortSignal.timeout(150)
  const got = await Promise.allSettled(blocks.map(({ cid }) => client.get(cid, signal)))
  expect(got.map(({ status }) => status)).toEqual(blocks.map(() => 'rejected'))
  await sleep(afterMs)
}
