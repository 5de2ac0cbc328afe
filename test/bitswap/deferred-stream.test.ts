import { type Stream, StreamResetError } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { DeferredStream } from '../../src/bitswap/deferred-stream.ts'
import { BITSWAP } from '../../src/bitswap/protocols.ts'
import { createLogger } from './support/peers.ts'
import { counted, openPair, reader, settle } from './support/streams.ts'

const KiB = 1024

function create() {
  const { promise, resolve, reject } = Promise.withResolvers<Stream>()
  const stream = new DeferredStream(promise, BITSWAP, createLogger().log)
  /** Opens the stream it stands for. */
  async function open(capacity?: number) {
    const [target, theirs] = await openPair(BITSWAP, capacity)
    resolve(target)
    return { target, theirs, received: reader(theirs) }
  }
  return { stream, open, fail: reject, closes: reader(stream).closes }
}

/** As a reader that is not there yet. */
function createUnread() {
  const { promise, resolve } = Promise.withResolvers<Stream>()
  return { stream: new DeferredStream(promise, BITSWAP, createLogger().log), resolve }
}

describe('before the other is open', () => {
  test('it is an open outbound stream of its protocol', () => {
    expect(create().stream).toMatchObject({ status: 'open', direction: 'outbound', protocol: BITSWAP })
  })

  test('each has an id of its own', () => {
    expect(create().stream.id).not.toBe(create().stream.id)
  })

  test('what is written goes out when it opens, all of it and in order', async () => {
    const { stream, open } = create()
    const parts = [counted(10), counted(1, 100), counted(70 * KiB, 5)]
    for (const part of parts) expect(stream.send(part)).toBe(true)
    const { received } = await open()
    await settle()
    expect(received.bytes).toEqual(Uint8Array.from(Buffer.concat(parts)))
  })

  test('closing it is done at once, and closes the other after what was written', async () => {
    const { stream, open } = create()
    stream.send(counted(1000))
    await stream.close()
    expect(stream.writeStatus).toBe('closed')
    const { target, theirs, received } = await open()
    await settle()
    expect(received.bytes).toEqual(counted(1000))
    expect(theirs.remoteWriteStatus).toBe('closed')
    expect(target.writeStatus).toBe('closed')
  })

  test('it can be closed with nothing written', async () => {
    const { stream, open } = create()
    await stream.close()
    const { theirs } = await open()
    await settle()
    expect(theirs.remoteWriteStatus).toBe('closed')
  })

  test('once closed, nothing more can be written', async () => {
    const { stream } = create()
    await stream.close()
    expect(() => stream.send(counted(1))).toThrow('Cannot write to a stream that is closed')
  })

  test('closing its reading end closes that of the other, from which nothing is read', async () => {
    const { stream, open, closes } = create()
    await stream.closeRead()
    const { target, theirs } = await open()
    await settle()
    expect(target.readStatus).toBe('closed')
    // A listener would have it kept, and sent on.
    expect(target.listenerCount('message')).toBe(0)
    theirs.send(counted(10))
    await settle()
    expect(stream.readBufferLength).toBe(0)
    expect(closes).toEqual([])
  })

  test('a message can be sent as stock Bitswap does: not to be answered here, and closed behind', async () => {
    const { stream, open } = create()
    await stream.closeRead()
    if (!stream.send(counted(100))) await stream.onDrain()
    await stream.close()
    const { theirs, received } = await open()
    await settle()
    expect(received.bytes).toEqual(counted(100))
    await theirs.close()
    await settle()
    expect(stream.status).toBe('closed')
  })

  test('aborting it aborts the other when that opens, and nothing is sent', async () => {
    const { stream, open, closes } = create()
    stream.send(counted(10))
    stream.abort(new Error('no longer needed'))
    expect(stream.status).toBe('aborted')
    const { target, theirs, received } = await open()
    await settle()
    expect(target.status).toBe('aborted')
    expect(theirs.status).toBe('reset')
    expect(received.bytes).toHaveLength(0)
    expect(closes).toHaveLength(1)
  })

  test('pausing it pauses the other from the beginning', async () => {
    const { stream, open } = create()
    stream.pause()
    const { target, theirs } = await open()
    theirs.send(counted(10))
    await settle()
    expect(target.readStatus).toBe('paused')
    const read = reader(stream)
    stream.resume()
    await settle()
    expect(read.bytes).toEqual(counted(10))
  })
})

describe('when the other does not open', () => {
  test('it is aborted with the reason', async () => {
    const { stream, fail, closes } = create()
    stream.send(counted(10))
    const reason = new Error('too late')
    fail(reason)
    await settle()
    expect(stream.status).toBe('aborted')
    expect(closes.map(({ error }) => error)).toEqual([reason])
  })

  test('whoever waits to write more is told', async () => {
    const { stream, fail } = create()
    stream.send(counted(256 * KiB))
    const drained = stream.onDrain()
    const reason = new Error('too late')
    fail(reason)
    await expect(drained).rejects.toBe(reason)
  })

  test('whoever waits for it to close is told', async () => {
    const { stream, fail } = create()
    stream.send(counted(256 * KiB))
    const closed = stream.close()
    fail(new Error('too late'))
    await expect(closed).rejects.toThrow()
  })

  test('a reason that is no error becomes one', async () => {
    const { fail, closes } = create()
    fail('too late')
    await settle()
    expect(closes[0]?.error).toEqual(new Error('too late'))
  })

  test('one that was aborted before stays as it is', async () => {
    const { stream, fail, closes } = create()
    stream.abort(new Error('no longer needed'))
    fail(new Error('too late'))
    await settle()
    expect(closes.map(({ error }) => error?.message)).toEqual(['no longer needed'])
  })
})

describe('a writer with much to say', () => {
  test('is asked to wait from 256 KiB on, and told to go on when the other is open', async () => {
    const { stream, open } = create()
    expect(stream.send(counted(256 * KiB - 1))).toBe(true)
    expect(stream.send(counted(1))).toBe(false)
    let isDrained = false
    const drained = stream.onDrain().then(() => {
      isDrained = true
    })
    await settle()
    expect(isDrained).toBe(false)
    // Capacity enough for all of it, so that the other does not ask to wait.
    const { received } = await open(100)
    await drained
    expect(stream.send(counted(10, 3))).toBe(true)
    await settle()
    expect(received.bytes).toHaveLength(256 * KiB + 10)
    expect(received.bytes.subarray(-10)).toEqual(counted(10, 3))
  })

  test('that does not wait loses nothing', async () => {
    const { stream, open } = create()
    const parts = Array.from({ length: 20 }, (_, index) => counted(64 * KiB, index))
    for (const part of parts) stream.send(part)
    const { received } = await open(100)
    await settle()
    expect(Buffer.compare(received.bytes, Buffer.concat(parts))).toBe(0)
  })

  test('waits for the other, if that cannot take it all', async () => {
    const { stream, resolve } = createUnread()
    const size = 700 * KiB
    stream.send(counted(size))
    const drained: string[] = []
    const isDrained = stream.onDrain().then(() => {
      drained.push('stream')
    })
    const [target, theirs] = await openPair(BITSWAP, 2)
    const received = reader(theirs)
    target.addEventListener('drain', () => {
      drained.push('target')
    })
    resolve(target)
    await isDrained
    expect(drained).toEqual(['target', 'stream'])
    await settle()
    expect(received.bytes).toHaveLength(size)
  })

  test('can close before all of it is out', async () => {
    const { stream, open } = create()
    stream.send(counted(700 * KiB))
    const closed = stream.close()
    const { received, theirs } = await open(2)
    await closed
    await settle()
    expect(Buffer.compare(received.bytes, counted(700 * KiB))).toBe(0)
    expect(theirs.remoteWriteStatus).toBe('closed')
  })
})

describe('once the other is open', () => {
  test('what is written goes straight out', async () => {
    const { stream, open } = create()
    const { received } = await open()
    await settle()
    expect(stream.send(counted(10))).toBe(true)
    await settle()
    expect(received.bytes).toEqual(counted(10))
  })

  test('a full one asks to wait, and tells when to go on', async () => {
    const { stream, open } = create()
    const { received } = await open(2)
    await settle()
    expect(stream.send(counted(700 * KiB))).toBe(false)
    await stream.onDrain()
    await settle()
    expect(received.bytes).toHaveLength(700 * KiB)
  })

  test('what comes in can be read', async () => {
    const { stream, open } = create()
    const read = reader(stream)
    const { theirs } = await open()
    await settle()
    theirs.send(counted(10))
    await settle()
    theirs.send(counted(70 * KiB, 3))
    await settle()
    expect(read.bytes).toHaveLength(10 + 70 * KiB)
    expect(read.bytes.subarray(0, 10)).toEqual(counted(10))
  })

  test('what comes in is kept for a reader who comes later', async () => {
    const { stream, resolve } = createUnread()
    const [target, theirs] = await openPair()
    theirs.send(counted(10))
    await settle()
    resolve(target)
    await settle()
    theirs.send(counted(10, 100))
    await settle()
    const read = reader(stream)
    await settle()
    expect(read.bytes).toEqual(Uint8Array.of(...counted(10), ...counted(10, 100)))
  })

  test('it can be read as a sequence that ends', async () => {
    const { stream, open } = create()
    const { theirs } = await open()
    const chunks: Uint8Array[] = []
    const read = (async () => {
      for await (const chunk of stream) chunks.push(chunk.subarray())
    })()
    await settle()
    theirs.send(counted(10))
    await settle()
    await theirs.close()
    await read
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(counted(10)))
  })

  test('pausing holds the peer back, resuming lets it go on', async () => {
    const { stream, open } = create()
    const read = reader(stream)
    const { target, theirs } = await open()
    await settle()
    stream.pause()
    expect(target.readStatus).toBe('paused')
    theirs.send(counted(10))
    await settle()
    expect(read.bytes).toHaveLength(0)
    stream.resume()
    await settle()
    expect(target.readStatus).toBe('readable')
    expect(read.bytes).toEqual(counted(10))
  })

  test('nothing is lost when the peer closes while it is paused', async () => {
    const { stream, open } = create()
    const read = reader(stream)
    const { theirs } = await open()
    await settle()
    await stream.close()
    stream.pause()
    theirs.send(counted(10))
    await theirs.close()
    await settle()
    stream.resume()
    await settle()
    expect(read.bytes).toEqual(counted(10))
  })

  test('closing its reading end closes that of the other', async () => {
    const { stream, open } = create()
    const { target } = await open()
    await settle()
    await stream.closeRead()
    expect(target.readStatus).toBe('closed')
  })

  test('it closes when both sides have closed', async () => {
    const { stream, open, closes } = create()
    const { target, theirs } = await open()
    await settle()
    await stream.close()
    await settle()
    expect(theirs.remoteWriteStatus).toBe('closed')
    expect(stream.status).toBe('open')
    await theirs.close()
    await settle()
    expect(stream.status).toBe('closed')
    expect(target.status).toBe('closed')
    expect(closes.map(({ error }) => error)).toEqual([undefined])
  })

  test('aborting it aborts the other', async () => {
    const { stream, open } = create()
    const { target, theirs } = await open()
    await settle()
    stream.abort(new Error('no longer needed'))
    await settle()
    expect(target.status).toBe('aborted')
    expect(theirs.status).toBe('reset')
  })

  test('a reset by the peer is one here', async () => {
    const { stream, open, closes } = create()
    const { theirs } = await open()
    await settle()
    theirs.abort(new Error('go away'))
    await settle()
    expect(stream.status).toBe('reset')
    expect(closes.map(({ error, local }) => [error?.name, local])).toEqual([['StreamResetError', false]])
  })

  test('an abort of the other, by whoever else has it, is one here', async () => {
    const { stream, open, closes } = create()
    const { target } = await open()
    await settle()
    const reason = new Error('the connection is gone')
    target.abort(reason)
    await settle()
    expect(stream.status).toBe('aborted')
    expect(closes.map(({ error }) => error)).toEqual([reason])
  })
})

describe('an other that is over as soon as it is open', () => {
  // As libp2p gives it when the peer has no room for one more stream.
  async function openReset() {
    const [target, theirs] = await openPair()
    theirs.abort(new StreamResetError())
    await settle()
    expect(target.status).toBe('reset')
    return target
  }

  test('ends what was written', async () => {
    const { stream, resolve } = createUnread()
    stream.send(counted(10))
    resolve(await openReset())
    await settle()
    expect(['aborted', 'reset']).toContain(stream.status)
  })

  test('ends it although nothing was written', async () => {
    const { stream, resolve } = createUnread()
    resolve(await openReset())
    await settle()
    expect(['aborted', 'reset']).toContain(stream.status)
  })

  test('ends it although it was closed already', async () => {
    const { stream, resolve } = createUnread()
    await stream.closeRead()
    await stream.close()
    resolve(await openReset())
    await settle()
    expect(stream.status).not.toBe('open')
  })

  test('aborted by whoever else has it, ends this one', async () => {
    const { stream, resolve } = createUnread()
    const [target] = await openPair()
    target.abort(new Error('no longer needed'))
    resolve(target)
    await settle()
    expect(stream.status).toBe('aborted')
  })

  test('with its connection, ends this one', async () => {
    const { stream, resolve } = createUnread()
    const [target, theirs] = await openPair()
    await target.close()
    await theirs.close()
    await settle()
    resolve(target)
    await settle()
    expect(stream.status).toBe('closed')
  })

  test('with its connection, does not take what was written for sent', async () => {
    const { stream, resolve } = createUnread()
    stream.send(counted(10))
    const [target, theirs] = await openPair()
    await target.close()
    await theirs.close()
    await settle()
    expect(target.status).toBe('closed')
    resolve(target)
    await settle()
    expect(stream.status).toBe('aborted')
  })

  test('by a close of the peer, lets its reader know', async () => {
    const { stream, resolve } = createUnread()
    const [target, theirs] = await openPair()
    theirs.send(counted(10))
    await theirs.close()
    await settle()
    const chunks: Uint8Array[] = []
    let hasEnded = false
    const read = async (): Promise<void> => {
      for await (const chunk of stream) chunks.push(chunk.subarray())
      hasEnded = true
    }
    void read()
    resolve(target)
    await settle()
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(counted(10)))
    expect(hasEnded).toBe(true)
  })

  test('by a close of the peer, can still be written to', async () => {
    const { stream, resolve } = createUnread()
    const [target, theirs] = await openPair()
    await theirs.close()
    await settle()
    expect(target.remoteWriteStatus).toBe('closed')
    resolve(target)
    await settle()
    const received = reader(theirs)
    stream.send(counted(10))
    await stream.close()
    await settle()
    expect(received.bytes).toEqual(counted(10))
    expect(stream.remoteWriteStatus).toBe('closed')
    expect(stream.status).toBe('closed')
  })
})

test('what was written goes out also to a peer that closed its end at once, as Helia does', async () => {
  const { stream, resolve } = createUnread()
  await stream.closeRead()
  stream.send(counted(10))
  await stream.close()
  const [target, theirs] = await openPair()
  const received = reader(theirs)
  await theirs.close()
  await settle()
  expect(target.remoteWriteStatus).toBe('closed')
  resolve(target)
  await settle()
  expect(received.bytes).toEqual(counted(10))
  expect(stream.status).toBe('closed')
})
