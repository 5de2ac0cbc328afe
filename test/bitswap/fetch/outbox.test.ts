import { type Stream, StreamCloseEvent, StreamResetError } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { Outbox } from '../../../src/bitswap/fetch/outbox.ts'
import type { WantLine } from '../../../src/bitswap/fetch/want-message.ts'
import { MessageReader } from '../../../src/bitswap/message-reader.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { settlePromises } from '../../support/drive.ts'
import { cidOf } from '../support/messages.ts'
import { openPair, reader, settle } from '../support/streams.ts'
import { FakeStream } from './support/fake-stream.ts'

const IDLE_MS = 3_000
const LATER_MS = 1_000
const MAX_LINES = 512

/** An outbox whose streams open when they are asked for, unless a test has it otherwise. */
function createOutbox() {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const streams: FakeStream[] = []
  const broken: unknown[] = []
  const handlers = {
    open: async (): Promise<Stream> => {
      const fake = new FakeStream()
      streams.push(fake)
      return fake.stream
    },
    onBroken: (error: unknown): void => {
      broken.push(error)
    }
  }
  const outbox = new Outbox(deadlines, {
    open: () => handlers.open(),
    onBroken: error => handlers.onBroken(error)
  })
  return {
    outbox,
    clock,
    deadlines,
    streams,
    broken,
    handlers,
    /** What went over a stream, such as `want 1`, by message. */
    sent: (index = 0): string[][] =>
      streams[index]!.messages.map(lines => lines.map(({ word, cid }) => `${word} ${numberOf(cid)}`)),
    say: (type: WantLine['type'], ...numbers: readonly number[]): void => {
      for (const number of numbers) outbox.push({ cid: cidOf(number), type })
    }
  }
}

function numberOf(cid: Uint8Array): number {
  const { digest } = CID.decode(cid).multihash
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0)
}

describe('what is said', () => {
  test('in the same turn goes in one message', async () => {
    const { outbox, say, sent } = createOutbox()
    say('BLOCK', 1)
    say('HAVE', 2)
    outbox.push({ cid: cidOf(3), type: 'CANCEL' })
    await settlePromises()
    expect(sent()).toEqual([['want 1', 'have? 2', 'cancel 3']])
  })

  test('while the stream is being opened comes along', async () => {
    const { say, sent, handlers } = createOutbox()
    const { open } = handlers
    const opening = Promise.withResolvers<void>()
    handlers.open = () => opening.promise.then(open)
    say('BLOCK', 1)
    await settlePromises()
    say('BLOCK', 2)
    opening.resolve()
    await settlePromises()
    expect(sent()).toEqual([['want 1', 'want 2']])
  })

  test('while the stream takes no more waits until it does', async () => {
    const { say, sent, streams, handlers } = createOutbox()
    const { open } = handlers
    handlers.open = async () => {
      const stream = await open()
      streams[0]!.isFull = true
      return stream
    }
    say('BLOCK', 1)
    await settlePromises()
    say('BLOCK', 2)
    say('BLOCK', 3)
    await settlePromises()
    expect(sent()).toEqual([['want 1']])
    streams[0]!.drain()
    await settlePromises()
    expect(sent()).toEqual([['want 1'], ['want 2', 'want 3']])
  })

  test(`goes in messages of ${MAX_LINES} lines at most`, async () => {
    const { say, sent } = createOutbox()
    say('BLOCK', ...Array.from({ length: 2 * MAX_LINES + 1 }, (_, number) => number))
    await settlePromises()
    expect(sent().map(lines => lines.length)).toEqual([MAX_LINES, MAX_LINES, 1])
    expect(sent().flat().at(-1)).toBe(`want ${2 * MAX_LINES}`)
  })

  test('twice of one block goes in two messages, in order', async () => {
    const { outbox, sent } = createOutbox()
    const cid = cidOf(1)
    outbox.push({ cid, type: 'CANCEL' })
    outbox.push({ cid: cidOf(2), type: 'BLOCK' })
    outbox.push({ cid, type: 'BLOCK' })
    outbox.push({ cid: cidOf(3), type: 'BLOCK' })
    await settlePromises()
    expect(sent()).toEqual([
      ['cancel 1', 'want 2'],
      ['want 1', 'want 3']
    ])
  })

  test('twice of one block goes in two messages, though the CIDs are not the same object', async () => {
    const { say, sent } = createOutbox()
    say('CANCEL', 1)
    say('BLOCK', 1)
    await settlePromises()
    expect(sent()).toEqual([['cancel 1'], ['want 1']])
  })

  test('twice of one block goes in two messages, though the CIDs are of two versions', async () => {
    const { outbox, streams } = createOutbox()
    const { multihash } = cidOf(1)
    outbox.push({ cid: CID.createV0(multihash as never), type: 'CANCEL' })
    outbox.push({ cid: CID.createV1(0x70, multihash), type: 'BLOCK' })
    await settlePromises()
    expect(streams[0]!.messages.map(lines => lines.map(({ word }) => word))).toEqual([['cancel'], ['want']])
  })
})

describe('what is in no hurry', () => {
  const later = (outbox: Outbox, number: number): void =>
    outbox.pushLater({ cid: cidOf(number), type: 'CANCEL' })

  test('goes along with what is said next', async () => {
    const { outbox, say, sent, deadlines } = createOutbox()
    later(outbox, 1)
    later(outbox, 2)
    await settlePromises()
    expect(deadlines.size).toBe(1)
    say('BLOCK', 3)
    await settlePromises()
    expect(sent()).toEqual([['cancel 1', 'cancel 2', 'want 3']])
    // That of the stream, which is idle now.
    expect(deadlines.size).toBe(1)
  })

  test('goes alone after a second', async () => {
    const { outbox, clock, sent, streams } = createOutbox()
    later(outbox, 1)
    clock.advance(LATER_MS - 1)
    later(outbox, 2)
    await settlePromises()
    expect(streams).toEqual([])
    clock.advance(26)
    await settlePromises()
    expect(sent()).toEqual([['cancel 1', 'cancel 2']])
  })

  test('goes along with what is being sent', async () => {
    const { outbox, say, sent, deadlines } = createOutbox()
    say('BLOCK', 1)
    later(outbox, 2)
    await settlePromises()
    expect(sent()).toEqual([['want 1', 'cancel 2']])
    expect(deadlines.size).toBe(1)
  })

  test('is dropped when the outbox is closed', async () => {
    const { outbox, clock, streams, deadlines } = createOutbox()
    later(outbox, 1)
    outbox.close()
    expect(deadlines.size).toBe(0)
    clock.advance(2 * LATER_MS)
    await settlePromises()
    expect(streams).toEqual([])
  })
})

describe('the stream', () => {
  test('is kept for what comes next, and read from by nobody', async () => {
    const { say, sent, streams } = createOutbox()
    say('BLOCK', 1)
    await settlePromises()
    say('BLOCK', 2)
    await settlePromises()
    expect(streams).toHaveLength(1)
    expect(sent()).toEqual([['want 1'], ['want 2']])
    expect(streams[0]!.isReadClosed).toBe(true)
    expect(streams[0]!.status).toBe('open')
  })

  test('is closed when it was not used for three seconds; the next message opens another', async () => {
    const { say, sent, streams, clock, deadlines, broken } = createOutbox()
    say('BLOCK', 1)
    await settlePromises()
    clock.advance(IDLE_MS - 100)
    say('BLOCK', 2)
    await settlePromises()
    clock.advance(IDLE_MS - 100)
    expect(streams[0]!.status).toBe('open')
    clock.advance(200)
    expect(streams[0]!.status).toBe('closed')
    expect(deadlines.size).toBe(0)
    say('BLOCK', 3)
    await settlePromises()
    expect(sent(1)).toEqual([['want 3']])
    expect(broken).toEqual([])
  })

  test('is aborted when it does not close', async () => {
    const { say, streams, clock } = createOutbox()
    say('BLOCK', 1)
    await settlePromises()
    streams[0]!.closeError = new Error('no')
    clock.advance(IDLE_MS + 50)
    await settlePromises()
    expect(streams[0]!.status).toBe('aborted')
  })

  test('that the peer has ended is not written to again', async () => {
    const { say, sent, streams, broken } = createOutbox()
    say('BLOCK', 1)
    await settlePromises()
    await streams[0]!.close()
    say('BLOCK', 2)
    await settlePromises()
    expect(sent(1)).toEqual([['want 2']])
    expect(broken).toEqual([])
  })

  test.each([{ writeStatus: 'closed' }, { status: 'closed' }] as const)(
    'that is %o is replaced',
    async how => {
      const { say, sent, streams } = createOutbox()
      say('BLOCK', 1)
      await settlePromises()
      Object.assign(streams[0]!, how)
      say('BLOCK', 2)
      await settlePromises()
      expect(sent(1)).toEqual([['want 2']])
    }
  )

  test('is idle once: however much was said, one deadline waits', async () => {
    const { say, deadlines } = createOutbox()
    for (let number = 0; number < 5; number++) {
      say('BLOCK', number)
      await settlePromises()
    }
    expect(deadlines.size).toBe(1)
  })
})

describe('trouble', () => {
  test('of a stream that does not open is told once, and what was to be said is dropped', async () => {
    const { say, sent, streams, broken, handlers, deadlines } = createOutbox()
    const { open } = handlers
    const error = new Error('no stream')
    handlers.open = () => Promise.reject(error)
    say('BLOCK', 1, 2)
    await settlePromises()
    expect(broken).toEqual([error])
    expect(deadlines.size).toBe(0)
    handlers.open = open
    say('BLOCK', 3)
    await settlePromises()
    expect(streams).toHaveLength(1)
    expect(sent()).toEqual([['want 3']])
  })

  test('is told, and what is said upon that goes out', async () => {
    const { say, sent, handlers } = createOutbox()
    const { open } = handlers
    handlers.open = () => Promise.reject(new Error('no stream'))
    handlers.onBroken = () => {
      handlers.open = open
      say('BLOCK', 2)
    }
    say('BLOCK', 1)
    await settlePromises()
    expect(sent()).toEqual([['want 2']])
  })

  test('of a stream that the peer resets is told, and the next message opens another', async () => {
    const { say, sent, streams, broken, deadlines } = createOutbox()
    say('BLOCK', 1)
    await settlePromises()
    streams[0]!.reset()
    expect(broken).toEqual([expect.any(StreamResetError)])
    expect(deadlines.size).toBe(0)
    say('BLOCK', 2)
    await settlePromises()
    expect(sent(1)).toEqual([['want 2']])
    expect(broken).toHaveLength(1)
  })

  test('of a stream that is reset while it takes no more is told once, and what is said upon that goes out', async () => {
    const { say, sent, streams, handlers, broken } = createOutbox()
    const { open } = handlers
    handlers.open = async () => {
      const stream = await open()
      streams[0]!.isFull = true
      return stream
    }
    say('BLOCK', 1)
    await settlePromises()
    handlers.open = open
    handlers.onBroken = error => {
      broken.push(error)
      say('BLOCK', 2)
    }
    streams[0]!.reset()
    await settlePromises()
    expect(broken).toEqual([expect.any(StreamResetError)])
    expect(sent(1)).toEqual([['want 2']])
  })

  test('of a stream that ends while it takes no more is told, as what was said is lost', async () => {
    const { say, sent, streams, handlers, broken } = createOutbox()
    const { open } = handlers
    handlers.open = async () => {
      const stream = await open()
      streams[0]!.isFull = true
      return stream
    }
    say('BLOCK', 1)
    await settlePromises()
    handlers.open = open
    await streams[0]!.close()
    await settlePromises()
    expect(broken).toEqual([new Error('closed')])
    say('BLOCK', 2)
    await settlePromises()
    expect(sent(1)).toEqual([['want 2']])
  })

  test('of a stream that is closed here, or aborted here, is no trouble', async () => {
    const { say, streams, broken } = createOutbox()
    say('BLOCK', 1)
    await settlePromises()
    streams[0]!.abort(new Error('ours'))
    say('BLOCK', 2)
    await settlePromises()
    // The peer has ended it in an orderly way.
    streams[1]!.dispatchEvent(new StreamCloseEvent(false))
    say('BLOCK', 3)
    await settlePromises()
    await streams[2]!.close()
    expect(broken).toEqual([])
  })

  test('of an old stream is told, and leaves the new one alone', async () => {
    const { say, streams, broken } = createOutbox()
    say('BLOCK', 1)
    await settlePromises()
    streams[0]!.writeStatus = 'closed'
    say('BLOCK', 2)
    await settlePromises()
    streams[0]!.reset()
    expect(broken).toHaveLength(1)
    expect(streams[1]!.status).toBe('open')
    say('BLOCK', 3)
    await settlePromises()
    expect(streams).toHaveLength(2)
  })

  test('of a stream whose reading does not end is told', async () => {
    const { say, broken, handlers, streams, deadlines } = createOutbox()
    const { open } = handlers
    const error = new Error('cannot be closed')
    handlers.open = async () => {
      const stream = await open()
      streams[0]!.closeRead = () => Promise.reject(error)
      return stream
    }
    say('BLOCK', 1)
    await settlePromises()
    expect(broken).toEqual([error])
    expect(streams[0]!.status).toBe('closed')
    expect(deadlines.size).toBe(0)
  })
})

describe('closed', () => {
  test('it ends the stream and drops what was not sent', async () => {
    const { outbox, say, sent, streams, deadlines } = createOutbox()
    say('BLOCK', 1)
    await settlePromises()
    say('BLOCK', 2)
    outbox.close()
    await settlePromises()
    expect(sent()).toEqual([['want 1']])
    expect(streams).toHaveLength(1)
    expect(streams[0]!.status).toBe('closed')
    expect(deadlines.size).toBe(0)
  })

  test('while the stream is being opened it sends nothing, and leaves neither stream nor deadline', async () => {
    const { outbox, say, sent, streams, handlers, deadlines, broken } = createOutbox()
    const { open } = handlers
    const opening = Promise.withResolvers<void>()
    handlers.open = () => opening.promise.then(open)
    say('BLOCK', 1)
    await settlePromises()
    outbox.close()
    opening.resolve()
    await settlePromises()
    expect(sent()).toEqual([])
    expect(streams[0]!.status).toBe('closed')
    expect(deadlines.size).toBe(0)
    expect(broken).toEqual([])
  })
})

test('over a real stream, the peer reads what was said, and nothing is left after it was closed', async () => {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const [ours, theirs] = await openPair()
  const outbox = new Outbox(deadlines, { open: async () => ours, onBroken: () => {} })
  const received = reader(theirs)
  for (const number of [1, 2]) outbox.push({ cid: cidOf(number), type: 'BLOCK' })
  await settle()
  const read: number[] = []
  const messages = new MessageReader({
    want: cid => read.push(numberOf(cid)),
    fullWantlist: () => {},
    block: () => {},
    presence: () => {},
    message: () => {},
    needsData: () => false
  })
  await expect.poll(() => received.bytes.length).toBeGreaterThan(0)
  messages.push(received.bytes)
  expect(read).toEqual([1, 2])
  clock.advance(IDLE_MS + 50)
  await settle()
  expect(ours.writeStatus).toBe('closed')
  expect(deadlines.size).toBe(0)
})
