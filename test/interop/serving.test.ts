import { createHash } from 'node:crypto'
import { unixfs } from '@helia/unixfs'
import { describe, expect, test } from 'vitest'
import { makeBlocks, makeBytes } from '../../src/cli/swarm/blocks.ts'
import type { Mode } from '../../src/core/index.ts'
import { newBlocks } from '../integration/support/asking.ts'
import { Client } from '../integration/support/client.ts'
import { startBoxoPeers } from './support/boxo-peer.ts'
import { expectNoBlame } from './support/no-blame.ts'

const FILE_BYTES = 16 * 2 ** 20

const modes: readonly Mode[] = ['enforce', 'observe']

describe.each(modes)('in mode %s', mode => {
  test('a file of ours is read by two peers at once, which have connected to us', async () => {
    await using peers = await startBoxoPeers(2)
    await using client = await Client.start({
      isDropIn: true,
      protection: { mode },
      libp2p: { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } }
    })
    const bytes = makeBytes({ seed: 3, sizeBytes: FILE_BYTES })
    const cid = await unixfs(client.helia).addBytes(bytes)
    const [address] = client.libp2p.getMultiaddrs()
    await Promise.all(peers.all.map(peer => peer.connect(address!.toString())))
    const files = await Promise.all(peers.all.map(peer => peer.getFile(cid.toString())))
    const sha256 = createHash('sha256').update(bytes).digest('base64')
    for (const file of files) expect(file).toEqual({ sha256, sizeBytes: FILE_BYTES })
    expectNoBlame(client, ...peers.all)
  })

  test.each([
    { name: 'protectBitswap', isDropIn: true },
    { name: 'stock Helia', isDropIn: false }
  ])('with $name blocks of ours reach a peer while we fetch others from it', async ({ isDropIn }) => {
    await using peers = await startBoxoPeers(1)
    const [peer] = peers.all
    const ours = await makeBlocks({ seed: 10, count: 200, sizeBytes: 20_000 })
    const theirs = await makeBlocks({ seed: 11, count: 200, sizeBytes: 20_000 })
    await peer!.add(theirs)
    await using client = await Client.start({ isDropIn, protection: { mode } })
    for (const { cid, bytes } of ours) await client.helia.blockstore.put(cid, bytes)
    await client.connect(peer!)
    const [got] = await Promise.all([peer!.get(ours), client.getAll(theirs, 6)])
    for (const [index, { bytes }] of ours.entries()) expect(Buffer.compare(got[index]!, bytes)).toBe(0)
    expectNoBlame(client, peer!)
  })

  test('a peer that asks for what nobody has gets nothing, and is not blamed', async () => {
    await using peers = await startBoxoPeers(1)
    const [peer] = peers.all
    await using client = await Client.start({ isDropIn: true, protection: { mode } })
    await client.connect(peer!)
    const missing = await newBlocks(1)
    await expect(peer!.get(missing, 1_500)).rejects.toThrow('0 of 1 blocks came')
    expectNoBlame(client, peer!)
  })
})
