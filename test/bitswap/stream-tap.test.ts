import { expect, test } from 'vitest'
import { type Delivery, type SendWatcher, tapReceiving, tapSending } from '../../src/bitswap/stream-tap.ts'
import { NOTHING } from './support/messages.ts'
import { counted, openPair, reader, settle } from './support/streams.ts'

/** Notes all it sees. */
function createWatcher(does: Partial<SendWatcher> = {}) {
  const seen: unknown[][] = []
  const watcher: SendWatcher = {
    sending: data => {
      seen.push(['sending', data.byteLength])
      does.sending?.(data)
    },
    sent: () => {
      seen.push(['sent'])
    },
    finished: () => {
      seen.push(['finished'])
    },
    closed: wasReset => {
      seen.push(['closed', wasReset])
    }
  }
  return { watcher, seen }
}

async function createTapped(does?: Partial<SendWatcher>) {
  const [ours, theirs] = await openPair()
  const { watcher, seen } = createWatcher(does)
  tapSending(ours, watcher)
  return { ours, theirs, seen }
}

/** A stream opened by the peer. */
async function createReceiving() {
  const [ours, theirs] = await openPair()
  const seen: unknown[][] = []
  tapReceiving(ours, data => {
    seen.push(['received', [...data.subarray()]])
    return 'PASS'
  })
  return { ours, theirs, seen }
}

test('sees what is sent before it is, and that it was', async () => {
  const { ours, theirs, seen } = await createTapped()
  const received = reader(theirs)
  expect(ours.send(counted(10))).toBe(true)
  expect(seen).toEqual([['sending', 10], ['sent']])
  await settle()
  expect(received.bytes).toEqual(counted(10))
})

test('sees what is received, which the handler receives as well', async () => {
  const { ours, theirs, seen } = await createReceiving()
  const handler = reader(ours)
  theirs.send(counted(10))
  await settle()
  expect(seen).toEqual([['received', [...counted(10)]]])
  expect(handler.bytes).toEqual(counted(10))
})

test('takes nothing away from a handler that comes late', async () => {
  const { ours, theirs, seen } = await createReceiving()
  theirs.send(counted(10))
  theirs.send(counted(10, 100))
  await settle()
  expect(seen).toEqual([])
  const handler = reader(ours)
  await settle()
  expect(handler.bytes).toEqual(Uint8Array.of(...counted(10), ...counted(10, 100)))
  expect(seen).toEqual([['received', [...handler.bytes]]])
})

test('takes nothing away from a handler that reads a sequence', async () => {
  const { ours, theirs, seen } = await createReceiving()
  theirs.send(counted(1000))
  await theirs.close()
  await settle()
  const chunks: Uint8Array[] = []
  const read = (async () => {
    for await (const chunk of ours) chunks.push(chunk.subarray())
  })()
  await settle()
  await ours.close()
  await read
  expect(Buffer.concat(chunks)).toEqual(Buffer.from(counted(1000)))
  expect(seen.filter(([what]) => what === 'received')).toEqual([['received', [...counted(1000)]]])
})

test('what a watcher throws, the sender gets, and nothing is sent', async () => {
  const refusal = new Error('not to this one')
  const { ours, theirs, seen } = await createTapped({
    sending: () => {
      throw refusal
    }
  })
  const received = reader(theirs)
  expect(() => ours.send(counted(10))).toThrow(refusal)
  await settle()
  expect(received.bytes).toHaveLength(0)
  expect(seen).toEqual([['sending', 10]])
  expect(ours.status).toBe('open')
})

test('what could not be sent was not', async () => {
  const { ours, seen } = await createTapped()
  await ours.close()
  seen.length = 0
  expect(() => ours.send(counted(10))).toThrow('closed')
  expect(seen).toEqual([['sending', 10]])
})

test('a sender that is asked to wait still is', async () => {
  const [ours] = await openPair(undefined, 1)
  const { watcher } = createWatcher()
  tapSending(ours, watcher)
  expect(ours.send(counted(200_000))).toBe(false)
  await ours.onDrain()
})

test('sees that nothing more will be sent, and hands on how to close', async () => {
  const { ours, theirs, seen } = await createTapped()
  await ours.close({ signal: AbortSignal.timeout(10_000) })
  await settle()
  expect(seen).toEqual([['finished']])
  expect(theirs.remoteWriteStatus).toBe('closed')
  await expect(
    (
      await openPair().then(([stream]) => {
        tapSending(stream, createWatcher().watcher)
        return stream
      })
    ).close({ signal: AbortSignal.abort(new Error('not even that')) })
  ).rejects.toThrow('not even that')
})

test('sees a reset by the peer, once', async () => {
  const { ours, theirs, seen } = await createTapped()
  const { closes } = reader(ours)
  theirs.abort(new Error('go away'))
  await settle()
  expect(seen).toEqual([['closed', true]])
  expect(closes).toHaveLength(1)
})

test('does not take an abort on this side for a reset', async () => {
  const { ours, seen } = await createTapped()
  ours.abort(new Error('no longer needed'))
  await settle()
  expect(seen).toEqual([['closed', false]])
})

test('sees a close by both sides, which is no reset', async () => {
  const { ours, theirs, seen } = await createTapped()
  await ours.close()
  await theirs.close()
  await settle()
  expect(seen).toEqual([['finished'], ['closed', false]])
})

test('sees that the peer was quicker: a stream that was reset already', async () => {
  const [ours, theirs] = await openPair()
  theirs.abort(new Error('no room'))
  await settle()
  const { watcher, seen } = createWatcher()
  tapSending(ours, watcher)
  expect(seen).toEqual([['closed', true]])
})

test('a stream that was aborted here already was not reset', async () => {
  const [ours] = await openPair()
  ours.abort(new Error('no longer needed'))
  const { watcher, seen } = createWatcher()
  tapSending(ours, watcher)
  expect(seen).toEqual([])
})

test('two watchers both see everything', async () => {
  const { ours, theirs, seen } = await createTapped()
  const other = createWatcher()
  tapSending(ours, other.watcher)
  ours.send(counted(10))
  await ours.close()
  theirs.abort(new Error('go away'))
  await settle()
  const all = ['sending', 'sent', 'finished', 'closed']
  expect(seen.map(([what]) => what)).toEqual(all)
  expect(other.seen.map(([what]) => what)).toEqual(all)
})

test('two watchers both see what is received, and so does the handler', async () => {
  const { ours, theirs, seen } = await createReceiving()
  const other: unknown[] = []
  tapReceiving(ours, data => {
    other.push(data.byteLength)
    return 'PASS'
  })
  const handler = reader(ours)
  theirs.send(counted(10))
  await settle()
  expect(seen).toHaveLength(1)
  expect(other).toEqual([10])
  expect(handler.bytes).toEqual(counted(10))
})

test('once the watcher has aborted the stream, its reader gets nothing, but hears of the end', async () => {
  const [ours, theirs] = await openPair()
  tapReceiving(ours, data => {
    if (data.byteLength === 20) ours.abort(new Error('too much'))
    return 'PASS'
  })
  const handler = reader(ours)
  theirs.send(counted(10))
  await settle()
  theirs.send(counted(20))
  await settle()
  expect(handler.bytes).toEqual(counted(10))
  expect(handler.closes.map(({ error }) => error?.message)).toEqual(['too much'])
  expect(theirs.status).toBe('reset')
})

/** A stream opened by the peer, with what becomes of what comes, piece by piece. */
async function createKeeping(...deliveries: readonly Delivery[]) {
  const [ours, theirs] = await openPair()
  const left = [...deliveries]
  tapReceiving(ours, () => left.shift() ?? 'PASS')
  const handler = reader(ours)
  const send = async (...pieces: readonly Uint8Array[]): Promise<void> => {
    for (const piece of pieces) {
      theirs.send(piece)
      await settle()
    }
  }
  return { ours, theirs, handler, send }
}

test('what is held is passed on in its order, with what comes next', async () => {
  const { handler, send } = await createKeeping('HOLD', 'HOLD', 'PASS')
  await send(counted(10), counted(10, 50))
  expect(handler.bytes).toHaveLength(0)
  await send(counted(10, 100))
  expect(handler.bytes).toEqual(Uint8Array.of(...counted(10), ...counted(10, 50), ...counted(10, 100)))
})

test('in place of what is dropped there is a message that says nothing', async () => {
  const { handler, send } = await createKeeping('HOLD', 'DROP', 'PASS')
  await send(counted(10), counted(10, 50))
  expect(handler.bytes).toEqual(NOTHING)
  await send(counted(10, 100))
  expect(handler.bytes).toEqual(Uint8Array.of(...NOTHING, ...counted(10, 100)))
})

test('what is held is passed on before the end', async () => {
  const { theirs, handler, send } = await createKeeping('HOLD')
  await send(counted(10))
  await theirs.close()
  await settle()
  expect(handler.bytes).toEqual(counted(10))
})

test('what is held is passed on before the stream is reset', async () => {
  const { theirs, handler, send } = await createKeeping('HOLD')
  await send(counted(10))
  theirs.abort(new Error('go away'))
  await settle()
  expect(handler.bytes).toEqual(counted(10))
  expect(handler.closes).toHaveLength(1)
})
