import { describe, expect, test, vi } from 'vitest'
import {
  CallTimeoutError,
  CircuitOpenError,
  type Clock,
  InvalidOptionError,
  IsolatedError,
  type ManualClock,
  type Mode,
  Protection,
  ProtectionClosedError,
  RecoverySheddingError,
  SUCCESS,
  SuspectError,
  TableFullError,
  TooManyInFlightError,
  TooManyRequestsError
} from '../../src/core/index.ts'
import { SLOTS_PER_TURN } from '../../src/core/key-table.ts'
import { createProtection, STEP_MS, TIMEOUT_MS } from '../support/deterministic-protection.ts'
import { fail, offer, reject, settlePromises, succeed, targetOf } from '../support/drive.ts'

const YEAR_MS = 365 * 24 * 60 * 60 * 1000
const HOUR_MS = 60 * 60 * 1000

/** Brings a target from OPEN to recovering, in its first step. */
function startRecovery({ protection, advance }: ReturnType<typeof createProtection>, key: string): void {
  const peer = targetOf(protection, key)
  fail(peer, 2)
  advance(TIMEOUT_MS + 1)
  succeed(peer)
}

/** Calls `then` after each callback that is scheduled from now on. */
function onEachRing(clock: ManualClock, then: () => void): void {
  const schedule = clock.schedule.bind(clock)
  vi.spyOn(clock, 'schedule').mockImplementation((callback, delayMs) =>
    schedule(() => {
      callback()
      then()
    }, delayMs)
  )
}

describe('a target', () => {
  test('is refused once it failed, probed after a time, and let back in step by step', () => {
    const { protection, advance } = createProtection({ recovery: { recoverySteps: [0.25, 0.5, 1] } })
    const peer = targetOf(protection, 'a')
    const admitted = (offers: number): number =>
      Array.from({ length: offers }, () => offer(peer, 'success')).filter(Boolean).length
    fail(peer, 2)
    expect(admitted(10)).toBe(0)
    advance(TIMEOUT_MS + 1)
    expect(offer(peer, 'success')).toBe(true)
    const shares: number[] = []
    for (let step = 0; step < 4; step++) {
      shares.push(admitted(100))
      advance(STEP_MS)
    }
    expect(shares).toEqual([25, 50, 100, 100])
    expect(protection.getPeerStatus('a')?.isRecovering).toBe(false)
  })

  test('does not touch others', () => {
    const { protection } = createProtection()
    fail(targetOf(protection, 'a'), 2)
    succeed(targetOf(protection, 'b'), 100)
    expect(protection.getPeerStatus('b')).toMatchObject({ circuitState: 'CLOSED', successRate: 1 })
  })

  test('may have any key', () => {
    const { protection } = createProtection({ maxEjectedShare: 1 })
    for (const key of ['', '__proto__', 'constructor', '\u0000', '(others)', '🦊']) {
      fail(targetOf(protection, key), 2)
      expect(protection.getPeerStatus(key)).toMatchObject({ key, circuitState: 'OPEN' })
    }
    expect([...protection.peers()]).toHaveLength(6)
  })
})

describe('rejections', () => {
  test('tell who, why, and for how long', () => {
    const created = createProtection({ maxInFlight: 2, maxEjectedShare: 1 })
    const { protection } = created
    startRecovery(created, 'recovering')
    protection.admit('recovering').settle('ignored')
    const shed = reject(targetOf(protection, 'recovering'))
    expect(shed).toBeInstanceOf(RecoverySheddingError)
    expect(shed).toMatchObject({
      key: 'recovering',
      reason: 'RECOVERING',
      state: 'CLOSED',
      retryAfterMs: 0
    })

    fail(targetOf(protection, 'open'), 2)
    expect(reject(targetOf(protection, 'open'))).toMatchObject({
      key: 'open',
      reason: 'OPEN',
      state: 'OPEN',
      retryAfterMs: TIMEOUT_MS + 1
    })
    expect(reject(targetOf(protection, 'open'))).toBeInstanceOf(CircuitOpenError)

    protection.isolate('isolated')
    expect(reject(targetOf(protection, 'isolated'))).toMatchObject({
      key: 'isolated',
      reason: 'ISOLATED',
      state: 'OPEN',
      retryAfterMs: 0
    })
    expect(reject(targetOf(protection, 'isolated'))).toBeInstanceOf(IsolatedError)

    created.advance(TIMEOUT_MS + 1)
    protection.admit('open')
    expect(reject(targetOf(protection, 'open'))).toMatchObject({
      reason: 'HALF_OPEN_FULL',
      state: 'HALF_OPEN',
      retryAfterMs: 0
    })
    expect(reject(targetOf(protection, 'open'))).toBeInstanceOf(TooManyRequestsError)

    protection.admit('other')
    expect(reject(targetOf(protection, 'other'))).toMatchObject({
      key: 'other',
      reason: 'IN_FLIGHT_FULL',
      retryAfterMs: 0
    })
    expect(reject(targetOf(protection, 'other'))).toBeInstanceOf(TooManyInFlightError)
  })

  test('of executeRequest reject, and the function is not called', async () => {
    const { protection } = createProtection()
    const fn = vi.fn()
    fail(targetOf(protection, 'a'), 2)
    await expect(protection.executeRequest('a', fn)).rejects.toBeInstanceOf(CircuitOpenError)
    expect(fn).not.toHaveBeenCalled()
  })
})

describe('executeRequest', () => {
  test('returns or throws what the function does, and lets it count', async () => {
    const { protection, advance } = createProtection()
    const error = new Error('refused')
    const value = await protection.executeRequest('a', async () => {
      advance(30)
      return 'a block'
    })
    expect(value).toBe('a block')
    await expect(protection.executeRequest('a', () => Promise.reject(error))).rejects.toBe(error)
    expect(protection.getPeerStatus('a')).toMatchObject({
      counts: { requests: 2, totalSuccesses: 1, totalFailures: 1 },
      responseTimeMs: 30,
      inFlight: 0
    })
  })

  test('ends at timeoutMs, which counts as a failure', async () => {
    const { protection, advance } = createProtection()
    const call = protection.executeRequest('a', () => new Promise(() => {}), { timeoutMs: 50 })
    advance(50)
    await expect(call).rejects.toBeInstanceOf(CallTimeoutError)
    await expect(call).rejects.toMatchObject({ key: 'a', timeoutMs: 50 })
    expect(protection.getPeerStatus('a')).toMatchObject({ counts: { totalFailures: 1 }, inFlight: 0 })
  })

  test('ends when its signal is aborted, which counts for nothing', async () => {
    const { protection } = createProtection()
    const controller = new AbortController()
    const call = protection.executeRequest('a', () => new Promise(() => {}), { signal: controller.signal })
    controller.abort(new Error('no longer wanted'))
    await expect(call).rejects.toThrow('no longer wanted')
    expect(protection.getPeerStatus('a')).toMatchObject({
      counts: { requests: 1, totalExclusions: 1, totalFailures: 0 },
      healthStatus: 'UNKNOWN',
      inFlight: 0
    })
  })

  test('with an aborted signal does not even make a record', async () => {
    const { protection } = createProtection()
    const fn = vi.fn()
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(protection.executeRequest('a', fn, { signal })).rejects.toThrow('too late')
    expect(fn).not.toHaveBeenCalled()
    expect(protection.getPeerStatus('a')).toBeUndefined()
  })

  test('of a call that hangs aborts the signal of its function, and counts it once', async () => {
    const { protection, advance } = createProtection({ breaker: { hungCallMs: 100 } })
    let signal: AbortSignal | undefined
    const call = protection.executeRequest('a', context => {
      signal = context.signal
      return new Promise((_, stop) => context.signal.addEventListener('abort', () => stop(signal?.reason)))
    })
    advance(100)
    await expect(call).rejects.toBeInstanceOf(CallTimeoutError)
    expect(protection.getPeerStatus('a')?.counts).toMatchObject({ requests: 1, totalFailures: 1 })
  })

  test('with a wrong timeoutMs rejects, and makes no record', async () => {
    const { protection } = createProtection()
    const call = protection.executeRequest('a', () => 1, { timeoutMs: 0 })
    await expect(call).rejects.toBeInstanceOf(InvalidOptionError)
    expect(protection.getPeerStatus('a')).toBeUndefined()
  })

  test('a rejection of ours inside the function is not the target’s fault', async () => {
    const { protection } = createProtection()
    fail(targetOf(protection, 'inner'), 2)
    const call = protection.executeRequest('outer', () => protection.executeRequest('inner', () => 1))
    await expect(call).rejects.toMatchObject({ key: 'inner' })
    expect(protection.getPeerStatus('outer')?.counts).toMatchObject({ totalExclusions: 1, totalFailures: 0 })
  })

  test('many at once, ending in any order, are all counted', async () => {
    const { protection } = createProtection({ breaker: { readyToTrip: () => false } })
    const ends: Array<() => void> = []
    const calls = Array.from({ length: 100 }, (_, call) =>
      protection.executeRequest(
        `peer ${call % 7}`,
        () =>
          new Promise<void>((resolve, stop) =>
            ends.push(() => (call % 3 === 0 ? stop(new Error('refused')) : resolve()))
          )
      )
    )
    const settled = Promise.allSettled(calls)
    expect(protection.getOverallStatus().inFlight).toBe(100)
    while (ends.length > 0) ends.splice((ends.length * 13) % ends.length, 1)[0]!()
    await settled
    const peers = [...protection.peers()]
    const sum = (of: (peer: (typeof peers)[number]) => number): number =>
      peers.reduce((total, peer) => total + of(peer), 0)
    expect(sum(peer => peer.counts.totalFailures)).toBe(34)
    expect(sum(peer => peer.counts.totalSuccesses)).toBe(66)
    expect(protection.getOverallStatus().inFlight).toBe(0)
  })
})

describe('a glance', () => {
  test('at each target shows what its status tells', async () => {
    const { protection, clock } = createProtection({ recovery: { strategy: 'LINEAR' } })
    const fail = (key: string) =>
      protection.executeRequest(key, () => Promise.reject(new Error('refused'))).catch(() => {})
    await protection.executeRequest('well', () => {})
    await fail('failed once')
    protection.isolate('isolated')
    while (protection.getPeerStatus('open')?.circuitState !== 'OPEN') await fail('open')
    while (protection.getPeerStatus('recovering')?.circuitState !== 'OPEN') await fail('recovering')
    clock.advance(protection.getPeerStatus('recovering')!.nextRetryAt! - clock.wallTime())
    while (protection.getPeerStatus('recovering')?.circuitState !== 'CLOSED')
      await protection.executeRequest('recovering', () => {})
    await fail('open')
    const statuses = [...protection.peers()]
    expect(new Set(statuses.map(({ circuitState }) => circuitState)).size).toBeGreaterThan(1)
    expect(statuses.some(({ isRecovering }) => isRecovering)).toBe(true)
    const glances = Array.from(protection.glances(), glance => ({
      key: glance.key,
      circuitState: glance.circuitState,
      healthStatus: glance.healthStatus,
      isSuspect: glance.isSuspect,
      isRecovering: glance.isRecovering,
      counts: glance.counts,
      successRate: glance.successRate,
      responseTimeMs: glance.responseTimeMs,
      since: glance.since
    }))
    expect(statuses).toMatchObject(glances)
    expect(glances).toHaveLength(statuses.length)
    // Both are read by the same means, so what they say is looked at as well.
    expect(glances.map(({ key, circuitState, isRecovering }) => [key, circuitState, isRecovering])).toEqual([
      ['well', 'CLOSED', false],
      ['failed once', 'CLOSED', false],
      ['isolated', 'OPEN', false],
      ['open', 'OPEN', false],
      ['recovering', 'CLOSED', true]
    ])
    const { successRate, counts } = glances[1]!
    expect([successRate, counts.totalFailures]).toEqual([0, 1])
  })
})

describe('admit', () => {
  test('gives a permit that settles once', () => {
    const { protection } = createProtection()
    const permit = protection.admit('a')
    expect(permit.settle('failure')).toBe(true)
    expect(permit.settle('failure')).toBe(false)
    expect(protection.getPeerStatus('a')?.counts.totalFailures).toBe(1)
  })

  test('takes a time limit, after which the permit is good for nothing', () => {
    const { protection, advance } = createProtection()
    const permit = protection.admit('a', { timeoutMs: 50 })
    advance(50)
    expect(permit.settle('success')).toBe(false)
    expect(protection.getPeerStatus('a')?.counts).toMatchObject({ totalFailures: 1, totalSuccesses: 0 })
  })

  test('with a wrong time limit throws, and leaves nothing behind', () => {
    const { protection, clock } = createProtection()
    expect(() => protection.admit('a', { timeoutMs: -1 })).toThrow(InvalidOptionError)
    expect(protection.getOverallStatus()).toMatchObject({ totalPeers: 0, inFlight: 0 })
    expect(clock.pendingTimers).toBe(0)
  })

  test('a permit outlives the eviction of everything else, and settles its own target', () => {
    const { protection } = createProtection({ maxTargets: 2, breaker: { hungCallMs: 0 } })
    const permit = protection.admit('a')
    for (let churn = 0; churn < 100; churn++) succeed(targetOf(protection, `churn ${churn}`))
    expect(permit.settle('failure')).toBe(true)
    expect(protection.getPeerStatus('a')).toMatchObject({ counts: { requests: 1, totalFailures: 1 } })
  })
})

describe('the inner form', () => {
  test('is the same by slot', () => {
    const { protection, clock } = createProtection()
    const slot = protection.slot('a', clock.now())
    const token = protection.table.admit(slot, clock.now())
    clock.advance(10)
    expect(protection.table.settle(slot, token, SUCCESS, clock.now())).toBe(true)
    expect(protection.getPeerStatus('a')).toMatchObject({ counts: { totalSuccesses: 1 }, responseTimeMs: 10 })
  })
})

describe('isolate and release', () => {
  test('hold a target by hand', () => {
    const { protection, advance } = createProtection()
    protection.isolate('a')
    advance(YEAR_MS)
    expect(protection.canAdmit('a')).toBe(false)
    protection.release('a')
    expect(protection.canAdmit('a')).toBe(true)
  })

  test('an isolated target is not forgotten', () => {
    const { protection, advance } = createProtection({ maxTargets: 2, badMaxAgeMs: 0 })
    protection.isolate('a')
    advance(YEAR_MS)
    for (let churn = 0; churn < 100; churn++) succeed(targetOf(protection, `churn ${churn}`))
    expect(protection.canAdmit('a')).toBe(false)
    expect(protection.getPeerStatus('a')?.isIsolated).toBe(true)
  })

  test('releasing one that is not known, or not isolated, does nothing', () => {
    const { protection, takeEvents } = createProtection()
    protection.release('a')
    expect(protection.getPeerStatus('a')).toBeUndefined()
    succeed(targetOf(protection, 'b'))
    protection.release('b')
    expect(takeEvents()).toEqual([])
  })

  test('a target without a record of its own cannot be isolated', () => {
    const { protection } = createProtection({ maxTargets: 1 })
    protection.isolate('a')
    expect(() => protection.isolate('b')).toThrow(TableFullError)
    expect(protection.canAdmit('b')).toBe(true)
  })

  test('both sides of a release: recovery goes on where time has brought it', () => {
    const created = createProtection()
    const { protection, advance } = created
    startRecovery(created, 'a')
    protection.isolate('a')
    advance(10 * STEP_MS)
    protection.release('a')
    expect(protection.getPeerStatus('a')).toMatchObject({ isRecovering: true, recoveryRate: 0.5 })
  })
})

describe('the ejection cap', () => {
  test('keeps targets past it as last resort', () => {
    const { protection } = createProtection({ maxEjectedShare: 0.5 })
    const keys = ['a', 'b', 'c', 'd']
    for (const key of keys) succeed(targetOf(protection, key))
    for (const key of keys) fail(targetOf(protection, key), 2)
    expect(keys.filter(key => protection.canAdmit(key))).toEqual(['c', 'd'])
    expect(protection.getOverallStatus()).toMatchObject({
      ejectedPeers: 2,
      demotedPeers: 2,
      circuitStates: { OPEN: 4 },
      isHealthy: false
    })
  })

  test('never leaves a node without anybody, if it knows more than one', () => {
    const { protection } = createProtection({ maxEjectedShare: 0.99 })
    for (let peer = 0; peer < 50; peer++) fail(targetOf(protection, `peer ${peer}`), 2)
    const usable = [...protection.peers()].filter(({ key }) => protection.canAdmit(key))
    expect(usable.length).toBeGreaterThanOrEqual(1)
  })

  test('spares who cannot be done without, even if that turns out only later', () => {
    const needed = new Set(['a'])
    const { protection } = createProtection({ maxEjectedShare: 1 }, { mayEject: key => !needed.has(key) })
    for (const key of ['a', 'b']) fail(targetOf(protection, key), 2)
    expect(['a', 'b'].map(key => protection.isEjected(key))).toEqual([false, true])
    expect(['a', 'b'].map(key => protection.canAdmit(key))).toEqual([true, false])
    expect(protection.reconsider('b')).toBe(false)
    needed.add('b')
    expect(protection.reconsider('b')).toBe(true)
    expect(protection.canAdmit('b')).toBe(true)
    expect(protection.reconsider('nobody')).toBe(false)
  })

  test('is no matter on proof of what a target did', () => {
    const { protection } = createProtection({ maxEjectedShare: 1 }, { mayEject: () => false })
    succeed(targetOf(protection, 'b'))
    fail(targetOf(protection, 'a'), 2)
    expect(protection.ejectAnyway('a')).toBe(true)
    expect(protection.canAdmit('a')).toBe(false)
    expect(protection.getPeerStatus('a')).toMatchObject({ circuitState: 'OPEN', isDemoted: false })
    // Only circuits that are OPEN.
    expect(['b', 'nobody'].map(key => protection.ejectAnyway(key))).toEqual([false, false])
    expect(['b', 'nobody'].map(key => protection.isEjected(key))).toEqual([false, false])
  })

  test('lets go when the targets it was a share of are forgotten', () => {
    const { protection, advance } = createProtection({
      breaker: { timeoutMs: HOUR_MS },
      health: { maxAgeMs: 1000, cleanupIntervalMs: 1000 }
    })
    for (let peer = 0; peer < 8; peer++) succeed(targetOf(protection, `good ${peer}`))
    for (let peer = 0; peer < 4; peer++) fail(targetOf(protection, `bad ${peer}`), 2)
    expect(protection.getOverallStatus()).toMatchObject({ totalPeers: 12, ejectedPeers: 4 })
    advance(5000)
    expect(protection.getOverallStatus()).toMatchObject({ totalPeers: 4, ejectedPeers: 2, demotedPeers: 2 })
  })
})

describe('the table of targets', () => {
  test('is bounded', () => {
    const { protection } = createProtection({ maxTargets: 10 })
    for (let peer = 0; peer < 1000; peer++) succeed(targetOf(protection, `peer ${peer}`))
    expect(protection.getOverallStatus().totalPeers).toBe(10)
    expect([...protection.peers()]).toHaveLength(10)
  })

  test('keeps a bad target, whatever comes', () => {
    const { protection } = createProtection({ maxTargets: 10 })
    fail(targetOf(protection, 'bad'), 2)
    for (let peer = 0; peer < 1000; peer++) succeed(targetOf(protection, `peer ${peer}`))
    expect(protection.canAdmit('bad')).toBe(false)
  })

  test('keeps a target whose trips are not forgiven, CLOSED or not', () => {
    const created = createProtection({ maxTargets: 10 })
    const { protection, advance } = created
    startRecovery(created, 'bad')
    for (let step = 0; step < 3; step++) {
      succeed(targetOf(protection, 'bad'))
      advance(STEP_MS)
    }
    for (let peer = 0; peer < 1000; peer++) succeed(targetOf(protection, `peer ${peer}`))
    expect(protection.getPeerStatus('bad')).toMatchObject({ isRecovering: false, trips: 1 })
  })

  test('when all must be kept, protects newcomers as one crowd', () => {
    const { protection } = createProtection({ maxTargets: 4 })
    const kept = ['a', 'b', 'c', 'd']
    for (const key of kept) protection.isolate(key)
    succeed(targetOf(protection, 'x'))
    expect(protection.getPeerStatus('x')).toBeUndefined()
    fail(targetOf(protection, 'x'))
    fail(targetOf(protection, 'y'))
    expect(protection.canAdmit('z')).toBe(false)
    expect(reject(targetOf(protection, 'z'))).toMatchObject({ key: 'z', reason: 'OPEN' })
    expect([...protection.peers()].map(({ key }) => key)).toEqual(kept)
  })

  /** A table of four, of whom all were bad, and none is OPEN any more. */
  function afterFourBad(options: Parameters<typeof createProtection>[0] = {}) {
    const created = createProtection({ maxTargets: 4, ...options })
    for (const key of ['a', 'b', 'c', 'd']) {
      fail(targetOf(created.protection, key), 2)
      created.advance(1)
    }
    created.advance(TIMEOUT_MS)
    return created
  }

  test('of bad ones keeps of the longest idle only that it was bad: it is probed, and recovers, when it is back', () => {
    const { protection, events } = afterFourBad()
    succeed(targetOf(protection, 'new'))
    expect(Array.from(protection.peers(), ({ key }) => key).toSorted()).toEqual(['b', 'c', 'd', 'new'])
    expect(protection.getPeerStatus('new')).toMatchObject({ circuitState: 'CLOSED', trips: 0 })
    events.length = 0
    const back = targetOf(protection, 'a')
    expect(offer(back, 'success')).toBe(true)
    expect(events.map(({ type, key }) => [type, key])).toEqual([
      ['circuit:half-open', 'a'],
      ['circuit:close', 'a'],
      ['recovery:start', 'a']
    ])
    expect(protection.getPeerStatus('a')).toMatchObject({ isRecovering: true, trips: 1 })
  })

  test('keeps one that is OPEN all the same', () => {
    const created = createProtection({ maxTargets: 4 })
    const { protection } = created
    for (const key of ['a', 'b', 'c', 'd']) fail(targetOf(protection, key), 2)
    for (let peer = 0; peer < 100; peer++) succeed(targetOf(protection, `peer ${peer}`))
    expect(Array.from(protection.peers(), ({ circuitState }) => circuitState)).toEqual(Array(4).fill('OPEN'))
  })

  test('knows of thousands that there is no room for that they were bad, and of no other', () => {
    const { protection, advance } = afterFourBad()
    const flood = Array.from({ length: 5_000 }, (_, peer) => `flood ${peer}`)
    for (const key of flood) {
      fail(targetOf(protection, key), 2)
      advance(TIMEOUT_MS + 1)
    }
    expect(flood.filter(key => protection.canAdmit(key) && protection.isSteady(key))).toEqual([])
    const others = Array.from({ length: 1_000 }, (_, peer) => `other ${peer}`)
    expect(others.filter(key => !protection.canAdmit(key) || !protection.isSteady(key))).toEqual([])
  })

  test('forgets that a target was bad when a record would be forgotten', () => {
    const { protection, advance } = afterFourBad({ badMaxAgeMs: HOUR_MS })
    succeed(targetOf(protection, 'new'))
    advance(2 * HOUR_MS)
    expect(protection.canAdmit('a')).toBe(true)
    expect(protection.isSteady('a')).toBe(true)
  })

  test('keeps a target that is suspect', () => {
    const { protection } = afterFourBad()
    for (const key of ['a', 'b']) protection.suspect(key)
    for (const key of ['new', 'newer', 'newest']) succeed(targetOf(protection, key))
    expect(['a', 'b'].filter(key => protection.isSuspect(key))).toEqual(['a', 'b'])
  })

  test('tells events of that crowd under a name of its own', () => {
    const { protection, events } = createProtection({ maxTargets: 1 })
    fail(targetOf(protection, 'bad'), 2)
    fail(targetOf(protection, 'x'), 2)
    expect(events.filter(({ type }) => type === 'circuit:open').map(({ key }) => key)).toEqual([
      'bad',
      '(others)'
    ])
  })

  test('forgets idle clean records after maxAgeMs, bad ones only after badMaxAgeMs', () => {
    const { protection, advance } = createProtection({
      badMaxAgeMs: HOUR_MS,
      health: { maxAgeMs: 10_000, cleanupIntervalMs: 1000 }
    })
    succeed(targetOf(protection, 'clean'))
    fail(targetOf(protection, 'bad'), 2)
    advance(10_000)
    expect(protection.getPeerStatus('clean')).toBeDefined()
    advance(1000)
    expect(protection.getPeerStatus('clean')).toBeUndefined()
    expect(protection.getPeerStatus('bad')).toBeDefined()
    advance(HOUR_MS)
    expect(protection.getPeerStatus('bad')).toBeUndefined()
  })

  test('forgotten targets are in no total', () => {
    const options = { badMaxAgeMs: 5000, health: { maxAgeMs: 1000, cleanupIntervalMs: 1000 } }
    const open = createProtection({ ...options, breaker: { timeoutMs: HOUR_MS } })
    fail(targetOf(open.protection, 'a'), 2)
    const recovering = createProtection(options)
    startRecovery(recovering, 'a')
    for (const { protection, advance, clock } of [open, recovering]) {
      advance(10_000)
      expect(protection.getOverallStatus()).toMatchObject({
        totalPeers: 0,
        ejectedPeers: 0,
        recoveringPeers: 0,
        inFlight: 0
      })
      advance(HOUR_MS)
      expect(clock.pendingTimers).toBe(0)
    }
  })

  test('of very many forgets some in each turn of the event loop, and none that was used meanwhile', () => {
    const TARGETS = 2 * SLOTS_PER_TURN + 100
    const options = { maxTargets: TARGETS, health: { maxAgeMs: 999, cleanupIntervalMs: 1000 } }
    const { protection, clock, advance } = createProtection(options)
    const known: number[] = []
    onEachRing(clock, () => {
      known.push(protection.getOverallStatus().totalPeers)
      succeed(targetOf(protection, `target ${TARGETS - 1}`))
    })
    for (let target = 0; target < TARGETS; target++) protection.canAdmit(`target ${target}`)
    advance(1000)
    expect(known).toEqual([TARGETS - SLOTS_PER_TURN, TARGETS - 2 * SLOTS_PER_TURN, 1])
    expect(protection.getPeerStatus(`target ${TARGETS - 1}`)).toBeDefined()
    advance(999)
    expect(known).toHaveLength(3)
    advance(1)
    expect(known.at(-1)).toBe(1)
  })

  test('keeps to the share that may be refused when a cleanup has ended', () => {
    const clean = 2 * SLOTS_PER_TURN
    const { protection, advance } = createProtection({
      maxTargets: clean + 10,
      maxEjectedShare: 0.2,
      breaker: { timeoutMs: HOUR_MS },
      health: { maxAgeMs: 999, cleanupIntervalMs: 1000 }
    })
    for (let target = 0; target < clean; target++) protection.canAdmit(`target ${target}`)
    for (let bad = 0; bad < 10; bad++) protection.trip(`bad ${bad}`)
    expect(protection.getOverallStatus()).toMatchObject({ ejectedPeers: 10, demotedPeers: 0 })
    advance(1000)
    expect(protection.getOverallStatus()).toMatchObject({ totalPeers: 10, ejectedPeers: 2, demotedPeers: 8 })
  })

  test('a target with a call under way is not forgotten', () => {
    const { protection, advance } = createProtection({
      badMaxAgeMs: 0,
      breaker: { hungCallMs: 0 },
      health: { maxAgeMs: 1000, cleanupIntervalMs: 1000 }
    })
    const permit = protection.admit('a')
    advance(24 * HOUR_MS)
    expect(protection.getPeerStatus('a')?.inFlight).toBe(1)
    expect(permit.settle('success')).toBe(true)
  })
})

describe('timers', () => {
  test('there is none before the first call', () => {
    const { protection, clock } = createProtection()
    protection.getPeerStatus('a')
    protection.getOverallStatus()
    expect(clock.pendingTimers).toBe(0)
  })

  test('there is one as soon as there is a record to forget', () => {
    const { protection, clock } = createProtection({ breaker: { hungCallMs: 0 } })
    protection.canAdmit('a')
    expect(clock.pendingTimers).toBe(1)
  })

  test('there is one for any number of targets and calls', () => {
    const { protection, clock, advance } = createProtection({ breaker: { hungCallMs: 500 } })
    for (let peer = 0; peer < 100; peer++) {
      protection.admit(`peer ${peer}`)
      protection.admit(`peer ${peer}`, { timeoutMs: 10 + peer })
      advance(1)
      expect(clock.pendingTimers).toBe(1)
    }
  })

  test('there is none after close, whatever was under way', () => {
    const { protection, clock, advance } = createProtection()
    const permit = protection.admit('a')
    fail(targetOf(protection, 'b'), 2)
    protection.close()
    expect(clock.pendingTimers).toBe(0)
    permit.settle('failure')
    protection.canAdmit('c')
    protection.isolate('d')
    protection.getOverallStatus()
    advance(YEAR_MS)
    expect(clock.pendingTimers).toBe(0)
  })

  test('there is none when the last record is forgotten', () => {
    const { protection, clock, advance } = createProtection()
    succeed(targetOf(protection, 'a'))
    advance(HOUR_MS)
    expect(protection.getOverallStatus().totalPeers).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('close', () => {
  test('admits no more calls', async () => {
    const { protection } = createProtection()
    protection.close()
    protection.close()
    const fn = vi.fn()
    await expect(protection.executeRequest('a', fn)).rejects.toBeInstanceOf(ProtectionClosedError)
    expect(() => protection.admit('a')).toThrow(ProtectionClosedError)
    expect(protection.canAdmit('a')).toBe(false)
    expect(fn).not.toHaveBeenCalled()
  })

  test('lets those in flight go on, and count', async () => {
    const { protection } = createProtection()
    let resolve = (_: number): void => {}
    const call = protection.executeRequest('a', () => new Promise<number>(done => (resolve = done)))
    protection.close()
    resolve(1)
    expect(await call).toBe(1)
    expect(protection.getPeerStatus('a')).toMatchObject({ counts: { totalSuccesses: 1 }, inFlight: 0 })
  })

  test('comes with `using`', () => {
    const { clock } = createProtection()
    {
      using protection = new Protection({}, { clock })
      protection.admit('a')
      expect(clock.pendingTimers).toBe(1)
    }
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('events', () => {
  test('tell the life of a target, with times of day', () => {
    const { protection, events, advance } = createProtection()
    const peer = targetOf(protection, 'a')
    advance(100)
    fail(peer, 2)
    advance(TIMEOUT_MS + 1)
    succeed(peer)
    advance(STEP_MS)
    succeed(peer)
    advance(STEP_MS)
    succeed(peer)
    advance(STEP_MS)
    protection.isolate('a')
    protection.release('a')
    const start = 1_767_225_600_000 + 100
    expect(events.filter(({ type }) => type !== 'health:change')).toEqual([
      { type: 'circuit:open', key: 'a', from: 'CLOSED', to: 'OPEN', at: start },
      { type: 'circuit:half-open', key: 'a', from: 'OPEN', to: 'HALF_OPEN', at: start + 1001 },
      { type: 'circuit:close', key: 'a', from: 'HALF_OPEN', to: 'CLOSED', at: start + 1001 },
      { type: 'recovery:start', key: 'a', at: start + 1001 },
      { type: 'recovery:complete', key: 'a', at: start + 1201 },
      { type: 'isolate', key: 'a', at: start + 1301 },
      { type: 'release', key: 'a', at: start + 1301 }
    ])
    expect(events.every(event => Object.isFrozen(event))).toBe(true)
  })

  test('tell of changes that nobody’s call brings about, when they happen', () => {
    const { protection, events, advance } = createProtection({ breaker: { hungCallMs: 100 } })
    protection.admit('a')
    protection.admit('a')
    advance(TIMEOUT_MS + 500)
    expect(events.filter(({ type }) => type !== 'health:change').map(({ type, at }) => [type, at])).toEqual([
      ['circuit:open', 1_767_225_600_100],
      ['circuit:half-open', 1_767_225_601_101]
    ])
  })

  test('tell of health', () => {
    const { protection, events } = createProtection({
      breaker: { readyToTrip: () => false },
      health: { minRequests: 5, maxConsecutiveErrors: 3 }
    })
    const peer = targetOf(protection, 'a')
    succeed(peer, 20)
    fail(peer, 3)
    expect(events).toMatchObject([
      { type: 'health:change', from: 'UNKNOWN', to: 'HEALTHY' },
      { type: 'health:change', from: 'HEALTHY', to: 'DEGRADED' },
      { type: 'health:change', from: 'DEGRADED', to: 'UNHEALTHY' }
    ])
  })

  test('tell at the next call that what was known of a target’s health has grown old', () => {
    const { protection, events, advance } = createProtection({ health: { checkIntervalMs: 1000 } })
    const peer = targetOf(protection, 'a')
    succeed(peer, 10)
    advance(3000)
    succeed(peer)
    expect(events).toMatchObject([
      { type: 'health:change', from: 'UNKNOWN', to: 'HEALTHY' },
      { type: 'health:change', from: 'HEALTHY', to: 'UNKNOWN' }
    ])
    expect(protection.getPeerStatus('a')?.healthStatus).toBe('UNKNOWN')
  })

  test('tell of a relapse', () => {
    const created = createProtection()
    startRecovery(created, 'a')
    created.takeEvents()
    const peer = targetOf(created.protection, 'a')
    for (let made = 0; made < 4; made++) offer(peer, 'failure')
    expect(created.takeEvents().filter(type => type !== 'health:change')).toEqual([
      'circuit:open',
      'recovery:relapse'
    ])
  })

  test('come after the change is complete', () => {
    const { protection } = createProtection()
    const seen: unknown[] = []
    protection.onEvent(event => {
      if (event.type === 'circuit:open') {
        const status = protection.getPeerStatus(event.key)
        seen.push(status?.circuitState, status?.inFlight, status?.lastTrip?.reason, protection.canAdmit('a'))
      }
    })
    fail(targetOf(protection, 'a'), 2)
    expect(seen).toEqual(['OPEN', 0, 'FAILURES', false])
  })

  test('are told one at a time, in the order things happened', () => {
    const created = createProtection()
    const { protection, events } = created
    startRecovery(created, 'a')
    events.splice(0)
    let isTold = false
    let wasNested = false
    protection.onEvent(event => {
      wasNested ||= isTold
      isTold = true
      // Isolated in answer to an event that came together with another.
      if (event.type === 'circuit:open') protection.isolate('a')
      isTold = false
    })
    const peer = targetOf(protection, 'a')
    for (let made = 0; made < 4; made++) offer(peer, 'failure')
    expect(wasNested).toBe(false)
    expect(events.map(({ type }) => type).filter(type => type !== 'health:change')).toEqual([
      'circuit:open',
      'recovery:relapse',
      'isolate'
    ])
  })

  test('a listener may call targets', () => {
    const { protection } = createProtection()
    const answers: boolean[] = []
    protection.onEvent(event => {
      if (event.type === 'circuit:open')
        answers.push(
          offer(targetOf(protection, event.key), 'success'),
          offer(targetOf(protection, 'b'), 'success')
        )
    })
    fail(targetOf(protection, 'a'), 2)
    expect(answers).toEqual([false, true])
  })

  test('a listener that throws changes nothing, for the target or other listeners', () => {
    const { protection, listenerErrors, events } = createProtection()
    const error = new Error('bad listener')
    protection.onEvent(() => {
      throw error
    })
    const later = vi.fn()
    protection.onEvent(later)
    fail(targetOf(protection, 'a'), 2)
    expect(protection.canAdmit('a')).toBe(false)
    expect(later).toHaveBeenCalledTimes(events.length)
    expect(listenerErrors).toEqual(events.map(() => error))
  })

  test('stop when no longer listened to', () => {
    const { protection } = createProtection()
    const listener = vi.fn()
    protection.onEvent(listener)()
    fail(targetOf(protection, 'a'), 2)
    expect(listener).not.toHaveBeenCalled()
  })
})

describe('modes', () => {
  test('observe goes through the same states and rejects nothing', () => {
    const observing = createProtection({ mode: 'observe' })
    const { protection, advance } = observing
    const peer = targetOf(protection, 'a')
    fail(peer, 2)
    expect(protection.getPeerStatus('a')?.circuitState).toBe('OPEN')
    succeed(peer, 10)
    expect(protection.canAdmit('a')).toBe(true)
    advance(TIMEOUT_MS + 1)
    succeed(peer)
    expect(protection.getPeerStatus('a')).toMatchObject({ circuitState: 'CLOSED', isRecovering: true })
    protection.isolate('a')
    succeed(peer)
    expect(protection.getOverallStatus().rejections).toMatchObject({ OPEN: 10, ISOLATED: 1 })
  })

  test('off does nothing', () => {
    const { protection, events } = createProtection({ mode: 'off' })
    fail(targetOf(protection, 'a'), 10)
    expect(protection.canAdmit('a')).toBe(true)
    expect(protection.getPeerStatus('a')).toMatchObject({ circuitState: 'CLOSED', counts: { requests: 0 } })
    expect(events).toEqual([])
  })

  test('can be changed, and what is known stays', () => {
    const { protection } = createProtection()
    fail(targetOf(protection, 'a'), 2)
    for (const mode of ['observe', 'off'] satisfies Mode[]) {
      protection.mode = mode
      expect(protection.mode).toBe(mode)
      expect(offer(targetOf(protection, 'a'), 'success')).toBe(true)
    }
    protection.mode = 'enforce'
    expect(offer(targetOf(protection, 'a'), 'success')).toBe(false)
  })
})

describe('time', () => {
  test('a jump of a year does no harm', () => {
    // A clock that jumps does not run its timers one by one: they all come at the new time.
    const time = { now: 0 }
    const timers = new Set<() => void>()
    const clock: Clock = {
      now: () => time.now,
      wallTime: () => time.now,
      schedule: callback => {
        timers.add(callback)
        return () => timers.delete(callback)
      }
    }
    const jump = (ms: number): void => {
      time.now += ms
      for (const callback of [...timers]) {
        timers.delete(callback)
        callback()
      }
    }
    const protection = new Protection(
      { badMaxAgeMs: YEAR_MS, health: { maxAgeMs: YEAR_MS } },
      { clock, random: () => 0 }
    )
    const peer = targetOf(protection, 'a')
    fail(peer, 5)
    protection.admit('b')
    protection.isolate('c')
    jump(YEAR_MS - 1)
    expect(protection.getPeerStatus('a')?.circuitState).toBe('HALF_OPEN')
    expect(protection.getPeerStatus('b')).toMatchObject({ inFlight: 0, consecutiveErrors: 1 })
    expect(protection.getPeerStatus('c')?.isIsolated).toBe(true)
    expect(timers.size).toBe(1)
    succeed(peer, 3)
    jump(YEAR_MS)
    expect(protection.getPeerStatus('a')).toMatchObject({ isRecovering: true, recoveryRate: 0.1 })
    succeed(peer)
    expect(timers.size).toBe(1)
    protection.close()
    expect(timers.size).toBe(0)
  })

  test('counts as it is, also when the timer comes late', () => {
    const time = { now: 0 }
    const clock: Clock = { now: () => time.now, wallTime: () => time.now, schedule: () => () => {} }
    const protection = new Protection({ breaker: { hungCallMs: 100 } }, { clock })
    for (let call = 0; call < 5; call++) protection.admit('a')
    time.now = 150
    expect(protection.getPeerStatus('a')).toMatchObject({ inFlight: 0, circuitState: 'OPEN', since: 100 })
    const { retryAfterMs } = reject(targetOf(protection, 'a'))
    // No source of chance was given: it is the system's.
    expect(retryAfterMs).toBeGreaterThanOrEqual(60_001 - 50)
    expect(retryAfterMs).toBeLessThanOrEqual(66_001 - 50)
  })

  test('that starts anywhere is as good', () => {
    for (const startMs of [0, 0.5, 1e9]) {
      const { protection, clock } = createProtection()
      clock.advance(startMs)
      const peer = targetOf(protection, 'a')
      fail(peer, 2)
      clock.advance(TIMEOUT_MS)
      expect(offer(peer, 'success')).toBe(false)
      clock.advance(1)
      expect(offer(peer, 'success')).toBe(true)
    }
  })
})

test('nothing is left unhandled when calls fail, are aborted or run out of time together', async () => {
  const { protection, advance } = createProtection({ breaker: { hungCallMs: 30, readyToTrip: () => false } })
  const controller = new AbortController()
  const options = { signal: controller.signal, timeoutMs: 20 }
  const refuse = (): Promise<never> => Promise.reject(new Error('refused'))
  const calls = [
    protection.executeRequest('a', refuse, options),
    protection.executeRequest('a', () => new Promise(() => {}), options),
    protection.executeRequest(
      'a',
      ({ signal }) => new Promise((_, stop) => (signal.onabort = () => stop(1)))
    ),
    protection.executeRequest('a', refuse)
  ]
  const settled = Promise.allSettled(calls)
  advance(20)
  controller.abort()
  advance(20)
  expect((await settled).map(({ status }) => status)).toEqual(calls.map(() => 'rejected'))
  await settlePromises()
  expect(protection.getOverallStatus().inFlight).toBe(0)
})

test('fewer probes than the preset wants successes of are allowed, asking for more of them is not', () => {
  expect(() => new Protection({ breaker: { maxRequests: 1 } })).not.toThrow()
  expect(() => new Protection({ breaker: { maxRequests: 1, successThreshold: 2 } })).toThrow(
    'breaker.successThreshold'
  )
})

test('a permit takes no other words than those there are', () => {
  const permit = new Protection().admit('a')
  expect(() => permit.settle('sucess' as never)).toThrow(
    "got 'sucess', allowed: 'success' or 'failure' or 'ignored'"
  )
  expect(permit.settle('success')).toBe(true)
})

describe('suspicion', () => {
  test('holds a target back until it is cleared', () => {
    const { protection } = createProtection()
    expect([protection.isSteady('a'), protection.suspect('a'), protection.suspect('a')]).toEqual([
      true,
      true,
      false
    ])
    expect([protection.isSuspect('a'), protection.isSteady('a'), protection.canAdmit('a')]).toEqual([
      true,
      false,
      false
    ])
    expect(() => protection.admit('a')).toThrow(SuspectError)
    expect([protection.clearSuspicion('a'), protection.clearSuspicion('a')]).toEqual([true, false])
    expect([protection.isSteady('a'), protection.canAdmit('a')]).toEqual([true, true])
  })

  test('ends with a trip, which is shown', () => {
    const { protection, takeEvents } = createProtection()
    protection.suspect('a')
    protection.trip('a')
    expect(protection.getPeerStatus('a')).toMatchObject({ circuitState: 'OPEN', isSuspect: false })
    expect(protection.explain('a')?.evidence).toContain('last opened: it did not respond at all')
    expect(takeEvents()).toEqual(['circuit:open'])
  })

  test('is explained', () => {
    const { protection } = createProtection()
    protection.suspect('a')
    expect(protection.explain('a')).toMatchObject({
      verdict: 'Suspected not to respond: every call is rejected while it is being probed.',
      changes: ['a sign of life ends the suspicion', 'a probe in vain opens the circuit']
    })
    expect(protection.getOverallStatus().suspectPeers).toBe(1)
  })

  test('never falls on the record that all share for which there was no room, nor does a trip', () => {
    const { protection } = createProtection({ maxTargets: 1 })
    protection.isolate('a')
    expect(protection.suspect('b')).toBe(false)
    protection.trip('b')
    expect(protection.canAdmit('b')).toBe(true)
  })

  test('of a target there is no record of there is none', () => {
    const { protection } = createProtection()
    expect([protection.isSuspect('a'), protection.clearSuspicion('a'), protection.isSteady('a')]).toEqual([
      false,
      false,
      true
    ])
    expect(protection.getOverallStatus().totalPeers).toBe(0)
  })
})

describe('a pause', () => {
  test('leaves no timer, and loses nothing', () => {
    const { protection, clock, advance, takeEvents } = createProtection()
    fail(targetOf(protection, 'a'), 2)
    protection.pause()
    expect(clock.pendingTimers).toBe(0)
    advance(TIMEOUT_MS + 1)
    takeEvents()
    protection.resume()
    expect(clock.pendingTimers).toBe(1)
    advance(0)
    expect(takeEvents()).toEqual(['circuit:half-open'])
  })
})

describe('a target that was found to answer again', () => {
  test('is probed before its time, and comes back by that', () => {
    const { protection, takeEvents } = createProtection()
    const peer = targetOf(protection, 'a')
    fail(peer, 2)
    takeEvents()
    expect(protection.retryNow('a')).toBe(true)
    expect(takeEvents()).toEqual(['circuit:half-open'])
    succeed(peer)
    expect(takeEvents()).toEqual(['circuit:close', 'recovery:start'])
  })

  test('is as it was if it was not refused, or nothing is known of it', () => {
    const { protection, takeEvents } = createProtection()
    succeed(targetOf(protection, 'a'))
    expect([protection.retryNow('a'), protection.retryNow('b')]).toEqual([false, false])
    expect(takeEvents()).toEqual([])
    expect(protection.getPeerStatus('b')).toBe(undefined)
  })

  test('is refused on if that was by hand', () => {
    const { protection } = createProtection()
    protection.isolate('a')
    protection.trip('a')
    expect(protection.retryNow('a')).toBe(true)
    expect(protection.canAdmit('a')).toBe(false)
  })
})
