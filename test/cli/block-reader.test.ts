import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import { type ArrivedBlock, BlockReader, type BlockSource } from '../../src/cli/block-reader.ts'
import { RateMeter } from '../../src/cli/rate-meter.ts'
import { Turns } from '../../src/cli/turns.ts'

async function cidOf(bytes: Uint8Array): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(bytes))
}

async function read(reader: BlockReader, cid: CID): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of reader.get(cid)) parts.push(part)
  return Buffer.concat(parts)
}

/** Gives a block when it is told to. */
class HeldSource implements BlockSource {
  readonly asked: string[] = []
  readonly #gates = new Map<string, PromiseWithResolvers<Uint8Array>>()

  async *get(cid: CID, { onProgress }: Parameters<BlockSource['get']>[1]): AsyncGenerator<Uint8Array> {
    this.asked.push(cid.toString())
    const block = await this.#gate(cid).promise
    onProgress({ type: 'bitswap:block', detail: { sender: 'a peer' } })
    yield block
  }

  give(cid: CID, block: Uint8Array): void {
    this.#gate(cid).resolve(block)
  }

  fail(cid: CID): void {
    this.#gate(cid).reject(new Error('gone'))
  }

  #gate(cid: CID): PromiseWithResolvers<Uint8Array> {
    const key = cid.toString()
    const gate = this.#gates.get(key) ?? Promise.withResolvers<Uint8Array>()
    this.#gates.set(key, gate)
    return gate
  }
}

const one = Uint8Array.of(1)
const two = Uint8Array.of(2)
const never = new AbortController().signal

describe('block reader', () => {
  test('asks once for a block that several want, at once or later', async () => {
    const source = new HeldSource()
    const arrived: ArrivedBlock[] = []
    const reader = new BlockReader(source, 4, never, block => arrived.push(block))
    const cid = await cidOf(one)
    const both = Promise.all([read(reader, cid), read(reader, cid)])
    source.give(cid, one)
    expect(await both).toEqual([Buffer.from(one), Buffer.from(one)])
    expect(await read(reader, cid)).toEqual(Buffer.from(one))
    expect(source.asked).toHaveLength(1)
    expect(arrived).toMatchObject([{ bytes: 1, sender: 'a peer' }])
  })

  test('asks again after a failure', async () => {
    const source = new HeldSource()
    const reader = new BlockReader(source, 4, never, () => {})
    const cid = await cidOf(one)
    source.fail(cid)
    await expect(read(reader, cid)).rejects.toThrow('gone')
    await expect(read(reader, cid)).rejects.toThrow('gone')
    expect(source.asked).toHaveLength(2)
  })

  test('asks for so many at a time, in order, also when they arrive together', async () => {
    const source = new HeldSource()
    const reader = new BlockReader(source, 2, never, () => {})
    const blocks = [one, two, Uint8Array.of(3), Uint8Array.of(4), Uint8Array.of(5)]
    const cids = await Promise.all(blocks.map(cidOf))
    const all = Promise.all(cids.map(cid => read(reader, cid)))
    const names = cids.map(String)
    await expect.poll(() => source.asked).toEqual(names.slice(0, 2))
    source.give(cids[0]!, blocks[0]!)
    source.give(cids[1]!, blocks[1]!)
    await expect.poll(() => source.asked).toEqual(names.slice(0, 4))
    for (const [index, cid] of cids.entries()) source.give(cid, blocks[index]!)
    expect((await all).map(block => block[0])).toEqual([1, 2, 3, 4, 5])
    expect(source.asked).toEqual(names)
  })

  test('forgets the longest unused when it holds too much', async () => {
    const source = new HeldSource()
    const reader = new BlockReader(source, 4, never, () => {})
    const large = [1, 2, 3].map(first => new Uint8Array(30 * 1024 * 1024).fill(first, 0, 1))
    const cids = await Promise.all(large.map(cidOf))
    for (const [index, cid] of cids.entries()) source.give(cid, large[index]!)
    await read(reader, cids[0]!)
    await read(reader, cids[1]!)
    await read(reader, cids[0]!)
    await read(reader, cids[2]!)
    source.asked.length = 0
    await read(reader, cids[0]!)
    expect(source.asked).toEqual([])
    await read(reader, cids[1]!)
    expect(source.asked).toEqual([cids[1]!.toString()])
  })
})

test('turns are given back by work that fails', async () => {
  const turns = new Turns(1)
  await expect(turns.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await turns.run(async () => 'next')).toBe('next')
})

describe('rate', () => {
  test('is that of the last five seconds', () => {
    const meter = new RateMeter(0)
    meter.add(1000, 1000)
    expect(meter.bytesPerSecond(1000)).toBe(1000)
    expect(meter.bytesPerSecond(4000)).toBe(250)
    expect(meter.bytesPerSecond(6000)).toBe(200)
    expect(meter.bytesPerSecond(6001)).toBe(0)
  })

  test('is none at the very start', () => {
    expect(new RateMeter(5).bytesPerSecond(5)).toBe(0)
  })
})
