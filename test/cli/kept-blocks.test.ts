import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KeptBlocks } from '../../src/cli/serve/kept-blocks.ts'
import { blockOf, type TestBlock } from '../bitswap/support/messages.ts'

const BLOCKS = 12

let directory: string
let blocks: readonly TestBlock[]
let blockBytes: number

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kept-blocks-'))
  blocks = await Promise.all(Array.from({ length: BLOCKS }, (_, number) => blockOf(number)))
  blockBytes = blocks[0]!.data.length
})

afterEach(() => rm(directory, { recursive: true }))

/** With room for so many blocks. */
const open = (count: number): Promise<KeptBlocks> => KeptBlocks.open(directory, count * blockBytes)

async function put(kept: KeptBlocks, ...numbers: readonly number[]): Promise<void> {
  for (const number of numbers) await kept.put(blocks[number]!.cid, blocks[number]!.data)
}

async function read(kept: KeptBlocks, number: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of kept.get(blocks[number]!.cid)) parts.push(part)
  return Buffer.concat(parts)
}

/** Those that are there. */
async function numbersIn(kept: KeptBlocks): Promise<number[]> {
  const isKept = await Promise.all(blocks.map(({ cid }) => kept.has(cid)))
  return blocks.flatMap((_, number) => (isKept[number] ? [number] : []))
}

async function filesIn(): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).length
}

test('what was put is there, also for another one later', async () => {
  await put(await open(8), 0, 1)
  const kept = await open(8)
  expect(await numbersIn(kept)).toEqual([0, 1])
  expect(Buffer.from(await read(kept, 1))).toEqual(Buffer.from(blocks[1]!.data))
})

test('what is not there is not found', async () => {
  const kept = await open(8)
  await expect(read(kept, 0)).rejects.toMatchObject({ name: 'NotFoundError' })
})

test('a block in parts is one block', async () => {
  const kept = await open(8)
  const { cid, data } = blocks[0]!
  await kept.put(cid, [data.subarray(0, 5), data.subarray(5)])
  expect(Buffer.from(await read(kept, 0))).toEqual(Buffer.from(data))
})

describe('when there are too many', () => {
  test('the older half goes', async () => {
    const kept = await open(8)
    await put(kept, 0, 1, 2, 3, 4, 5, 6, 7)
    expect(await numbersIn(kept)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    await put(kept, 8)
    expect(await numbersIn(kept)).toEqual([4, 5, 6, 7, 8])
    expect(await filesIn()).toBe(5)
  })

  test('those stay that were read of late', async () => {
    const kept = await open(8)
    await put(kept, 0, 1, 2, 3, 4)
    await read(kept, 0)
    await put(kept, 5, 6, 7)
    expect(await numbersIn(kept)).toEqual([0, 4, 5, 6, 7])
  })

  test('it is known after a restart how many there are', async () => {
    await put(await open(8), 0, 1, 2, 3)
    const kept = await open(8)
    await put(kept, 4, 5, 6, 7, 8)
    expect(await numbersIn(kept)).toEqual([4, 5, 6, 7, 8])
  })

  test('a block that is put twice counts once', async () => {
    const kept = await open(8)
    await put(kept, 0, 0, 0, 0, 0, 1)
    await put(kept, 2, 3)
    expect(await filesIn()).toBe(4)
    expect(await readdir(directory)).toEqual(['young'])
  })

  test('all that is put and read at once is done, and no more is kept than is allowed', async () => {
    const kept = await open(4)
    await put(kept, 0, 1, 2)
    const all = [...blocks.keys()]
    await Promise.all([...all.map(number => put(kept, number)), read(kept, 2), read(kept, 1)])
    const left = await numbersIn(kept)
    expect(left.length).toBeGreaterThanOrEqual(2)
    expect(left.length).toBeLessThanOrEqual(4)
    for (const number of left)
      expect(Buffer.from(await read(kept, number))).toEqual(Buffer.from(blocks[number]!.data))
  })

  test('one that is larger than all that is allowed is kept until the next', async () => {
    const kept = await open(0.5)
    await put(kept, 0)
    expect(await numbersIn(kept)).toEqual([0])
    await put(kept, 1, 2)
    expect(await numbersIn(kept)).toEqual([1, 2])
  })
})

test('what is deleted is gone, be it old or young', async () => {
  const kept = await open(4)
  await put(kept, 0, 1, 2)
  for (const number of [0, 2, 5]) await kept.delete(blocks[number]!.cid)
  expect(await numbersIn(kept)).toEqual([1])
})

test('all are listed, old and young', async () => {
  const kept = await open(4)
  await put(kept, 0, 1, 2)
  const listed: string[] = []
  for await (const { cid } of kept.getAll()) listed.push(cid.multihash.digest.join())
  const digests = [0, 1, 2].map(number => blocks[number]!.cid.multihash.digest.join())
  expect(listed.sort()).toEqual(digests.sort())
})

test('what cannot be written is told, and the next is written', async () => {
  const kept = await open(8)
  await rm(directory, { recursive: true })
  await writeFile(directory, 'a file')
  await expect(put(kept, 0)).rejects.toMatchObject({ name: 'PutFailedError' })
  await rm(directory)
  await put(kept, 1)
  expect(await numbersIn(kept)).toEqual([1])
})

test('what is there can be read though nothing can be written', async () => {
  const kept = await open(4)
  await put(kept, 0, 1, 2)
  await rm(join(directory, 'young'), { recursive: true })
  await writeFile(join(directory, 'young'), 'a file')
  expect(Buffer.from(await read(kept, 0))).toEqual(Buffer.from(blocks[0]!.data))
})
