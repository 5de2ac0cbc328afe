import { describe, expect, test } from 'vitest'
import { type BadRecord, type BadRecords, ManualClock, Protection, SUCCESS } from '../../src/core/index.ts'
import { createProtection, STEP_MS, TIMEOUT_MS } from '../support/deterministic-protection.ts'
import { fail, ignore, offer, succeed, targetOf } from '../support/drive.ts'

const HOUR_MS = 60 * 60_000
/** When the clocks here begin, in ms since 1970. */
const START = 1_767_225_600_000

type Options = Parameters<typeof createProtection>[0]

/** A protection that lets all be ejected, after so much time in ms. */
function create(options: Options = {}, ageMs = 0) {
  const created = createProtection({ maxEjectedShare: 1, ...options })
  created.advance(ageMs)
  const { protection, clock } = created
  return {
    ...created,
    target: (key: string) => targetOf(protection, key),
    saved: () => protection.badRecords(HOUR_MS),
    restore: (saved: BadRecords, maxAgeMs = HOUR_MS) => protection.restore(saved, maxAgeMs),
    status: (key: string) => {
      const status = protection.getPeerStatus(key)
      if (status === undefined) throw new Error(`Nothing is known of ${key}`)
      return status
    },
    now: () => clock.wallTime()
  }
}

const counts = {
  requests: 2,
  totalSuccesses: 0,
  totalFailures: 2,
  totalExclusions: 0,
  consecutiveSuccesses: 0,
  consecutiveFailures: 2
}

/** A record of a circuit that opened just when it was saved, at the start of the clocks. */
const bad: BadRecord = {
  key: 'bad',
  state: 'OPEN',
  retryAt: START + 600,
  isRecovering: false,
  isIsolated: false,
  trips: 1,
  relapses: 0,
  lastTrip: { reason: 'FAILURES', at: START, counts }
}

/** What was saved at some time: records that differ from {@link bad} in this, or the one that does not. */
function savedAt(at: number, ...differences: Array<Partial<BadRecord>>): BadRecords {
  if (differences.length === 0) return { savedAt: at, records: [bad] }
  return { savedAt: at, records: differences.map(difference => ({ ...bad, ...difference })) }
}

describe('what is held against targets', () => {
  test('is that a circuit is OPEN: until when, since when and why, and how often it was', () => {
    const { target, saved, advance } = create({}, 5000)
    fail(target('bad'), 2)
    advance(400)
    expect(saved()).toEqual(
      savedAt(START + 5400, { retryAt: START + 6000, lastTrip: { ...bad.lastTrip!, at: START + 5000 } })
    )
  })

  test('is that it is HALF_OPEN', () => {
    const { target, saved, advance } = create()
    fail(target('bad'), 2)
    advance(TIMEOUT_MS + 1)
    expect(saved().records).toEqual([{ ...bad, state: 'HALF_OPEN', retryAt: undefined }])
  })

  test('is that it recovers, and then that it was OPEN, until that is forgiven', () => {
    const { target, saved, advance } = create({ breaker: { timeoutDecayMs: 60_000 } })
    fail(target('bad'), 2)
    advance(TIMEOUT_MS + 1)
    succeed(target('bad'))
    const closed = { ...bad, state: 'CLOSED', retryAt: undefined }
    expect(saved().records).toEqual([{ ...closed, isRecovering: true }])
    for (let step = 0; step < 4; step++) {
      offer(target('bad'), 'success')
      offer(target('bad'), 'success')
      advance(STEP_MS)
    }
    expect(saved().records).toEqual([closed])
    advance(60_000 - 4 * STEP_MS - 1)
    expect(saved().records).toEqual([closed])
    advance(1)
    expect(saved().records).toEqual([])
  })

  test('is that it was isolated by hand, for as long as it is', () => {
    const { protection, saved, advance } = create()
    protection.isolate('bad')
    advance(100 * HOUR_MS)
    expect(saved().records).toEqual([
      {
        ...bad,
        state: 'CLOSED',
        retryAt: undefined,
        isIsolated: true,
        trips: 0,
        relapses: 0,
        lastTrip: undefined
      }
    ])
    protection.release('bad')
    expect(saved().records).toEqual([])
  })

  test('is nothing of what is healthy, failing, suspect, or just in use', () => {
    const { protection, target, saved } = create()
    succeed(target('healthy'), 10)
    fail(target('failing'))
    ignore(target('new'))
    target('busy').admit()
    protection.suspect('suspect')
    expect(saved().records).toEqual([])
  })

  test('is nothing of what they did longer ago than is asked for', () => {
    const { protection, target, advance } = create({ breaker: { timeoutMs: 2 * HOUR_MS } })
    fail(target('bad'), 2)
    advance(HOUR_MS)
    expect(protection.badRecords(HOUR_MS).records).toHaveLength(1)
    expect(protection.badRecords(HOUR_MS - 1).records).toHaveLength(0)
    advance(1)
    expect(protection.badRecords(HOUR_MS).records).toHaveLength(0)
  })

  test('is no more than that it is isolated, if the rest is too long ago', () => {
    const { protection, target, saved, advance } = create({ breaker: { timeoutMs: 2 * HOUR_MS } })
    fail(target('bad'), 2)
    protection.isolate('bad')
    advance(HOUR_MS)
    expect(saved().records).toMatchObject([{ state: 'OPEN', isIsolated: true, trips: 1 }])
    advance(1)
    expect(saved().records).toMatchObject([{ state: 'CLOSED', isIsolated: true, trips: 0 }])
  })

  test('is nothing of those who share a record', () => {
    const { target, saved } = create({ maxTargets: 1 })
    fail(target('bad'), 2)
    fail(target('one too many'), 2)
    expect(saved().records.map(({ key }) => key)).toEqual(['bad'])
  })

  test('is plain data, frozen, with whole numbers', () => {
    const clock = new ManualClock(0.3, START + 0.5)
    const protection = new Protection({}, { clock, random: () => 0.123 })
    fail(targetOf(protection, 'bad'), 5)
    clock.advance(0.7)
    const saved = protection.badRecords(HOUR_MS)
    expect(JSON.parse(JSON.stringify(saved))).toEqual(saved)
    for (const part of [saved, saved.records, saved.records[0], saved.records[0]!.lastTrip]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
    for (const time of [saved.savedAt, saved.records[0]!.retryAt, saved.records[0]!.lastTrip!.at]) {
      expect(Number.isSafeInteger(time)).toBe(true)
    }
  })
})

describe('after a restart', () => {
  test('all is as it was, whatever the new clock shows', () => {
    const before = create({ breaker: { timeoutGrowth: 2 } }, 123_456)
    fail(before.target('bad'), 2)
    before.protection.isolate('isolated')
    succeed(before.target('healthy'))
    before.advance(300)
    const saved = before.saved()

    const { protection, restore, status, takeEvents, clock } = create({ breaker: { timeoutGrowth: 2 } })
    clock.advance(7)
    expect(restore({ ...saved, savedAt: saved.savedAt - 123_456 + 7 - 300 })).toBe(2)
    // Its clock lags: no time has passed.
    expect(restore(saved)).toBe(1)
    expect(protection.getPeerStatus('healthy')).toBeUndefined()
    expect(status('isolated')).toMatchObject({ isIsolated: true, trips: 0, lastTrip: undefined })
    expect(status('bad')).toMatchObject({
      circuitState: 'OPEN',
      trips: 1,
      lastTrip: { reason: 'FAILURES', counts }
    })
    expect(protection.canAdmit('bad')).toBe(false)
    // Nothing happened, so nothing is told.
    expect(takeEvents()).toEqual([])
  })

  test('what is saved again is the same', () => {
    const before = create()
    fail(before.target('a'), 2)
    before.advance(100)
    fail(before.target('b'), 2)
    before.advance(TIMEOUT_MS - 50)
    before.protection.isolate('c')
    const saved = before.saved()
    const after = create({}, before.clock.now())
    expect(after.restore(saved)).toBe(3)
    expect(after.saved()).toEqual(saved)
  })

  test('time goes on: the circuit is tried, closes, and recovers', () => {
    const { target, restore, status, advance, takeEvents } = create({ breaker: { timeoutGrowth: 2 } }, 200)
    restore(savedAt(START, { trips: 3 }))
    expect(status('bad').nextRetryAt).toBe(START + 601)
    advance(400)
    expect(status('bad').circuitState).toBe('OPEN')
    // Nobody has to ask: those who wait for it are told.
    advance(251)
    expect(takeEvents()).toEqual(['circuit:half-open'])
    succeed(target('bad'))
    expect(takeEvents()).toEqual(['circuit:close', 'recovery:start'])
    expect(status('bad')).toMatchObject({ isRecovering: true, trips: 3 })
  })

  test('the OPEN time grows on from where it was', () => {
    const { target, restore, status, advance, now } = create({ breaker: { timeoutGrowth: 2 } })
    restore(savedAt(START, { trips: 3 }))
    advance(601)
    fail(target('bad'))
    expect(status('bad')).toMatchObject({ trips: 4, nextRetryAt: now() + 8 * TIMEOUT_MS + 1 })
  })

  test('the proof asked for is that of before', () => {
    const breaker = { maxRequests: 10, successThreshold: 2, proofGrowth: 2 }
    const { target, restore, status, advance } = create({ breaker })
    restore(savedAt(START, { trips: 5, relapses: 1 }))
    advance(601)
    succeed(target('bad'), 3)
    expect(status('bad').circuitState).toBe('HALF_OPEN')
    succeed(target('bad'))
    expect(status('bad')).toMatchObject({ circuitState: 'CLOSED', trips: 5, relapses: 1 })
  })

  test('trips are forgiven for time that is spent CLOSED from then on', () => {
    const { restore, status, advance } = create({ breaker: { timeoutDecayMs: 1000 } }, 10_000)
    restore(savedAt(START, { state: 'CLOSED', retryAt: undefined, trips: 2, relapses: 1 }))
    expect(status('bad')).toMatchObject({
      circuitState: 'CLOSED',
      trips: 2,
      relapses: 1,
      isRecovering: false
    })
    advance(1999)
    expect(status('bad')).toMatchObject({ trips: 1, relapses: 0 })
    advance(1)
    expect(status('bad').trips).toBe(0)
  })

  test('one that was HALF_OPEN is, and may be probed as often as any', () => {
    const { target, restore, status, takeEvents } = create({
      breaker: { maxRequests: 2, successThreshold: 2 }
    })
    restore(savedAt(START, { state: 'HALF_OPEN', retryAt: undefined }))
    expect(status('bad').circuitState).toBe('HALF_OPEN')
    expect(takeEvents()).toEqual(['circuit:half-open'])
    const probes = [target('bad').admit(), target('bad').admit()]
    expect(() => target('bad').admit()).toThrow()
    for (const probe of probes) probe.settle('success')
    expect(status('bad')).toMatchObject({ isRecovering: true, trips: 1 })
  })

  test('one that was recovering begins anew', () => {
    const { target, restore, status } = create()
    restore(savedAt(START, { state: 'CLOSED', retryAt: undefined, isRecovering: true }))
    expect(status('bad')).toMatchObject({ isRecovering: true, recoveryRate: 0.5 })
    const admitted = Array.from({ length: 10 }, () => offer(target('bad'), 'ignored'))
    expect(admitted.filter(Boolean)).toHaveLength(5)
  })

  test('an isolated one can be released, and then is as it would be without', () => {
    const { protection, restore, status } = create()
    restore(savedAt(START, { isIsolated: true }))
    expect(status('bad')).toMatchObject({ isIsolated: true, circuitState: 'OPEN', nextRetryAt: undefined })
    protection.release('bad')
    expect(status('bad')).toMatchObject({ isIsolated: false, circuitState: 'OPEN', nextRetryAt: START + 601 })
  })

  test('what was learned since goes before it', () => {
    const { protection, target, restore, status } = create()
    const keys = ['succeeded', 'failed', 'opened', 'isolated', 'suspect', 'asked', 'busy', 'ignored']
    succeed(target('succeeded'))
    fail(target('failed'))
    fail(target('opened'), 2)
    protection.isolate('isolated')
    protection.suspect('suspect')
    protection.canAdmit('asked')
    const call = target('busy').admit()
    ignore(target('ignored'))
    expect(restore(savedAt(START, ...keys.map(key => ({ key, trips: 7 }))))).toBe(3)
    expect(keys.filter(key => status(key).trips === 7)).toEqual(['asked', 'busy', 'ignored'])
    expect(status('succeeded')).toMatchObject({ circuitState: 'CLOSED', counts: { totalSuccesses: 1 } })
    expect(status('opened').trips).toBe(1)
    // The call that was under way is done with like any whose circuit opened meanwhile.
    call.settle('success')
    expect(status('busy')).toMatchObject({ circuitState: 'OPEN', inFlight: 0, trips: 7 })
  })

  test('what was learned long ago goes before it, too', () => {
    const { target, restore, advance, status } = create({ breaker: { intervalMs: 1000 } })
    const admitted = target('bad').admit()
    advance(1)
    admitted.settle('success')
    advance(50_000)
    expect(status('bad').counts.requests).toBe(0)
    expect(restore(savedAt(START + 50_000))).toBe(0)
    expect(status('bad').circuitState).toBe('CLOSED')
  })

  test('who was isolated is isolated, whatever was learned since', () => {
    const { target, restore, status } = create()
    succeed(target('bad'))
    expect(restore(savedAt(START, { isIsolated: true }))).toBe(1)
    expect(status('bad')).toMatchObject({ isIsolated: true, trips: 0 })
  })

  test('it is taken up once', () => {
    const { restore, target, advance, status } = create()
    expect(restore(savedAt(START, {}, {}))).toBe(1)
    expect(restore(savedAt(START))).toBe(0)
    advance(TIMEOUT_MS)
    succeed(target('bad'))
    expect(restore(savedAt(START))).toBe(0)
    expect(status('bad').circuitState).toBe('CLOSED')
  })

  test('it is forgotten in the end', () => {
    const { protection, restore, advance } = create({ badMaxAgeMs: HOUR_MS })
    restore(savedAt(START))
    advance(HOUR_MS)
    expect(protection.getPeerStatus('bad')).toBeDefined()
    advance(10 * 60_000)
    expect(protection.getPeerStatus('bad')).toBeUndefined()
  })

  test('one timer is enough, and none is left', () => {
    const { protection, restore, clock } = create()
    restore(savedAt(START, {}, { key: 'b' }, { key: 'c', state: 'HALF_OPEN', retryAt: undefined }))
    expect(clock.pendingTimers).toBe(1)
    protection.close()
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('of times that are wrong', () => {
  const HALF_MS = TIMEOUT_MS / 2
  const breaker = { timeoutGrowth: 2, maxTimeoutMs: 5000, timeoutJitter: 0.2 }
  /** The longest time a circuit may be OPEN with these options. */
  const LONGEST_MS = 5000 * 1.2

  /** When a circuit may be probed, in ms from the restart on. */
  function retryAfter(saved: BadRecords, options: Options = { breaker }, ageMs = 0): number | undefined {
    const { restore, status, now } = create(options, ageMs)
    restore(saved)
    const { nextRetryAt } = status('bad')
    return nextRetryAt === undefined ? undefined : nextRetryAt - now() - 1
  }

  test.each([
    [LONGEST_MS - 1, LONGEST_MS - 1],
    [LONGEST_MS, LONGEST_MS],
    [LONGEST_MS + 1, LONGEST_MS],
    [1e12, LONGEST_MS],
    [1e308, LONGEST_MS]
  ])('a time left of %d ms is at most %d', (leftMs, expectedMs) => {
    expect(retryAfter(savedAt(START, { retryAt: START + leftMs }))).toBe(expectedMs)
  })

  test.each<[string, Options, number]>([
    ['timeoutMs without growth', { breaker: { timeoutGrowth: 1, maxTimeoutMs: 5000 } }, TIMEOUT_MS],
    ['timeoutMs with jitter', { breaker: { timeoutGrowth: 1, timeoutJitter: 0.5 } }, 1.5 * TIMEOUT_MS],
    ['timeoutMs if that is more', { breaker: { timeoutGrowth: 2, maxTimeoutMs: 10 } }, TIMEOUT_MS],
    [
      'a relapse’s cooldown',
      { breaker: { timeoutGrowth: 1 }, recovery: { cooldownPeriodMs: 77_000 } },
      77_000
    ]
  ])('the longest is %s', (_, options, expectedMs) => {
    expect(retryAfter(savedAt(START, { retryAt: START + 1e9 }), options)).toBe(expectedMs)
  })

  test('a clock that went back stops the time while nothing ran', () => {
    expect(retryAfter(savedAt(START + HOUR_MS, { retryAt: START + HOUR_MS + HALF_MS }))).toBe(HALF_MS)
    expect(retryAfter(savedAt(START, { retryAt: START + HALF_MS }))).toBe(HALF_MS)
    expect(retryAfter(savedAt(START - 1, { retryAt: START - 1 + HALF_MS }))).toBe(HALF_MS - 1)
  })

  test('a clock that went ahead ends the OPEN time, but the circuit has to be tried', () => {
    // As of the very last moment it is still OPEN.
    expect(retryAfter(savedAt(START - HALF_MS, { retryAt: START }))).toBe(0)
    for (const aheadMs of [HALF_MS + 1, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, 1e12]) {
      const { restore, status } = create()
      expect(restore(savedAt(START - aheadMs, { retryAt: START - aheadMs + HALF_MS }))).toBe(1)
      expect(status('bad')).toMatchObject({ circuitState: 'HALF_OPEN', trips: 1 })
    }
  })

  test.each([
    [HOUR_MS - 1, HOUR_MS - 1],
    [HOUR_MS, HOUR_MS],
    [HOUR_MS + 1, HOUR_MS],
    [1e12, HOUR_MS],
    [0, 0],
    [-1, 0],
    [-1e12, 0]
  ])('what was %d ms ago when it was saved is taken to be %d ms ago', (agoMs, expectedMs) => {
    const { restore, status, saved } = create({}, 1000)
    restore(
      savedAt(START + 1000, {
        retryAt: START + 1500,
        lastTrip: { ...bad.lastTrip!, at: START + 1000 - agoMs }
      })
    )
    expect(status('bad')).toMatchObject({
      circuitState: 'OPEN',
      since: START + 1000 - expectedMs,
      lastUsedAt: START + 1000 - expectedMs
    })
    expect(saved().records[0]?.lastTrip?.at).toBe(START + 1000 - expectedMs)
  })

  test.each([
    [HOUR_MS - 100, HOUR_MS],
    [HOUR_MS - 101, HOUR_MS - 1],
    [HOUR_MS + 1, HOUR_MS]
  ])('if %d ms have passed since, what was 100 ms ago is %d ms ago', (passedMs, expectedMs) => {
    const { restore, status } = create()
    const at = START - passedMs
    restore(savedAt(at, { retryAt: at, lastTrip: { ...bad.lastTrip!, at: at - 100 } }))
    expect(status('bad').lastUsedAt).toBe(START - expectedMs)
  })

  test('what is as old as can be is not saved again a moment later', () => {
    const { restore, saved, advance } = create()
    restore(savedAt(START - 1e10))
    expect(saved().records).toHaveLength(1)
    advance(1)
    expect(saved().records).toHaveLength(0)
  })

  test.each([Number.NaN, Infinity, -Infinity])('%d leads to a circuit that can be tried in time', wrong => {
    const saved = savedAt(START, { retryAt: wrong, trips: wrong, lastTrip: { ...bad.lastTrip!, at: wrong } })
    for (const at of [START, wrong]) {
      const { restore, status, advance, target, protection } = create({ breaker }, 10)
      restore({ ...saved, savedAt: at })
      expect(status('bad').trips).toBeGreaterThanOrEqual(1)
      expect(status('bad').trips).toBeLessThanOrEqual(1000)
      advance(LONGEST_MS + 1)
      expect(status('bad').circuitState).toBe('HALF_OPEN')
      succeed(target('bad'))
      advance(2 * HOUR_MS)
      expect(protection.getPeerStatus('bad')).toBeUndefined()
    }
  })

  test.each([
    ['OPEN', 0, 1],
    ['OPEN', 1, 1],
    ['HALF_OPEN', -5, 1],
    ['CLOSED', -5, 0],
    ['OPEN', 1000, 1000],
    ['OPEN', 1001, 1000],
    ['OPEN', 2.7, 2]
  ] as const)('a circuit that is %s has not had %d trips, but %d', (state, trips, expected) => {
    const { restore, status } = create()
    restore(savedAt(START, { state, trips }))
    expect(status('bad').trips).toBe(expected)
  })

  test.each([
    [3, 2, 2],
    [3, 3, 2],
    [0, 5, 0],
    [1000, 32, 31],
    [1000, 2.7, 2],
    [3, Number.NaN, 0],
    [3, -1, 0]
  ])('of %d trips %d have not been relapses, but %d', (trips, relapses, expected) => {
    const { restore, status } = create()
    restore(savedAt(START, { trips, relapses }))
    expect(status('bad').relapses).toBe(expected)
  })
})

describe('there is room', () => {
  const keys = Array.from({ length: 8 }, (_, index) => `bad ${index}`)
  const many = savedAt(START, ...keys.map(key => ({ key, retryAt: START + 10_000 })))
  const breaker = { timeoutMs: 20_000 }

  test.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [7, 3],
    [100, 8]
  ])('in a table of %d for the first %d', (maxTargets, expected) => {
    const { protection, restore } = create({ maxTargets, breaker })
    expect(restore(many)).toBe(expected)
    expect(Array.from(protection.peers(), ({ key }) => key)).toEqual(keys.slice(0, expected))
  })

  test('beside those met before, of whom none is forgotten for it', () => {
    const { protection, restore } = create({ maxTargets: 4, breaker })
    for (const key of ['a', 'b', 'bad 5', 'c']) protection.canAdmit(key)
    expect(restore(many)).toBe(1)
    expect(Array.from(protection.peers(), ({ key }) => key)).toEqual(['a', 'b', 'bad 5', 'c'])
    expect(protection.getPeerStatus('bad 5')?.circuitState).toBe('OPEN')
  })

  test('for as many ejected ones as the cap allows; the others are once more are known', () => {
    const { protection, restore } = create({ maxEjectedShare: 0.5, breaker })
    const refused = () => keys.filter(key => !protection.canAdmit(key))
    restore(many)
    expect(protection.getOverallStatus()).toMatchObject({ totalPeers: 8, ejectedPeers: 4, demotedPeers: 4 })
    expect(refused()).toHaveLength(4)
    for (let known = 9; known <= 20; known++) {
      protection.canAdmit(`new ${known}`)
      const expected = Math.min(8, Math.floor(known / 2))
      expect(protection.getOverallStatus()).toMatchObject({
        ejectedPeers: expected,
        demotedPeers: 8 - expected
      })
    }
    expect(refused()).toEqual(keys)
  })

  test('for one that waits when another is OPEN no more', () => {
    const { protection, restore, advance, target } = create({ maxEjectedShare: 0.1, breaker })
    restore(
      savedAt(START, { key: 'first', retryAt: START + 1000 }, { key: 'second', retryAt: START + 10_000 })
    )
    expect(offer(target('second'), 'ignored')).toBe(true)
    advance(1001)
    expect(protection.getPeerStatus('first')?.circuitState).toBe('HALF_OPEN')
    expect(offer(target('second'), 'ignored')).toBe(false)
  })

  test('not for one that waited until it was OPEN no more, or was forgotten', () => {
    const { protection, restore, advance, status } = create({ maxEjectedShare: 0.1, breaker, badMaxAgeMs: 0 })
    restore(
      savedAt(START, { key: 'first', retryAt: START + 10_000 }, { key: 'second', retryAt: START + 1000 })
    )
    advance(1001)
    expect(status('second')).toMatchObject({ circuitState: 'HALF_OPEN', isDemoted: true })
    for (let known = 0; known < 30; known++) protection.canAdmit(`new ${known}`)
    expect(protection.getOverallStatus().ejectedPeers).toBe(1)
    advance(24 * HOUR_MS)
    expect(protection.getOverallStatus()).toMatchObject({ totalPeers: 0, ejectedPeers: 0 })
    expect(protection.canAdmit('second')).toBe(true)
  })

  test('for one that is OPEN, though others are to be tried', () => {
    const due = keys.slice(0, 7).map(key => ({ key, state: 'HALF_OPEN' as const, retryAt: undefined }))
    const { protection, restore } = create({ maxEjectedShare: 0.1, breaker })
    restore(savedAt(START, ...due, { retryAt: START + 10_000 }))
    for (const { key } of due.toReversed()) expect(protection.getPeerStatus(key)?.isDemoted).toBe(false)
    expect(protection.getOverallStatus()).toMatchObject({ ejectedPeers: 1, demotedPeers: 0 })
  })
})

test('restored records are still known after a million others came by', { timeout: 30_000 }, () => {
  const clock = new ManualClock(0, START)
  const protection = new Protection({}, { clock, random: () => 0 })
  const records = Array.from({ length: 1000 }, (_, peer) => ({
    key: `bad ${peer}`,
    retryAt: START + 600_000
  }))
  expect(protection.restore(savedAt(START, ...records), HOUR_MS)).toBe(1000)
  const { table } = protection
  for (let id = 0; id < 1_000_000; id++) {
    if (id % 5000 === 0) clock.advance(1000)
    const nowMs = clock.now()
    const slot = protection.slot(`12D3KooW${id}`, nowMs)
    table.settle(slot, table.admit(slot, nowMs), SUCCESS, nowMs)
  }
  expect(protection.getOverallStatus()).toMatchObject({ totalPeers: 10_000, ejectedPeers: 1000 })
  expect(records.filter(({ key }) => protection.canAdmit(key))).toEqual([])
})
