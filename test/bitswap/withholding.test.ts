import type { Stream } from '@libp2p/interface'
import { expect, test } from 'vitest'
import type { BitswapProtectionInit } from '../../src/bitswap/index.ts'
import { BITSWAP } from '../../src/bitswap/protocols.ts'
import { createManager } from './support/manager.ts'
import { blockOf, blocks, cidOf, have, NOTHING, type TestBlock, wants } from './support/messages.ts'
import { reader, settle } from './support/streams.ts'

const OPEN_WAIT_MS = 400

// What stock Bitswap gets to read of what peers send, on a node that fetches by getBlock.

/** A service that is started, on a node whose Bitswap notes what it gets to read; with a peer connected. */
async function create(init: BitswapProtectionInit = {}) {
  const created = createManager(init)
  const { manager, node, peer, connectKnown } = created
  manager.start()
  const read: Array<ReturnType<typeof reader>> = []
  await node.registrar.handle(BITSWAP, stream => {
    read.push(reader(stream))
  })
  const connection = await connectKnown()
  const join = (): void => {
    for (const { onConnect } of node.registrar.getTopologies(BITSWAP)) onConnect?.(peer, connection)
  }
  join()

  /** Has a block asked for, by getBlock; resolves when the peer was. */
  async function get(block: TestBlock): Promise<{ got: Promise<Uint8Array> }> {
    const got = manager.getBlock(block.cid)
    await settle()
    if (connection.openings.length > 0) {
      await connection.opening.open()
      connection.openings.length = 0
    }
    await settle()
    return { got }
  }

  /** The peer opens a stream, and sends all that on it, piece by piece; returns its end. */
  async function receive(...pieces: readonly Uint8Array[]): Promise<Stream> {
    const { theirs } = await node.receive(connection)
    for (const piece of pieces) {
      theirs.send(piece)
      await settle()
    }
    return theirs
  }

  /** Has a block asked for, by getBlock, and the peer send it; returns the message it sends. */
  async function fetchOne(): Promise<Uint8Array> {
    const block = await blockOf(1)
    const { got } = await get(block)
    await receive(blocks(block))
    expect(await got).toEqual(block.data)
    return blocks(block)
  }
  return { ...created, connection, join, get, receive, fetchOne, heard: () => read.map(({ bytes }) => bytes) }
}

function cut(bytes: Uint8Array, ...places: readonly number[]): Uint8Array[] {
  const ends = [...places, bytes.length]
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}

test('a block that getBlock asked for is nothing to it', async () => {
  const { heard, fetchOne } = await create()
  await fetchOne()
  expect(heard()).toEqual([NOTHING])
})

test.each([1, 2, 5, 12])('nor is one that comes in pieces, cut after byte %i', async place => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  await receive(...cut(blocks(block), place, place + 3))
  expect(await got).toEqual(block.data)
  expect(heard()).toEqual([NOTHING])
})

test('a stream goes on as it was, message by message', async () => {
  const { get, receive, heard } = await create()
  const [first, second] = [await blockOf(1), await blockOf(2)]
  const { got } = await get(first)
  const { got: gotSecond } = await get(second)
  await receive(wants([cidOf(1)]), blocks(first), have(cidOf(2)), blocks(second), wants([cidOf(3)]))
  expect(await got).toEqual(first.data)
  expect(await gotSecond).toEqual(second.data)
  const parts = [wants([cidOf(1)]), NOTHING, have(cidOf(2)), NOTHING, wants([cidOf(3)])]
  expect(heard()).toEqual([joined(...parts)])
})

test('what comes along with something else is passed on', async () => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  const sent = joined(blocks(block), wants([cidOf(1)]))
  await receive(sent)
  expect(await got).toEqual(block.data)
  expect(heard()).toEqual([sent])
})

test('a message of which a part was passed on is passed on', async () => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  const both = joined(wants([cidOf(1)]), blocks(block))
  // The first piece has the end of another message in it.
  await receive(...cut(both, wants([cidOf(1)]).length + 4))
  expect(await got).toEqual(block.data)
  expect(heard()).toEqual([both])
})

test('a wantlist that is all the peer wants is passed on', async () => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  // full: true, and no entry.
  const full = Uint8Array.of(4, 0x0a, 2, 0x10, 1)
  await receive(joined(full, blocks(block)))
  expect(await got).toEqual(block.data)
  expect(heard()).toEqual([joined(full, blocks(block))])
})

test('word of a block for others is passed on with a block that is not', async () => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  const sent = joined(blocks(block), have(cidOf(2)))
  await receive(sent)
  await got
  expect(heard()).toEqual([sent])
})

test('a message without blocks is passed on', async () => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  await receive(have(block.cid), blocks(block))
  await got
  expect(heard()).toEqual([joined(have(block.cid), NOTHING)])
})

test('a message that began before anybody fetched is passed on', async () => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const [first, second] = cut(blocks(block), 1)
  const theirs = await receive(first!)
  const { got } = await get(block)
  theirs.send(second!)
  expect(await got).toEqual(block.data)
  expect(heard()).toEqual([blocks(block)])
})

test('a message that is longer than can be read along is passed on', async () => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  // 5 MiB, and what it begins with: the tag of a block.
  const begun = Uint8Array.of(0x80, 0x80, 0xc0, 0x02, 0x1a)
  await receive(begun)
  expect(heard()).toEqual([begun])
  await receive(blocks(block))
  await got
})

test('what is no Bitswap is passed on, where it is not refused', async () => {
  const { get, receive, heard } = await create({ mode: 'observe' })
  const block = await blockOf(1)
  const { got } = await get(block)
  // A message of ten bytes that begins with a group, which Bitswap never had.
  const unreadable = Uint8Array.of(10, 0x1b)
  await receive(unreadable)
  expect(heard()).toEqual([unreadable])
  await receive(blocks(block))
  await got
})

test('blocks are passed on while nobody fetches', async () => {
  const { receive, heard } = await create()
  const sent = blocks(await blockOf(1))
  await receive(sent)
  expect(heard()).toEqual([sent])
})

test('a message that is cut off is passed on as far as it came', async () => {
  const { get, receive, heard } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  const [begun] = cut(blocks(block), 6)
  const theirs = await receive(begun!)
  expect(heard()).toEqual([new Uint8Array(0)])
  await theirs.close()
  await settle()
  expect(heard()).toEqual([begun])
  await receive(blocks(block))
  await got
})

test('once stock Bitswap has asked for anything, all is passed on', async () => {
  const { heard, ask, connection, fetchOne } = await create()
  await ask(connection, cidOf(7))
  const sent = await fetchOne()
  expect(heard()).toEqual([sent])
})

test('so it is if it asked within executeRequest', async () => {
  const { heard, ask, connection, manager, peer, fetchOne } = await create()
  await manager.executeRequest(peer, () => ask(connection, cidOf(7)))
  const sent = await fetchOne()
  expect(heard()).toEqual([sent])
})

test('so it is if what it asked for has not been sent yet', async () => {
  const { heard, connection, follow, advance, receive, manager } = await create()
  follow(connection.newStream(BITSWAP))
  await advance(OPEN_WAIT_MS)
  const block = await blockOf(1)
  const got = manager.getBlock(block.cid)
  await settle()
  await receive(blocks(block))
  expect(await got).toEqual(block.data)
  expect(heard()).toEqual([blocks(block)])
})

test('so it is if it may have asked while nobody looked on', async () => {
  const { heard, ask, connection, manager, fetchOne } = await create()
  manager.mode = 'off'
  await ask(connection, cidOf(7))
  manager.mode = 'enforce'
  const sent = await fetchOne()
  expect(heard()).toEqual([sent])
})

test('so it is if the service looked on only later', async () => {
  const { heard, ask, connection, manager, fetchOne } = await create({ mode: 'off' })
  await ask(connection, cidOf(7))
  manager.mode = 'enforce'
  const sent = await fetchOne()
  expect(heard()).toEqual([sent])
})

test('so it is once the service was stopped and started again', async () => {
  const { manager, heard, join, fetchOne } = await create()
  await manager.stop()
  manager.start()
  join()
  const sent = await fetchOne()
  expect(heard()).toEqual([sent])
})

test('what was held when nobody looks on any more is passed on', async () => {
  const { get, receive, heard, manager } = await create()
  const block = await blockOf(1)
  const { got } = await get(block)
  const [first, second] = cut(blocks(block), 4, 8)
  const theirs = await receive(first!)
  manager.mode = 'off'
  theirs.send(second!)
  await settle()
  expect(heard()).toEqual([joined(first!, second!)])
  got.catch(() => {})
})
