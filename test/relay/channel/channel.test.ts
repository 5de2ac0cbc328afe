import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { Deadlines, NO_LIMIT_MS } from '../../../src/core/deadlines.ts'
import { ManualClock, systemClock } from '../../../src/core/index.ts'
import { Channel, MAX_READ_BYTES } from '../../../src/relay/channel/channel.ts'
import { parseEndpoint } from '../../../src/relay/endpoint.ts'
import { HandshakeLimit } from '../../../src/relay/tls/handshake-limit.ts'
import { TlsDialer } from '../../../src/relay/tls/tls-dialer.ts'
import { setUpTls } from '../../../src/relay/tls/tls-options.ts'
import { Authority, type Identity } from '../support/certificates.ts'
import { echo, TestServer } from '../support/tls-server.ts'

let authority: Authority
let relay: Identity

beforeAll(async () => {
  authority = await Authority.create()
  relay = await authority.issue({ addresses: ['127.0.0.1'] })
})

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** A channel to a server that does what it is told; time stands still on its clock. */
async function open(
  onConnection: (socket: TLSSocket) => void,
  options: Parameters<typeof TestServer.start>[2] = {}
) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await TestServer.start(relay, onConnection, options))
  const endpoint = parseEndpoint(server.endpoint)
  const setup = setUpTls({ roots: [authority.certificate] })
  const dialer = new TlsDialer(endpoint, setup, new HandshakeLimit(), systemClock)
  // Its part of the handshake ends after ours, and may fail then.
  const accepted = Promise.race([once(server.tls, 'secureConnection'), once(server.tls, 'tlsClientError')])
  const { socket } = await dialer.dial(new AbortController().signal)
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const closed: Channel[] = []
  const channel = new Channel(socket, {
    id: 'test-1',
    endpoint,
    clock,
    deadlines,
    timeoutMs: 1_000,
    onClosed: which => closed.push(which)
  })
  stack.defer(() => channel.close())
  await accepted
  const passes = (ms: number): void => {
    for (let step = 0; step < ms / 25; step++) clock.advance(25)
  }
  return {
    channel,
    server,
    clock,
    deadlines,
    socket,
    closed,
    passes,
    [Symbol.asyncDispose]: () => stack.disposeAsync()
  }
}

describe('what is written', () => {
  test('reaches the endpoint, and its answer comes back', async () => {
    await using opened = await open(echo)
    const { channel, deadlines } = opened
    expect(await channel.write(text('PI'))).toBe(2)
    await channel.writeAll(text('NG'))
    expect(await channel.readExact(4)).toEqual(text('PING'))
    expect(channel.outcome).toBe('success')
    expect(deadlines.size).toBe(0)
  })

  test('waits while the endpoint reads nothing, and goes on when it does', async () => {
    let far: TLSSocket | undefined
    await using opened = await open(socket => {
      far = socket.pause()
    })
    const { channel } = opened
    const much = new Uint8Array(8 * 2 ** 20)
    let isWritten = false
    const written = channel.writeAll(much).then(() => {
      isWritten = true
    })
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(isWritten).toBe(false)
    far!.resume()
    await written
  })
})

describe('what is read', () => {
  test('comes in the portions that are asked for', async () => {
    await using opened = await open(socket => socket.write(bytes(1, 2, 3, 4, 5, 6)))
    const { channel } = opened
    expect(await channel.readExact(2)).toEqual(bytes(1, 2))
    expect(await channel.read({ maxBytes: 1 })).toEqual(bytes(3))
    expect(await channel.read()).toEqual(bytes(4, 5, 6))
  })

  test('may be longer than what is received ahead', async () => {
    const size = 3 * 2 ** 20
    await using opened = await open(socket => socket.write(new Uint8Array(size).fill(7)))
    const { channel } = opened
    const read = await channel.readExact(size)
    expect(read.every(value => value === 7)).toBe(true)
  })

  test('is not received without end before anybody reads it', async () => {
    await using opened = await open(socket => socket.write(new Uint8Array(16 * 2 ** 20)))
    const { channel, socket } = opened
    while (!socket.isPaused()) await new Promise(resolve => setTimeout(resolve, 5))
    expect(socket.bytesRead).toBeLessThan(2 ** 20)
    let count = 0
    while (count < 16 * 2 ** 20) count += (await channel.read())!.length
    expect(count).toBe(16 * 2 ** 20)
  })

  test('ends when the endpoint ends, after all it has sent', async () => {
    await using opened = await open(socket => socket.end(bytes(1, 2, 3)))
    const { channel, closed } = opened
    const parts: number[] = []
    for await (const part of channel) parts.push(...part)
    expect(parts).toEqual([1, 2, 3])
    expect(await channel.read()).toBe(undefined)
    await expect(channel.readExact(1)).rejects.toMatchObject({
      name: 'ChannelClosedError',
      channel: 'test-1'
    })
    await expect(channel.writeAll(bytes(1))).rejects.toThrow('test-1')
    expect(closed).toEqual([channel])
  })

  test('is incomplete if the endpoint ends too early: its fault', async () => {
    await using opened = await open(socket => socket.end(bytes(1, 2, 3)))
    const { channel } = opened
    await expect(channel.readExact(4)).rejects.toMatchObject({ name: 'ChannelClosedError' })
    expect(channel.outcome).toBe('failure')
  })

  test('goes to one reader at a time', async () => {
    await using opened = await open(echo)
    const { channel } = opened
    const first = channel.readExact(1)
    await expect(channel.read()).rejects.toMatchObject({ name: 'ChannelBusyError' })
    await channel.writeAll(bytes(9))
    expect(await first).toEqual(bytes(9))
    expect(channel.outcome).toBe('success')
  })

  test.for([0, -1, 1.5, Number.NaN, MAX_READ_BYTES + 1])('cannot be %d bytes', async count => {
    await using opened = await open(echo)
    await expect(opened.channel.readExact(count)).rejects.toMatchObject({ name: 'InvalidOptionError' })
  })
})

describe('a limit', () => {
  test('that is reached closes the channel: the fault of the endpoint', async () => {
    await using opened = await open(() => {})
    const { channel, passes, closed, server } = opened
    const read = channel.readExact(1)
    const failed = expect(read).rejects.toMatchObject({ name: 'ChannelTimeoutError', timeoutMs: 1_000 })
    passes(1_050)
    await failed
    expect(channel.isClosed).toBe(true)
    expect([channel.outcome, channel.errors]).toEqual(['failure', 1])
    expect(closed).toEqual([channel])
    await expect(channel.read()).rejects.toMatchObject({ name: 'ChannelTimeoutError' })
    await server.empty()
  })

  test('can be set for each operation', async () => {
    await using opened = await open(() => {})
    const { channel, passes } = opened
    const failed = expect(channel.read({ timeoutMs: 100 })).rejects.toMatchObject({ timeoutMs: 100 })
    passes(150)
    await failed
  })

  test('of the caller closes the channel, and is nobody’s fault', async () => {
    await using opened = await open(() => {})
    const { channel, server, deadlines } = opened
    const giveUp = new AbortController()
    const read = channel.readExact(1, { signal: giveUp.signal })
    giveUp.abort(new Error('enough'))
    await expect(read).rejects.toThrow('enough')
    expect([channel.isClosed, channel.outcome, channel.errors]).toEqual([true, 'ignored', 0])
    expect(deadlines.size).toBe(0)
    await server.empty()
  })

  test('that there is none of takes no timer, however long it lasts', async () => {
    await using opened = await open(echo)
    const { channel, clock, passes } = opened
    const read = channel.readExact(1, { timeoutMs: NO_LIMIT_MS })
    expect(clock.pendingTimers).toBe(0)
    await channel.writeAll(bytes(1))
    // That of the writing ends with the next look.
    passes(25)
    expect(clock.pendingTimers).toBe(0)
    expect(await read).toEqual(bytes(1))
  })

  test('that is over before it began changes nothing', async () => {
    await using opened = await open(echo)
    const { channel } = opened
    await expect(channel.writeAll(bytes(1), { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow(
      'no'
    )
    expect(channel.isClosed).toBe(false)
  })
})

describe('the end of a channel', () => {
  test('that the endpoint resets while it owes an answer is its fault', async () => {
    await using opened = await open(socket => socket.once('data', () => socket.destroy()))
    const { channel, closed } = opened
    const read = channel.readExact(1)
    await channel.writeAll(bytes(1))
    await expect(read).rejects.toMatchObject({ name: 'ChannelClosedError' })
    expect(channel.outcome).toBe('failure')
    expect(closed).toEqual([channel])
  })

  test('that the endpoint brings about while it is sent something is its fault', async () => {
    await using opened = await open(socket => socket.pause().end())
    const { channel } = opened
    await expect(channel.writeAll(new Uint8Array(8 * 2 ** 20))).rejects.toMatchObject({
      name: 'ChannelClosedError'
    })
    expect(channel.outcome).toBe('failure')
  })

  test('by this side fails what is under way, once', async () => {
    await using opened = await open(() => {})
    const { channel, closed } = opened
    const all = [channel.readExact(1), channel.writeAll(new Uint8Array(8 * 2 ** 20))]
    channel.close()
    channel.close()
    for (const each of all) await expect(each).rejects.toMatchObject({ name: 'ChannelClosedError' })
    expect(closed).toEqual([channel])
    expect(channel.outcome).toBe('ignored')
  })

  test('comes with the first answer if the endpoint wants to know who we are', async () => {
    await using opened = await open(() => {}, {
      requestCert: true,
      rejectUnauthorized: true,
      ca: relay.certificate
    })
    const { channel } = opened
    await expect(channel.readExact(1)).rejects.toMatchObject({ name: 'IdentityError', problem: 'CLIENT' })
    expect(channel.outcome).toBe('failure')
  })
})

describe('an idle channel', () => {
  test('can be used again', async () => {
    await using opened = await open(echo)
    const { channel } = opened
    await channel.writeAll(bytes(1))
    await channel.readExact(1)
    expect(channel.rest()).toBe(true)
    channel.wake()
    await channel.writeAll(bytes(2))
    expect(await channel.readExact(1)).toEqual(bytes(2))
  })

  test('is closed if something comes that nobody waits for', async () => {
    let far: TLSSocket | undefined
    await using opened = await open(socket => {
      far = socket
    })
    const { channel, socket, closed } = opened
    expect(channel.rest()).toBe(true)
    far!.write('surprise')
    await once(socket, 'close')
    expect([channel.isClosed, channel.outcome]).toEqual([true, 'failure'])
    expect(closed).toEqual([channel])
  })

  test('is closed if the endpoint ends it, even after a word; that is nobody’s fault', async () => {
    for (const last of ['', 'bye']) {
      let far: TLSSocket | undefined
      await using opened = await open(socket => {
        far = socket
      })
      const { channel, socket } = opened
      channel.rest()
      far!.end(last)
      // At once, so that nobody is given it meanwhile.
      await once(socket, last === '' ? 'end' : 'data')
      expect(channel.isClosed).toBe(true)
      if (last === '') expect(channel.outcome).not.toBe('failure')
    }
  })

  test('has nothing unread, and nothing under way', async () => {
    await using unread = await open(socket => socket.write(bytes(1, 2)))
    await unread.channel.readExact(1)
    expect(unread.channel.rest()).toBe(false)
    expect([unread.channel.isClosed, unread.channel.outcome]).toEqual([true, 'ignored'])
    await using busy = await open(() => {})
    const read = busy.channel.readExact(1)
    expect(busy.channel.rest()).toBe(false)
    await expect(read).rejects.toMatchObject({ name: 'ChannelClosedError' })
    expect(busy.channel.rest()).toBe(false)
  })
})

test('a channel tells when it was last active, and how long it takes to answer', async () => {
  await using opened = await open(socket => socket.on('data', () => socket.write('x')))
  const { channel, clock } = opened
  expect(channel.p95LatencyMs).toBe(0)
  const before = channel.lastActivityMs
  for (const ms of [10, 10, 10, 200]) {
    await channel.writeAll(bytes(1))
    clock.advance(ms)
    await channel.readExact(1)
  }
  expect(channel.lastActivityMs - before).toBe(230)
  expect(channel.p95LatencyMs).toBeGreaterThanOrEqual(200)
  expect(channel.p95LatencyMs).toBeLessThan(230)
  channel.rotateLatency()
  expect(channel.p95LatencyMs).toBe(0)
})
