import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { expect, test } from 'vitest'
import { BLOCK_BYTES, NumberedBlocks } from '../../../benchmarks/stream/numbered-blocks.ts'
import { NumberedBlockstore } from '../../../benchmarks/stream/numbered-blockstore.ts'

const blocks = new NumberedBlocks(1)

test('a block is its own, and the same each time', () => {
  expect(blocks.make(7)).toHaveLength(BLOCK_BYTES)
  expect(blocks.isBlock(blocks.make(7), 7)).toBe(true)
  expect(blocks.isBlock(blocks.make(7), 8)).toBe(false)
  expect(Buffer.compare(blocks.make(7), new NumberedBlocks(1).make(7))).toBe(0)
  expect(new NumberedBlocks(2).isBlock(blocks.make(7), 7)).toBe(false)
})

test('a block is known wherever in a buffer it is, and not if a byte is wrong or missing', () => {
  const padded = new Uint8Array(BLOCK_BYTES + 3)
  padded.set(blocks.make(7), 3)
  const bytes = padded.subarray(3)
  expect(blocks.isBlock(bytes, 7)).toBe(true)
  expect(blocks.isBlock(bytes.subarray(0, -1), 7)).toBe(false)
  bytes[BLOCK_BYTES - 1]! ^= 1
  expect(blocks.isBlock(bytes, 7)).toBe(false)
})

test('the blockstore has the blocks by their names, and no others', async () => {
  const names = await blocks.name(3)
  const cids = names.map(name => CID.parse(name))
  const store = new NumberedBlockstore(blocks, names.slice(0, 2))
  expect(cids.map(cid => store.has(cid))).toEqual([true, true, false])
  expect(() => [...store.get(cids[2]!)]).toThrow('is not one of the blocks')
  const [bytes] = [...store.get(cids[1]!)]
  expect(blocks.isBlock(bytes!, 1)).toBe(true)
  expect((await sha256.digest(bytes!)).digest).toEqual(cids[1]!.multihash.digest)
})
