import { getEventListeners, once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { LATENCY_BOUNDS_MS, ManualClock, tripAt } from '../../../src/core/index.ts'
import type { Channel } from '../../../src/relay/channel/channel.ts'
import type { PoolEvent } from '../../../src/relay/pool/pool-events.ts'
import type { PoolOptions } from '../../../src/relay/pool/pool-options.ts'
import type { PooledChannel } from '../../../src/relay/pool/pooled-channel.ts'
import { SecureChannelPool } from '../../../src/relay/pool/secure-channel-pool.ts'
import { Authority, type Identity } from '../support/certificates.ts'
import { echo, TestServer } from '../support/tls-server.ts'

let authority: Authority
let relay: Identity

beforeAll(async () => {
  authority = await Authority.create()
  relay = await authority.issue({ addresses: ['127.0.0.1'] })
})

const PING = new TextEncoder().encode('PING')

/** A pool of channels to an endpoint; time stands still on its clock. */
function poolTo(endpoint: string, options: Partial<PoolOptions> = {}) {
  const clock = new ManualClock()
  const tls = { roots: [authority.certificate], ...options.tls }
  const pool = new SecureChannelPool(endpoint, { minIdle: 0, ...options, tls }, { clock, random: () => 0.5 })
  const passes = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 25) clock.advance(Math.min(25, ms - passed))
  }
  return { pool, clock, passes }
}

/** The same, with a server that sends back what it is sent unless it is told otherwise. */
async function create(options: Partial<PoolOptions> = {}, onConnection: (socket: TLSSocket) => void = echo) {
  const stack = new AsyncDisposableStack()
  const sockets: TLSSocket[] = []
  const server = stack.use(
    await TestServer.start(relay, socket => {
      sockets.push(socket)
      onConnection(socket)
    })
  )
  const made = poolTo(server.endpoint, options)
  stack.defer(() => made.pool.close())
  return { ...made, server, sockets, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

async function ping(channel: PooledChannel | Channel): Promise<void> {
  await channel.writeAll(PING)
  expect(await channel.readExact(PING.length)).toEqual(PING)
}

/** Resolves when it is so; for what comes of other processes' doing. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 2))
}

/** What is known of it, in short. */
function counts(pool: SecureChannelPool) {
  const { activeConnections: active, idleConnections: idle, opening, waiting } = pool.getStatus()
  return { active, idle, opening, waiting }
}

describe('a channel', () => {
  test('is lent, given back, and lent again', async () => {
    await using made = await create()
    const { pool, server } = made
    const ids: string[] = []
    for (let turn = 0; turn < 3; turn++) {
      await using channel = await pool.getConnection()
      await ping(channel)
      ids.push(channel.id)
    }
    expect(new Set(ids).size).toBe(1)
    expect(server.connections).toBe(1)
    expect(counts(pool)).toEqual({ active: 1, idle: 1, opening: 0, waiting: 0 })
  })

  test('is good for nothing once it was given back', async () => {
    await using made = await create()
    const { pool } = made
    const channel = await pool.getConnection()
    channel.release()
    channel.release()
    await expect(channel.writeAll(PING)).rejects.toMatchObject({ name: 'ChannelBusyError' })
    expect(() => channel[Symbol.asyncIterator]()).toThrow('given back')
    expect(counts(pool)).toMatchObject({ active: 1, idle: 1 })
  })

  test('that has something unread, or was discarded, is not lent again', async () => {
    await using made = await create()
    const { pool, server } = made
    const unread = await pool.getConnection()
    await unread.writeAll(PING)
    await unread.readExact(2)
    unread.release()
    const discarded = await pool.getConnection()
    discarded.discard()
    expect(counts(pool)).toMatchObject({ active: 0, idle: 0 })
    await ping(await pool.getConnection())
    expect(server.connections).toBe(3)
    expect(pool.getStatus().totalErrors).toBe(0)
  })

  test('is a stream, too', async () => {
    await using made = await create({}, socket => {
      socket.once('data', bytes => socket.end(bytes))
    })
    const channel = await made.pool.getConnection()
    const heard = await buffer(Readable.from([PING]).pipe(channel.toStream()))
    expect(heard).toEqual(Buffer.from(PING))
    channel.release()
    expect(made.pool.getStatus()).toMatchObject({ activeConnections: 0, totalErrors: 0 })
  })

  test('is closed along with its stream', async () => {
    await using made = await create()
    const stream = (await made.pool.getConnection()).toStream()
    stream.write(PING)
    expect(await once(stream, 'data')).toEqual([Buffer.from(PING)])
    stream.destroy()
    await once(stream, 'close')
    expect(counts(made.pool)).toMatchObject({ active: 0 })
  })

  test('whose stream waits for too long fails', async () => {
    await using made = await create({}, () => {})
    const { pool, passes } = made
    const stream = (await pool.getConnection()).toStream({ timeoutMs: 100 })
    stream.resume()
    const failed = once(stream, 'error')
    await new Promise(resolve => setImmediate(resolve))
    passes(200)
    expect(await failed).toMatchObject([{ name: 'ChannelTimeoutError' }])
    expect(pool.getStatus()).toMatchObject({ activeConnections: 0, totalErrors: 1 })
  })

  test('that was used last is lent first', async () => {
    await using made = await create({ maxConnections: 3 })
    const { pool } = made
    const all = await Promise.all([0, 1, 2].map(() => pool.getConnection()))
    for (const channel of all) channel.release()
    const again = await pool.getConnection()
    expect(again.id).toBe(all[2]!.id)
  })
})

describe('no more channels than allowed', () => {
  test('are open: whoever comes later waits, and is served in turn', async () => {
    await using made = await create({ maxConnections: 2 })
    const { pool, server } = made
    const [first, second] = await Promise.all([pool.getConnection(), pool.getConnection()])
    const order: string[] = []
    const later = ['a', 'b'].map(async name => {
      const channel = await pool.getConnection()
      order.push(name)
      await ping(channel)
      channel.release()
    })
    expect(counts(pool)).toEqual({ active: 2, idle: 0, opening: 0, waiting: 2 })
    first.release()
    second.release()
    await Promise.all(later)
    expect(order).toEqual(['a', 'b'])
    expect(server.connections).toBe(2)
  })

  test('and whoever waits too long is told so', async () => {
    await using made = await create({ maxConnections: 1, acquireTimeoutMs: 300 })
    const { pool, passes } = made
    await pool.getConnection()
    const failed = expect(pool.getConnection()).rejects.toMatchObject({
      name: 'PoolExhaustedError',
      message: expect.stringContaining('Connection pool exhausted'),
      maxConnections: 1
    })
    const failedSoon = expect(pool.getConnection({ timeoutMs: 100 })).rejects.toThrow('100 ms')
    passes(150)
    await failedSoon
    expect(counts(pool).waiting).toBe(1)
    passes(200)
    await failed
    expect(counts(pool).waiting).toBe(0)
  })

  test('are waited for by more callers than allowed', async () => {
    await using made = await create({ maxConnections: 1, maxWaiting: 1 })
    const { pool } = made
    const channel = await pool.getConnection()
    const waiting = pool.getConnection()
    await expect(pool.getConnection()).rejects.toMatchObject({ name: 'PoolExhaustedError' })
    channel.release()
    await waiting
  })

  test('and who gives up waiting leaves his place to the next', async () => {
    await using made = await create({ maxConnections: 1 })
    const { pool } = made
    const channel = await pool.getConnection()
    const giveUp = new AbortController()
    const given = pool.getConnection({ signal: giveUp.signal })
    const next = pool.getConnection()
    giveUp.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    channel.release()
    await ping(await next)
    // Nothing is left behind at a signal that is used again and again.
    expect(getEventListeners(giveUp.signal, 'abort')).toEqual([])
  })

  test('and who was served listens to his signal no more', async () => {
    await using made = await create({ maxConnections: 1 })
    const { signal } = new AbortController()
    const channel = await made.pool.getConnection()
    const next = made.pool.getConnection({ signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    channel.release()
    await next
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('and who has given up is not served', async () => {
    await using made = await create({ maxConnections: 1 })
    const { pool } = made
    const giveUp = new AbortController()
    giveUp.abort(new Error('enough'))
    await expect(pool.getConnection({ signal: giveUp.signal })).rejects.toThrow('enough')
  })

  test('and a channel that is lost makes room for who waits', async () => {
    await using made = await create({ maxConnections: 1 })
    const { pool, sockets } = made
    const lost = await pool.getConnection()
    const waiting = pool.getConnection()
    await until(() => sockets.length === 1)
    sockets[0]!.destroy()
    await ping(await waiting)
    lost.release()
    expect(counts(pool)).toMatchObject({ active: 1, idle: 0 })
  })
})

describe('a pool that is started', () => {
  test('opens what it keeps ready, and nothing before', async () => {
    await using made = await create({ minIdle: 3 })
    const { pool, server } = made
    expect(server.connections).toBe(0)
    expect(pool.getStatus()).toMatchObject({ isHealthy: false, activeConnections: 0 })
    await pool.start()
    expect(pool.getStatus()).toMatchObject({ isHealthy: true, activeConnections: 3, idleConnections: 3 })
  })

  test('opens others in place of those it lends, as far as it may', async () => {
    await using made = await create({ minIdle: 3, maxConnections: 4 })
    const { pool } = made
    await pool.start()
    await ping(await pool.getConnection())
    await until(() => counts(pool).active === 4)
    expect(counts(pool)).toEqual({ active: 4, idle: 3, opening: 0, waiting: 0 })
    await pool.getConnection()
    expect(counts(pool)).toEqual({ active: 4, idle: 2, opening: 0, waiting: 0 })
  })

  test('opens others in place of those it loses, and counts that', async () => {
    await using made = await create({ minIdle: 2 })
    const { pool, sockets, passes } = made
    await pool.start()
    await until(() => sockets.length === 2)
    // After long enough not to be of no use.
    passes(2_000)
    for (const socket of sockets.splice(0)) socket.end()
    await until(() => pool.getStatus().totalReconnects === 2 && counts(pool).idle === 2)
    const { totalReconnects, totalErrors, connections, isHealthy } = pool.getStatus()
    expect({ totalReconnects, totalErrors, isHealthy }).toEqual({
      totalReconnects: 2,
      totalErrors: 0,
      isHealthy: true
    })
    expect(connections.map(({ reconnects }) => reconnects)).toEqual([1, 1])
  })

  test('is not healthy any more once its last channel is gone', async () => {
    await using made = await create()
    const { pool, sockets } = made
    const channel = await pool.getConnection()
    await ping(channel)
    channel.release()
    expect(pool.getStatus().isHealthy).toBe(true)
    sockets[0]!.end()
    await until(() => counts(pool).active === 0)
    expect(pool.getStatus().isHealthy).toBe(false)
  })

  test('does not run at an endpoint that lets everybody in and throws them out again', async () => {
    await using made = await create({ minIdle: 2 }, socket => socket.end())
    const { pool, server, passes } = made
    await pool.start()
    await until(() => counts(pool).active === 0)
    expect(server.connections).toBe(2)
    for (let step = 0; step < 20; step++) {
      passes(500)
      await until(() => counts(pool).opening + counts(pool).active === 0)
    }
    // Two at once, after 0.2, 0.4, 0.8, 1.5, 3 and 3 s.
    expect(server.connections).toBeGreaterThan(6)
    expect(server.connections).toBeLessThanOrEqual(14)
  })

  test('tries again until the endpoint is back', async () => {
    const gone = await TestServer.start(relay)
    const { port, endpoint } = gone
    await gone[Symbol.asyncDispose]()
    const { pool, passes } = poolTo(endpoint, { minIdle: 2 })
    await pool.start()
    expect(pool.getStatus()).toMatchObject({ isHealthy: false, totalErrors: 2, opening: 0 })
    const wait = async (steps: number): Promise<void> => {
      for (let step = 0; step < steps; step++) {
        passes(500)
        await until(() => counts(pool).opening === 0)
      }
    }
    await wait(20)
    expect(pool.getStatus().circuit?.circuitState).toBe('OPEN')
    await expect(pool.getConnection()).rejects.toMatchObject({ name: 'CircuitOpenError' })
    await using _back = await TestServer.start(relay, echo, {}, port)
    // The circuit would be OPEN for half a minute more.
    await wait(20)
    expect(counts(pool).idle).toBe(2)
    expect(pool.getStatus().circuit?.circuitState).not.toBe('OPEN')
    await ping(await pool.getConnection())
    pool.close()
  })
})

describe('an endpoint that fails', () => {
  test('is told of: each caller gets the reason', async () => {
    const gone = await TestServer.start(relay)
    const { endpoint } = gone
    await gone[Symbol.asyncDispose]()
    const { pool } = poolTo(endpoint)
    for (let turn = 0; turn < 5; turn++)
      await expect(pool.getConnection()).rejects.toMatchObject({ name: 'ConnectError', failure: 'REFUSED' })
    await expect(pool.getConnection()).rejects.toMatchObject({ name: 'CircuitOpenError', key: endpoint })
    expect(pool.getStatus().totalErrors).toBe(5)
    pool.close()
  })

  test('is tried on the side when somebody was sent away, once', async () => {
    const gone = await TestServer.start(relay)
    const { port, endpoint } = gone
    await gone[Symbol.asyncDispose]()
    const { pool, clock, passes } = poolTo(endpoint)
    for (let turn = 0; turn < 5; turn++) await expect(pool.getConnection()).rejects.toThrow('nobody listens')
    passes(10_000)
    expect(pool.getStatus().totalErrors).toBe(5)
    const { pendingTimers } = clock
    const sentAway = () => expect(pool.getConnection()).rejects.toMatchObject({ name: 'CircuitOpenError' })
    await sentAway()
    await sentAway()
    passes(200)
    await until(() => pool.getStatus().totalErrors === 6)
    passes(10_000)
    expect(counts(pool).opening).toBe(0)
    expect(clock.pendingTimers).toBe(pendingTimers)
    await using _back = await TestServer.start(relay, echo, {}, port)
    await sentAway()
    passes(400)
    await until(() => counts(pool).idle === 1)
    await ping(await pool.getConnection())
    expect(pool.getStatus().totalErrors).toBe(6)
    pool.close()
  })

  test('is connected to for callers again after its time', async () => {
    await using made = await create(
      { breaker: { timeoutMs: 1_000, readyToTrip: () => true, timeoutJitter: 0 } },
      socket => socket.destroy()
    )
    const { pool, server, passes } = made
    const channel = await pool.getConnection()
    await expect(channel.readExact(1)).rejects.toMatchObject({ name: 'ChannelClosedError' })
    channel.release()
    passes(900)
    expect(server.connections).toBe(1)
    expect(pool.getStatus().circuit).toMatchObject({ circuitState: 'OPEN' })
    passes(125)
    await pool.getConnection()
    expect(server.connections).toBe(2)
  })

  test('that fails again after it was back is kept away from for no longer than that', async () => {
    let isBad = true
    const breaker = { timeoutMs: 1_000, timeoutGrowth: 1, timeoutJitter: 0, readyToTrip: () => true }
    await using made = await create({ breaker: { ...breaker, successThreshold: 1 } }, socket => {
      if (isBad) socket.destroy()
      else echo(socket)
    })
    const { pool, passes } = made
    const fails = async (): Promise<void> => {
      const channel = await pool.getConnection()
      await expect(channel.readExact(1)).rejects.toMatchObject({ name: 'ChannelClosedError' })
      channel.release()
    }
    await fails()
    passes(1_025)
    isBad = false
    const channel = await pool.getConnection()
    await ping(channel)
    channel.discard()
    expect(pool.getStatus().circuit).toMatchObject({ circuitState: 'CLOSED' })
    isBad = true
    await fails()
    expect(pool.getStatus().circuit).toMatchObject({
      circuitState: 'OPEN',
      lastTrip: { reason: 'RELAPSE' }
    })
    passes(1_025)
    isBad = false
    await ping(await pool.getConnection())
  })

  test('counts each error once', async () => {
    await using made = await create({ maxConnections: 1 }, () => {})
    const { pool, passes } = made
    const channel = await pool.getConnection()
    const failed = expect(channel.readExact(1, { timeoutMs: 100 })).rejects.toThrow('100 ms')
    passes(150)
    await failed
    channel.release()
    expect(pool.getStatus()).toMatchObject({ totalErrors: 1, circuit: { counts: { totalFailures: 1 } } })
  })

  test('whose identity is wrong is told of as such', async () => {
    await using made = await create({ tls: { pins: [(await authority.issue()).pin] } })
    await expect(made.pool.getConnection()).rejects.toMatchObject({ name: 'IdentityError', problem: 'PIN' })
  })
})

describe('a probe', () => {
  test('has to be passed before a channel is lent', async () => {
    let isWell = false
    const probe = async (channel: Channel): Promise<void> => {
      await ping(channel)
      if (!isWell) throw new Error('still warming up')
    }
    await using made = await create({ probe })
    const { pool } = made
    await expect(pool.getConnection()).rejects.toThrow('still warming up')
    expect(counts(pool).active).toBe(0)
    isWell = true
    await ping(await pool.getConnection())
    expect(pool.getStatus().totalErrors).toBe(1)
  })

  test('that leaves something unread spoils the channel', async () => {
    const probe = async (channel: Channel): Promise<void> => {
      await channel.writeAll(PING)
      await channel.readExact(1)
    }
    await using made = await create({ probe })
    await expect(made.pool.getConnection()).rejects.toMatchObject({ name: 'ChannelClosedError' })
  })
})

describe('cleaning up', () => {
  test('closes what nobody needs, down to what is kept ready', async () => {
    await using made = await create({ minIdle: 1, idleTimeoutMs: 10_000, cleanupIntervalMs: 1_000 })
    const { pool, server, passes } = made
    pool.startCleanup()
    pool.startCleanup()
    const all = await Promise.all([0, 1, 2].map(() => pool.getConnection()))
    for (const channel of all) channel.release()
    passes(9_000)
    expect(counts(pool).idle).toBe(3)
    passes(2_000)
    expect(counts(pool).idle).toBe(1)
    pool.stopCleanup()
    // Others in their place, when they are needed again, are no reconnects.
    await Promise.all([0, 1, 2].map(() => pool.getConnection()))
    expect(server.connections).toBe(5)
    expect(pool.getStatus().totalReconnects).toBe(0)
  })

  test('replaces channels that are too old, each a little earlier than it must', async () => {
    await using made = await create({ minIdle: 2, maxAgeMs: 100_000 })
    const { pool, passes } = made
    await pool.start()
    const before = pool.getStatus().connections.map(({ connectionId }) => connectionId)
    passes(94_900)
    pool.cleanUp()
    expect(pool.getStatus().totalReconnects).toBe(0)
    passes(200)
    pool.cleanUp()
    await until(() => counts(pool).idle === 2)
    const after = pool.getStatus().connections.map(({ connectionId }) => connectionId)
    expect(after.some(id => before.includes(id))).toBe(false)
    expect(pool.getStatus().totalReconnects).toBe(2)
  })

  test('replaces channels that answer too slowly, and forgets old latencies', async () => {
    await using made = await create({ minIdle: 1, maxLatencyMs: 100, histogramRotationIntervalMs: 60_000 })
    const { pool, clock, passes } = made
    const slow = async (ms: number): Promise<void> => {
      await using channel = await pool.getConnection()
      await channel.writeAll(PING)
      clock.advance(ms)
      await channel.readExact(PING.length)
    }
    await slow(80)
    expect(pool.getStatus().poolP95LatencyMs).toBeGreaterThanOrEqual(80)
    passes(60_000)
    pool.cleanUp()
    expect(pool.getStatus().poolP95LatencyMs).toBe(0)
    const [kept] = pool.getStatus().connections
    await slow(200)
    pool.cleanUp()
    await ping(await pool.getConnection())
    expect(pool.getStatus().connections.map(({ connectionId }) => connectionId)).not.toContain(
      kept!.connectionId
    )
  })
})

describe('a pool that is drained', () => {
  test('waits for whoever is there, and takes nobody else', async () => {
    await using made = await create({ maxConnections: 1 })
    const { pool, server } = made
    const channel = await pool.getConnection()
    const waiting = pool.getConnection()
    const drained = pool.drain()
    await expect(pool.getConnection()).rejects.toMatchObject({ name: 'PoolClosedError' })
    expect(pool.getStatus().isDraining).toBe(true)
    await ping(channel)
    channel.release()
    const last = await waiting
    await ping(last)
    last.release()
    expect(await drained).toBe(0)
    expect(counts(pool)).toEqual({ active: 0, idle: 0, opening: 0, waiting: 0 })
    await server.empty()
  })

  test('closes what is still in use in the end, and tells how much that was', async () => {
    await using made = await create()
    const { pool, passes } = made
    const [one] = await Promise.all([pool.getConnection(), pool.getConnection(), pool.getConnection()])
    const read = expect(one.readExact(1, { timeoutMs: 60_000 })).rejects.toMatchObject({
      name: 'ChannelClosedError'
    })
    const drained = pool.drain(5_000)
    passes(5_000)
    expect(await drained).toBe(3)
    await read
  })

  test('can be closed meanwhile', async () => {
    await using made = await create()
    const { pool } = made
    await pool.getConnection()
    const drained = pool.drain()
    pool.close()
    expect(await drained).toBe(0)
  })
})

test('a pool that is closed leaves nothing behind', async () => {
  await using made = await create({ minIdle: 2, maxConnections: 3 })
  const { pool, server, clock } = made
  await pool.start()
  pool.startCleanup()
  await Promise.all([pool.getConnection(), pool.getConnection(), pool.getConnection()])
  const waiting = expect(pool.getConnection()).rejects.toMatchObject({ name: 'PoolClosedError' })
  pool.close()
  pool.close()
  await waiting
  await server.empty()
  expect(clock.pendingTimers).toBe(0)
  await expect(pool.start()).rejects.toMatchObject({ name: 'PoolClosedError' })
  expect(() => pool.startCleanup()).toThrow('closed')
})

test('a pool that is closed while it connects leaves nothing behind', async () => {
  await using made = await create({ minIdle: 5 })
  const { pool, server, clock } = made
  const started = pool.start()
  pool.close()
  await started
  await server.empty()
  expect([clock.pendingTimers, counts(pool).active]).toEqual([0, 0])
})

test('a pool that is closed does not wait for an endpoint that says nothing', async () => {
  await using server = await TestServer.raw(() => {})
  const { pool, clock } = poolTo(server.endpoint, { minIdle: 2 })
  const started = pool.start()
  await server.connected(2)
  pool.close()
  await started
  await server.empty()
  expect({ ...counts(pool), timers: clock.pendingTimers }).toMatchObject({ opening: 0, timers: 0 })
})

test('an instance of the class is disposed of by draining', async () => {
  await using made = await create()
  const { pool } = made
  {
    await using used = pool
    await using channel = await used.getConnection()
    await ping(channel)
  }
  await expect(pool.getConnection()).rejects.toMatchObject({ name: 'PoolClosedError' })
})

describe('events', () => {
  test('tell of channels that are opened and closed, with the reason, and of those that could not be', async () => {
    await using made = await create()
    const { pool, server } = made
    const events: PoolEvent[] = []
    const end = pool.onEvent(event => events.push(event))
    const channel = await pool.getConnection()
    channel.discard()
    await server[Symbol.asyncDispose]()
    await expect(pool.getConnection()).rejects.toMatchObject({ name: 'ConnectError' })
    expect(events.map(({ type, connectionId }) => [type, connectionId])).toEqual([
      ['connection:open', channel.id],
      ['connection:close', channel.id],
      ['connection:fail', undefined]
    ])
    expect(events.map(({ error }) => error?.name)).toEqual([undefined, 'ChannelClosedError', 'ConnectError'])
    expect(new Set(events.map(({ endpoint }) => endpoint))).toEqual(new Set([pool.endpoint]))
    end()
    await expect(pool.getConnection()).rejects.toThrow()
    expect(events).toHaveLength(3)
  })

  test('tell of the circuit, and not of calls that it refuses', async () => {
    const { pool } = poolTo('127.0.0.1:1', { breaker: { readyToTrip: tripAt({ consecutiveFailures: 2 }) } })
    const types: string[] = []
    pool.onEvent(({ type }) => types.push(type))
    for (let time = 0; time < 4; time++) await expect(pool.getConnection()).rejects.toThrow()
    expect(types.filter(type => type !== 'health:change')).toEqual([
      'connection:fail',
      'circuit:open',
      'connection:fail'
    ])
    pool.close()
  })

  test('that a listener throws at change nothing', async () => {
    await using made = await create()
    made.pool.onEvent(() => {
      throw new Error('of the listener')
    })
    await using channel = await made.pool.getConnection()
    await ping(channel)
  })
})

test('answers are counted by how long they took, also those on channels that are gone', async () => {
  await using made = await create()
  const { pool, clock } = made
  for (const ms of [7, 70]) {
    const channel = await pool.getConnection()
    await channel.writeAll(PING)
    clock.advance(ms)
    await channel.readExact(PING.length)
    channel.discard()
  }
  const { answerTimes } = pool.getSummary()
  expect(answerTimes).toMatchObject({ count: 2, sumMs: 77 })
  expect(answerTimes.atMost[LATENCY_BOUNDS_MS.indexOf(10)]).toBe(1)
})

test('the summary is the status without what there is of each channel', async () => {
  await using made = await create()
  const { pool } = made
  await using channel = await pool.getConnection()
  await ping(channel)
  const { connections, poolP95LatencyMs, ...rest } = pool.getStatus()
  expect(pool.getSummary()).toEqual(rest)
  expect(connections).toHaveLength(1)
  expect(poolP95LatencyMs).toBe(connections[0]!.p95LatencyMs)
  expect(pool.namespace).toBe('secure_channel')
})
