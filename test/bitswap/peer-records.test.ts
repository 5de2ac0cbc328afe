import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PeerRecords, RECORDS_KEY, SET_ASIDE_KEY } from '../../src/bitswap/peer-records.ts'
import { encodeRecords, MAX_BYTES } from '../../src/bitswap/record-format.ts'
import type { BadRecord, BadRecords, ProtectionOptions } from '../../src/core/index.ts'
import { createProtection } from '../support/deterministic-protection.ts'
import { fail, settlePromises, succeed, targetOf } from '../support/drive.ts'
import { FakeDatastore, type Mood } from './support/datastore.ts'
import { createManager } from './support/manager.ts'
import { createLogger, peerOf } from './support/peers.ts'
import { settle } from './support/streams.ts'

const HOUR_MS = 60 * 60_000
const START = 1_767_225_600_000
const SAVE_DELAY_MS = 10_000
const START_WAIT_MS = 250
const STOP_WAIT_MS = 1_000

const STORED = '/bitswap-protection/v1/records'
const ASIDE = '/bitswap-protection/v1/set-aside'
const PUT = `put ${STORED}`
const GET = `get ${STORED}`

/** Records on a datastore, of a protection whose circuits open at two failures and stay OPEN for long. */
function create(datastore = new FakeDatastore(), options: Partial<ProtectionOptions> = {}) {
  const created = createProtection({
    maxEjectedShare: 1,
    ...options,
    breaker: { timeoutMs: 60_000, ...options.breaker }
  })
  const { protection, clock } = created
  const { log, errors } = createLogger()
  const records = new PeerRecords(protection, datastore, HOUR_MS, clock, log)
  /** Waits for nothing but promises. */
  const isDone = (promise: Promise<void>): Promise<boolean> =>
    Promise.race([promise.then(() => true), settle().then(() => false)])
  return {
    ...created,
    datastore,
    records,
    errors,
    isDone,
    start: async () => {
      records.start()
      expect(await isDone(records.ready())).toBe(true)
    },
    flush: async () => expect(await isDone(records.flush())).toBe(true),
    open: (key: string) => fail(targetOf(protection, key), 2),
    state: (key: string) => protection.getPeerStatus(key)?.circuitState,
    advance: async (ms: number) => {
      clock.advance(ms)
      await settle()
    }
  }
}

/** The keys of the records that are stored, in alphabetical order. */
function storedIn(datastore: FakeDatastore): string[] | undefined {
  const bytes = datastore.values.get(STORED)
  if (bytes === undefined) return undefined
  const { records }: BadRecords = JSON.parse(new TextDecoder().decode(bytes))
  return records.map(({ key }) => key).sort()
}

const bad: BadRecord = {
  key: 'bad',
  state: 'OPEN',
  retryAt: START + 5000,
  isRecovering: false,
  isIsolated: false,
  trips: 2,
  relapses: 0,
  lastTrip: undefined
}

/** A datastore in which that was stored. */
function holding(saved: BadRecords = { savedAt: START, records: [bad] }): FakeDatastore {
  const datastore = new FakeDatastore()
  datastore.values.set(STORED, encodeRecords(saved))
  return datastore
}

test('keys are below one of our own, with the version in it', () => {
  expect([RECORDS_KEY.toString(), SET_ASIDE_KEY.toString()]).toEqual([STORED, ASIDE])
})

describe('what is held against peers', () => {
  test('is known again after a restart, and time has gone on', async () => {
    const before = create()
    await before.start()
    before.open('bad')
    before.protection.isolate('isolated')
    succeed(targetOf(before.protection, 'good'), 5)
    await before.flush()
    before.records.stop()

    const after = create(before.datastore)
    after.clock.advance(20_000)
    await after.start()
    expect(Array.from(after.protection.peers(), ({ key }) => key)).toEqual(['isolated', 'bad'])
    expect(after.protection.getPeerStatus('bad')).toMatchObject({
      circuitState: 'OPEN',
      nextRetryAt: START + 60_001,
      trips: 1,
      lastTrip: { reason: 'FAILURES' }
    })
    expect(after.protection.getPeerStatus('isolated')?.isIsolated).toBe(true)
    await after.advance(40_001)
    expect(after.state('bad')).toBe('HALF_OPEN')
    expect(after.errors).toEqual([])
  })

  test('survives any number of restarts', async () => {
    const datastore = new FakeDatastore()
    const first = create(datastore)
    await first.start()
    first.open('bad')
    await first.flush()
    for (let restart = 1; restart < 10; restart++) {
      const next = create(datastore)
      next.clock.advance(restart * 5000)
      await next.start()
      await next.advance(2000)
      expect(next.protection.getPeerStatus('bad')?.nextRetryAt).toBe(START + 60_001)
      await next.flush()
      next.records.stop()
    }
  })

  test('is read once', async () => {
    const { records, start, datastore, protection, open } = create(holding())
    await start()
    protection.release('bad')
    records.stop()
    open('other')
    await start()
    expect(datastore.asked.filter(asked => asked === GET)).toHaveLength(1)
  })

  test('and nothing is stored when there is nothing to store', async () => {
    const { start, flush, advance, protection, datastore } = create()
    await start()
    succeed(targetOf(protection, 'good'), 100)
    await advance(HOUR_MS)
    await flush()
    expect(datastore.asked).toEqual([GET])
  })
})

describe('changes are stored', () => {
  test('together, some time after the first of them', async () => {
    const { start, open, advance, datastore, protection } = create()
    await start()
    open('a')
    await advance(SAVE_DELAY_MS - 1)
    open('b')
    protection.isolate('c')
    expect(datastore.asked).toEqual([GET])
    await advance(1)
    expect(datastore.asked).toEqual([GET, PUT])
    expect(storedIn(datastore)).toEqual(['a', 'b', 'c'])
    await advance(SAVE_DELAY_MS)
    expect(datastore.asked).toEqual([GET, PUT])
    protection.release('c')
    await advance(SAVE_DELAY_MS)
    expect(storedIn(datastore)).toEqual(['a', 'b'])
  })

  test('with one timer, however many peers there are', async () => {
    const { start, open, clock, records, advance } = create()
    await start()
    for (let peer = 0; peer < 100; peer++) open(`peer ${peer}`)
    // The other is that of the protection.
    expect(clock.pendingTimers).toBe(2)
    records.stop()
    expect(clock.pendingTimers).toBe(1)
    open('one more')
    expect(clock.pendingTimers).toBe(1)
    await advance(SAVE_DELAY_MS)
    expect(clock.pendingTimers).toBe(1)
  })

  test('not when it is health alone', async () => {
    const { start, advance, datastore, protection, takeEvents } = create()
    await start()
    succeed(targetOf(protection, 'good'), 100)
    fail(targetOf(protection, 'good'))
    fail(targetOf(protection, 'bad'))
    expect(new Set(takeEvents())).toEqual(new Set(['health:change']))
    await advance(SAVE_DELAY_MS)
    expect(datastore.asked).toEqual([GET])
  })

  test('when the node stops, and what was stored is made up to date', async () => {
    const { start, flush, advance, datastore, open } = create(new FakeDatastore(), {
      breaker: { timeoutMs: 1000 }
    })
    await start()
    open('bad')
    await flush()
    expect(storedIn(datastore)).toEqual(['bad'])
    await advance(1001)
    await advance(SAVE_DELAY_MS)
    // Nothing is told of when it is old enough.
    await advance(HOUR_MS)
    const { length } = datastore.asked
    expect(storedIn(datastore)).toEqual(['bad'])
    await flush()
    expect(storedIn(datastore)).toEqual([])
    expect(datastore.asked).toHaveLength(length + 1)
    await flush()
    expect(datastore.asked).toHaveLength(length + 1)
  })

  test('after the next start, if there was no time to do it before', async () => {
    const { start, advance, datastore, open, records } = create()
    await start()
    open('bad')
    records.stop()
    await advance(SAVE_DELAY_MS)
    expect(datastore.asked).toEqual([GET])
    await start()
    await advance(SAVE_DELAY_MS)
    expect(storedIn(datastore)).toEqual(['bad'])
  })

  test('even if they come while others are being stored', async () => {
    const { start, advance, datastore, open } = create()
    await start()
    open('a')
    datastore.mood = 'hanging'
    await advance(SAVE_DELAY_MS)
    open('b')
    await advance(5 * SAVE_DELAY_MS)
    expect(datastore.asked).toEqual([GET, PUT])
    datastore.release()
    await settlePromises()
    expect(storedIn(datastore)).toEqual(['a'])
    await advance(SAVE_DELAY_MS)
    expect(storedIn(datastore)).toEqual(['a', 'b'])
  })

  test('anew after they were taken up, in the time of this computer', async () => {
    // Stored by one whose clock was ahead by a year.
    const ahead = START + 365 * 24 * HOUR_MS
    const { start, advance, datastore, clock } = create(
      holding({ savedAt: ahead, records: [{ ...bad, retryAt: ahead + 50_000 }] })
    )
    await start()
    await advance(SAVE_DELAY_MS)
    const next = create(datastore)
    next.clock.advance(clock.now())
    await next.start()
    expect(next.protection.getPeerStatus('bad')?.nextRetryAt).toBe(START + 50_001)
  })
})

describe('what was learned before the stored records came', () => {
  test('goes before them, and is stored together with them', async () => {
    const datastore = holding({ savedAt: START, records: ['a', 'b'].map(key => ({ ...bad, key })) })
    datastore.mood = 'hanging'
    const { records, open, protection, advance, flush, isDone } = create(datastore)
    records.start()
    const started = records.ready()
    succeed(targetOf(protection, 'a'))
    open('c')
    await advance(START_WAIT_MS)
    expect(await isDone(started)).toBe(true)
    // Nothing is written over before it is read.
    await advance(SAVE_DELAY_MS)
    expect(datastore.asked).toEqual([GET])
    datastore.release()
    await settle()
    expect(Array.from(protection.peers(), ({ key, trips }) => [key, trips])).toEqual([
      ['a', 0],
      ['c', 1],
      ['b', 2]
    ])
    await flush()
    expect(storedIn(datastore)).toEqual(['b', 'c'])
  })

  test('is not mixed with them once the service was stopped, but after its next start', async () => {
    const datastore = holding()
    datastore.mood = 'hanging'
    const { records, clock, isDone, state, start } = create(datastore)
    records.start()
    const started = records.ready()
    records.stop()
    expect(clock.pendingTimers).toBe(0)
    expect(await isDone(started)).toBe(true)
    datastore.release()
    await settle()
    expect(state('bad')).toBeUndefined()
    expect(clock.pendingTimers).toBe(0)
    await start()
    expect(state('bad')).toBe('OPEN')
  })

  test('is not stored by a service that was stopped before it had read', async () => {
    const datastore = holding()
    datastore.mood = 'hanging'
    const { records, open, flush } = create(datastore)
    records.start()
    records.stop()
    open('other')
    datastore.release()
    await settle()
    await flush()
    expect(storedIn(datastore)).toEqual(['bad'])
  })
})

describe('a datastore that is out of order', () => {
  const moods: Mood[] = ['throwing', 'rejecting']

  test.each(moods)('(%s) does no harm, and is asked again when something changes', async mood => {
    const datastore = holding()
    datastore.mood = mood
    const { start, flush, advance, open, errors, state } = create(datastore)
    await start()
    expect(errors).toHaveLength(1)
    open('a')
    await advance(SAVE_DELAY_MS)
    expect(datastore.asked).toEqual([GET, GET])
    await flush()
    expect(errors).toHaveLength(3)
    await advance(3 * SAVE_DELAY_MS)
    expect(errors).toHaveLength(3)
    datastore.mood = 'prompt'
    open('b')
    await advance(SAVE_DELAY_MS)
    expect(storedIn(datastore)).toEqual(['a', 'b', 'bad'])
    expect(state('bad')).toBeDefined()
  })

  test.each(moods)('(%s) loses nothing that changed before', async mood => {
    const { start, flush, advance, open, errors, datastore } = create()
    await start()
    datastore.mood = mood
    open('a')
    await advance(SAVE_DELAY_MS)
    expect(datastore.asked).toEqual([GET, PUT])
    expect(errors).toHaveLength(1)
    datastore.mood = 'prompt'
    await flush()
    expect(storedIn(datastore)).toEqual(['a'])
  })

  test('and hangs holds up the start for a short time only', async () => {
    const datastore = holding()
    datastore.mood = 'hanging'
    const { records, advance, isDone, clock } = create(datastore)
    records.start()
    const started = records.ready()
    expect(await isDone(started)).toBe(false)
    await advance(START_WAIT_MS - 1)
    expect(await isDone(started)).toBe(false)
    await advance(1)
    expect(await isDone(started)).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  test('and hangs holds up the stop for a short time only, and is asked for nothing more', async () => {
    const { start, records, advance, isDone, open, datastore } = create()
    await start()
    datastore.mood = 'hanging'
    open('a')
    await advance(SAVE_DELAY_MS)
    for (let round = 0; round < 3; round++) {
      const flushed = records.flush()
      await advance(STOP_WAIT_MS - 1)
      expect(await isDone(flushed)).toBe(false)
      await advance(1)
      expect(await isDone(flushed)).toBe(true)
      open(`peer ${round}`)
      await advance(SAVE_DELAY_MS)
    }
    expect(datastore.asked).toEqual([GET, PUT])
  })

  test('and hangs leaves no timer behind when the service is stopped', async () => {
    const { start, records, clock, open, datastore, protection } = create()
    await start()
    datastore.mood = 'hanging'
    open('a')
    protection.close()
    void records.flush()
    records.stop()
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('what cannot be read', () => {
  test.each([
    ['{"version":2,"savedAt":1,"records":[]}', 'of version 2, not 1'],
    ['{"version":1,"savedAt":17672', 'no JSON object'],
    ['x'.repeat(MAX_BYTES + 1), `longer than ${MAX_BYTES} bytes`]
  ])('is set aside, and told: %.40s', async (text, problem) => {
    const datastore = new FakeDatastore()
    const bytes = new TextEncoder().encode(text)
    datastore.values.set(STORED, bytes)
    const { start, flush, open, errors } = create(datastore)
    await start()
    expect(datastore.values).toEqual(new Map([[ASIDE, bytes]]))
    expect(errors).toEqual([[expect.stringContaining('set aside'), problem]])
    open('bad')
    await flush()
    expect(storedIn(datastore)).toEqual(['bad'])
    expect(datastore.values.get(ASIDE)).toBe(bytes)
  })

  test('is not written over if it could not be set aside', async () => {
    const datastore = new FakeDatastore()
    const bytes = new TextEncoder().encode('{"version":2}')
    datastore.values.set(STORED, bytes)
    datastore.put = () => {
      throw new Error('The disk is full')
    }
    const { start, flush, open } = create(datastore)
    await start()
    open('bad')
    await flush()
    expect(datastore.values).toEqual(new Map([[STORED, bytes]]))
  })

  test('is never fatal, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async bytes => {
        const datastore = new FakeDatastore()
        datastore.values.set(STORED, bytes)
        const { start, flush, open } = create(datastore)
        await start()
        open('bad')
        await flush()
        expect(storedIn(datastore)).toEqual(['bad'])
        expect(datastore.values.get(ASIDE)).toBe(bytes)
      }),
      { numRuns: 50 }
    )
  })

  test('is also what is no bytes at all', async () => {
    const datastore = new FakeDatastore()
    datastore.values.set(STORED, 'text' as unknown as Uint8Array)
    const { start, errors } = create(datastore)
    await start()
    expect(errors).toHaveLength(1)
    datastore.values.set(STORED, null as unknown as Uint8Array)
    await create(datastore).start()
  })
})

test.each([
  [-100 * 365 * 24 * HOUR_MS, 'OPEN'],
  [-1, 'OPEN'],
  [60_001, 'HALF_OPEN'],
  [100 * 365 * 24 * HOUR_MS, 'HALF_OPEN']
])('a clock that jumped by %d ms while the node was down leaves a circuit %s', async (jumpMs, expected) => {
  const before = create()
  await before.start()
  before.open('bad')
  await before.flush()
  const after = create(before.datastore)
  const wallTime = after.clock.wallTime.bind(after.clock)
  after.clock.wallTime = () => wallTime() + jumpMs
  await after.start()
  expect(after.state('bad')).toBe(expected)
  await after.advance(60_001)
  expect(after.state('bad')).toBe('HALF_OPEN')
})

describe('the service', () => {
  const peer = peerOf(1)
  const breaker = { timeoutMs: 60_000 }

  /** A datastore of a node that stopped when it had just opened the circuit of the peer. */
  async function afterStop(): Promise<FakeDatastore> {
    const datastore = new FakeDatastore()
    const { manager, open } = createManager({ breaker }, datastore)
    await manager.beforeStart()
    await open(peer)
    await manager.beforeStop()
    manager.stop()
    return datastore
  }

  test('keeps records over a restart of the node, and is told of the end of an OPEN time', async () => {
    const { manager, node, advance, status, handle, follow } = createManager({ breaker }, await afterStop())
    await manager.beforeStart()
    expect(status()).toMatchObject({ circuitState: 'OPEN', nextRetryAt: START + 60_001 })
    await handle()
    const connection = node.connect(peer)
    const attempt = follow(connection.newStream('/ipfs/bitswap/1.2.0'))
    await settle()
    expect(attempt.error).toMatchObject({ name: 'CircuitOpenError' })
    // What was held back is owed to the peer.
    const told = node.follow()
    await advance(60_002)
    expect(status()?.circuitState).toBe('HALF_OPEN')
    expect(told).toEqual([[peer, connection]])
    manager.stop()
  })

  test('does not dial who was OPEN before, if that is wanted', async () => {
    const { manager, node } = createManager({ breaker, gateDials: true }, await afterStop())
    await manager.beforeStart()
    expect(await node.connectionGater.denyDialPeer?.(peer)).toBe(true)
    expect(await node.connectionGater.denyDialPeer?.(peerOf(2))).toBe(false)
    manager.stop()
  })

  test('leaves no timer when it is stopped, and stores what it knows without it', async () => {
    const datastore = new FakeDatastore()
    const { manager, open, clock } = createManager({ breaker }, datastore)
    await manager.beforeStart()
    await open(peer)
    manager.stop()
    expect(clock.pendingTimers).toBe(0)
    await manager.beforeStop()
    expect(storedIn(datastore)).toEqual([peer.toString()])
    expect(clock.pendingTimers).toBe(0)
  })

  test('stores what it knew even if it was closed', async () => {
    const datastore = new FakeDatastore()
    const { manager, open } = createManager({ breaker }, datastore)
    await manager.beforeStart()
    await open(peer)
    manager.close()
    await manager.beforeStop()
    expect(storedIn(datastore)).toEqual([peer.toString()])
  })

  test('keeps nothing if that is not wanted', async () => {
    const datastore = await afterStop()
    datastore.asked.length = 0
    const { manager, open, status, advance } = createManager({ breaker, recordMaxAgeMs: 0 }, datastore)
    await manager.beforeStart()
    expect(status()).toBeUndefined()
    await open(peer)
    await advance(SAVE_DELAY_MS)
    await manager.beforeStop()
    manager.stop()
    expect(datastore.asked).toEqual([])
  })

  test('keeps nothing if there is nowhere to keep it', async () => {
    const { manager, open } = createManager({ breaker })
    await manager.beforeStart()
    await open(peer)
    await manager.beforeStop()
    manager.stop()
  })

  test.each([-1, Number.NaN, Infinity, '1h', null])('knows no age of %o', value => {
    expect(() => createManager({ recordMaxAgeMs: value as number })).toThrow(
      'bitswapProtection.recordMaxAgeMs'
    )
  })

  test('keeps them for an hour by default', async () => {
    const datastore = new FakeDatastore()
    const { manager, open, advance } = createManager({ breaker: { timeoutMs: 2 * HOUR_MS } }, datastore)
    await manager.beforeStart()
    await open(peer)
    await advance(HOUR_MS)
    await manager.beforeStop()
    expect(storedIn(datastore)).toEqual([peer.toString()])
    await advance(1)
    await manager.beforeStop()
    expect(storedIn(datastore)).toEqual([])
  })
})
