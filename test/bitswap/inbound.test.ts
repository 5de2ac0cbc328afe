import type { Stream } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import type { InboundOptions } from '../../src/bitswap/inbound-guard.ts'
import { BitswapProtectionManager } from '../../src/bitswap/index.ts'
import { BITSWAP } from '../../src/bitswap/protocols.ts'
import { InvalidOptionError, type Mode } from '../../src/core/index.ts'
import { LateClock } from '../support/late-clock.ts'
import { createManager } from './support/manager.ts'
import { blockOf, blocks, cidOf, dontHave, have, wants } from './support/messages.ts'
import { FakeNode } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { reader, settle } from './support/streams.ts'

const REFUSALS = 'bitswap_protection_inbound_refusals_total'
const REASONS = ['streams', 'wants', 'bytes', 'unreadable']

/** A want costs 10 ms and 30 ms more as a miss, a stream 20 ms; a second's worth may come at once. */
const inbound: Partial<InboundOptions> = { wantsPerS: 100, missCost: 3, streamsPerS: 50, burstMs: 1_000 }

/** A service that is started, on a node whose Bitswap notes what it gets to read; with a peer connected. */
async function create(
  mode: Mode = 'enforce',
  given: Partial<InboundOptions> = {},
  protectedPeers: string[] = []
) {
  const created = createManager({ inbound: { ...inbound, ...given }, mode, protectedPeers })
  const { manager, node, metrics, connectKnown } = created
  manager.start()
  const read: Array<ReturnType<typeof reader>> = []
  await node.registrar.handle(BITSWAP, stream => {
    read.push(reader(stream))
  })
  const connection = await connectKnown()

  /** The peer opens a stream, sends all that on it, and closes it; returns our end. */
  async function receive(...sent: readonly Uint8Array[]): Promise<Stream> {
    const { ours, theirs } = await node.receive(connection)
    try {
      for (const bytes of sent) {
        theirs.send(bytes)
        await settle()
      }
      await theirs.close()
    } catch {
      // It was reset.
    }
    await settle()
    return ours
  }
  return {
    ...created,
    connection,
    read,
    receive,
    refusals: () => REASONS.map(reason => metrics.count(REFUSALS, reason))
  }
}

function cids(count: number, from = 0) {
  return Array.from({ length: count }, (_, index) => cidOf(from + index))
}

test('an option that is none is named', () => {
  expect(() => createManager({ inbound: { missCost: -1 } })).toThrow(InvalidOptionError)
  expect(() => createManager({ inbound: { missCost: -1 } })).toThrow('inbound.missCost')
  expect(() => createManager({ inbound: null as never })).toThrow('bitswapProtection.inbound')
})

test('wants within the budget reach the handler', async () => {
  const { receive, read, refusals } = await create()
  const list = wants(cids(20))
  expect((await receive(list)).status).not.toBe('aborted')
  expect(read.map(({ bytes }) => bytes)).toEqual([list])
  expect(refusals()).toEqual([0, 0, 0, 0])
})

test('what is too much does not reach it, nor what comes after', async () => {
  const { receive, read, node, refusals } = await create()
  const first = wants(cids(5))
  const stream = await receive(first, wants(cids(100)), wants(cids(1)))
  expect(stream.status).toBe('aborted')
  expect(read[0]!.bytes).toEqual(first)
  expect(read[0]!.closes.map(({ error }) => error?.name)).toEqual(['OverBudgetError'])
  expect(refusals()).toEqual([0, 1, 0, 0])
  expect(node.errors).toEqual([])
})

test('a stream that is refused is not even handled', async () => {
  const { receive, read, refusals } = await create()
  // What the peer's own stream took at first counts, too.
  while ((await receive()).status !== 'aborted') expect(read.length).toBeLessThanOrEqual(50)
  const handled = read.length
  await receive(wants(cids(1)))
  expect(read).toHaveLength(handled)
  expect(refusals()).toEqual([2, 0, 0, 0])
})

test('wants that are served leave room for more', async () => {
  const serve = async (answer: (number: number) => Promise<Uint8Array>) => {
    const { receive, connection, follow } = await create()
    for (let number = 0; number < 100; number++) {
      if ((await receive(wants([cidOf(number)]))).status === 'aborted') return number
      const opened = follow(connection.newStream(BITSWAP))
      await settle()
      await connection.opening.open()
      await settle()
      opened.stream!.send(await answer(number))
      await settle()
    }
    return 100
  }
  // A stream and a want are 30 ms, a miss is 30 ms more.
  expect(await serve(async number => blocks(await blockOf(number)))).toBe(32)
  expect(await serve(async number => have(cidOf(number)))).toBe(32)
  expect(await serve(async number => dontHave(cidOf(number)))).toBe(16)
})

test('blocks nobody waits for earn nothing', async () => {
  const { receive, connection, follow } = await create()
  await receive(wants(cids(10)))
  await receive(wants(cids(10), { cancel: true }))
  const opened = follow(connection.newStream(BITSWAP))
  await settle()
  await connection.opening.open()
  await settle()
  for (let number = 0; number < 50; number++) opened.stream!.send(blocks(await blockOf(number)))
  // 10 wants, 10 cancels, 10 misses and two streams are 540 ms.
  expect((await receive(wants(cids(12)))).status).toBe('aborted')
})

test('blocks nobody waits for do not count against what is asked later', async () => {
  const { receive, connection, follow, open } = await create()
  const opened = follow(connection.newStream(BITSWAP))
  await settle()
  await connection.opening.open()
  await settle()
  for (let number = 0; number < 5; number++) opened.stream!.send(blocks(await blockOf(number)))
  await receive(wants(cids(1)))
  await open()
  const answer = follow(connection.newStream(BITSWAP))
  await settle()
  expect(answer.error).toBe(undefined)
})

test.each([
  ['a block', async () => blocks(await blockOf(1))],
  ['word that it lacks it', async () => dontHave((await blockOf(1)).cid)]
])('%s that comes after too much, and is not read, is no answer', async (_, answer) => {
  const { receive, connection, ask, status } = await create()
  await ask(connection, (await blockOf(1)).cid)
  await receive(Uint8Array.of(...wants(cids(100)), ...(await answer())))
  expect(status()?.pendingWants).toBe(1)
})

test('bytes that come too fast do not reach the handler', async () => {
  const { receive, read, refusals } = await create('enforce', { bytesPerS: 1_024 })
  const list = wants(cids(30), { cancel: true })
  expect(list.length).toBeGreaterThan(1_024)
  expect((await receive(list)).status).toBe('aborted')
  expect(read[0]!.bytes).toHaveLength(0)
  expect(refusals()).toEqual([0, 0, 1, 0])
})

test('wants that were refused do not let streams through for their answers', async () => {
  const { receive, connection, follow, open } = await create()
  await receive(wants(cids(100)))
  await open()
  const opened = follow(connection.newStream(BITSWAP))
  await settle()
  expect(opened.error).toMatchObject({ name: 'CircuitOpenError' })
})

describe('a peer that has used up its budget', () => {
  async function createExhausted() {
    const created = await create()
    while ((await created.receive()).status !== 'aborted');
    return created
  }

  test('has its answers let in, and the wants they answer', async () => {
    const { receive, read, connection, ask, status } = await createExhausted()
    const answers = [await blockOf(1), await blockOf(2)]
    await ask(connection, ...answers.map(({ cid }) => cid))
    expect(status()?.pendingWants).toBe(2)
    for (const answer of answers) {
      expect((await receive(blocks(answer))).status).not.toBe('aborted')
      expect(read.at(-1)!.bytes).toEqual(blocks(answer))
    }
    expect(status()?.pendingWants).toBe(0)
    expect((await receive(blocks(answers[0]!))).status).toBe('aborted')
  })

  test('also those to wants of a call of our own, and those that say it lacks a block', async () => {
    const { manager, peer, receive, connection, follow } = await createExhausted()
    await manager.executeRequest(peer, async () => {
      const opened = follow(connection.newStream(BITSWAP))
      await settle()
      await connection.opening.open()
      await settle()
      opened.stream!.send(wants([cidOf(1)]))
    })
    expect((await receive(dontHave(cidOf(1)))).status).not.toBe('aborted')
    expect((await receive(dontHave(cidOf(1)))).status).toBe('aborted')
  })

  test('also an answer that is late, to a want that was taken back', async () => {
    const { receive, connection, follow } = await createExhausted()
    const opened = follow(connection.newStream(BITSWAP))
    await settle()
    await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1)]))
    opened.stream!.send(wants([cidOf(1)], { cancel: true }))
    expect((await receive(dontHave(cidOf(1)))).status).not.toBe('aborted')
    expect((await receive(dontHave(cidOf(1)))).status).toBe('aborted')
  })

  test('is refused still when it has left and come back', async () => {
    const { receive, connection, connectKnown, node } = await createExhausted()
    connection.lose()
    const other = await connectKnown()
    const { ours } = await node.receive(other)
    expect(ours.status).toBe('aborted')
    expect((await receive()).status).toBe('aborted')
  })

  test('owes no answers any more once it has left, even if it is still called', async () => {
    const { manager, peer, connection, follow, connectKnown, node } = await createExhausted()
    const call = manager.executeRequest(peer, async () => {
      const opened = follow(connection.newStream(BITSWAP))
      await settle()
      await connection.opening.open()
      await settle()
      opened.stream!.send(wants([cidOf(1)]))
      connection.lose()
      const other = await connectKnown()
      return (await node.receive(other)).ours.status
    })
    expect(await call).toBe('aborted')
  })

  test('gets in again when it has paid', async () => {
    const { receive, clock } = await createExhausted()
    clock.advance(60)
    expect((await receive(wants(cids(1)))).status).not.toBe('aborted')
  })

  test('is refused nothing once the mode is observe, or off', async () => {
    const { manager, receive, refusals } = await createExhausted()
    manager.mode = 'observe'
    expect((await receive(wants(cids(1)))).status).not.toBe('aborted')
    const counted = refusals()
    manager.mode = 'off'
    expect((await receive(wants(cids(1)))).status).not.toBe('aborted')
    expect(refusals()).toEqual(counted)
  })
})

test('in mode observe all reaches the handler, and what would be refused is counted', async () => {
  const { receive, read, refusals } = await create('observe')
  const lists = [wants(cids(100)), wants(cids(100))]
  for (const list of lists) await receive(list)
  await receive(new Uint8Array(100).fill(255))
  expect(read.map(({ bytes }) => bytes)).toEqual([...lists, new Uint8Array(100).fill(255)])
  expect(refusals().reduce((sum, refused) => sum + refused)).toBe(3)
})

test('in mode off all reaches the handler, and nothing is counted', async () => {
  const { receive, read, refusals } = await create('off')
  const list = wants(cids(100))
  for (let times = 0; times < 100; times++) await receive(list)
  expect(read.every(({ bytes }) => bytes.length === list.length)).toBe(true)
  expect(refusals()).toEqual([0, 0, 0, 0])
})

test('while the node lags, a peer gets less', async () => {
  const lists = async (lateMs: number) => {
    const node = new FakeNode()
    const clock = new LateClock()
    const manager = new BitswapProtectionManager(node, { inbound }, { clock, random: () => 0 })
    manager.start()
    await node.registrar.handle(BITSWAP, () => {})
    const connection = node.connect(peerOf(1))
    await node.receive(connection)
    clock.stall(lateMs)
    clock.advance(25)
    clock.advance(1_000)
    let count = 0
    while ((await node.receive(connection)).ours.status !== 'aborted') count++
    return count
  }
  expect(await lists(0)).toBe(50)
  expect(await lists(10_000)).toBe(4)
})

test('stopped, the service has no timer left', async () => {
  const { manager, clock, receive } = await create()
  await receive(wants(cids(1)))
  manager.stop()
  expect(clock.pendingTimers).toBe(0)
})

describe('what cannot be read', () => {
  test('is refused', async () => {
    const { receive, read, refusals } = await create()
    await receive(Uint8Array.of(2, 7, 7))
    expect(read.flatMap(({ bytes }) => [...bytes])).toEqual([])
    expect(refusals()).toEqual([0, 0, 0, 1])
  })

  test('only because it is long is left to whoever it is for', async () => {
    const { receive, refusals } = await create()
    // The length of a message of 8 MiB.
    const ours = await receive(Uint8Array.of(0x80, 0x80, 0x80, 0x04))
    expect(ours.status).not.toBe('aborted')
    expect(refusals()).toEqual([0, 0, 0, 0])
  })
})

describe('a peer that goes on although it is refused', () => {
  async function flooded(mode: Mode, protectedPeers: string[] = []) {
    const created = await create(mode, {}, protectedPeers)
    for (let list = 0; list < 12 && created.connection.status === 'open'; list++)
      await created.receive(wants(cids(1_000)))
    const { node, metrics, connection } = created
    const denied = await node.connectionGater.denyInboundEncryptedConnection?.(
      connection.remotePeer,
      connection as never
    )
    const disconnects = metrics.noted.get('bitswap_protection_inbound_disconnects_total')?.length ?? 0
    return { status: connection.status, isDenied: denied === true, disconnects }
  }

  test('is disconnected, and not let in again', async () => {
    expect(await flooded('enforce')).toEqual({ status: 'closed', isDenied: true, disconnects: 1 })
  })

  test('is only counted in mode observe', async () => {
    expect(await flooded('observe')).toEqual({ status: 'open', isDenied: false, disconnects: 0 })
  })

  test('stays connected if it is to be kept', async () => {
    const kept = [peerOf(1).toString()]
    expect(await flooded('enforce', kept)).toEqual({ status: 'open', isDenied: false, disconnects: 0 })
  })
})
