import { describe, expect, test } from 'vitest'
import { HealthMonitor, type HealthOptions, ManualClock } from '../../src/core/index.ts'
import { SLOTS_PER_TURN } from '../../src/core/key-table.ts'

const INTERVAL_MS = 1000
const YEAR_MS = 365 * 24 * 60 * 60 * 1000

function create(options: Partial<HealthOptions> = {}, maxTargets = 100) {
  const clock = new ManualClock()
  const monitor = new HealthMonitor({ checkIntervalMs: INTERVAL_MS, ...options }, { clock, maxTargets })
  return { monitor, clock, advance: (ms: number) => clock.advance(ms) }
}

function succeed(monitor: HealthMonitor, times = 1, responseTimeMs = 10, key = 'a'): void {
  for (let made = 0; made < times; made++) monitor.recordRequest(key, responseTimeMs)
}

function fail(monitor: HealthMonitor, times = 1, key = 'a'): void {
  for (let made = 0; made < times; made++) monitor.recordRequest(key, 10, new Error('refused'))
}

describe('status', () => {
  test('is UNKNOWN for a target nobody has called', () => {
    const { monitor } = create()
    expect(monitor.getHealthStatus('a')).toBe('UNKNOWN')
    expect(monitor.getHealth('a')).toBeUndefined()
  })

  test('is UNKNOWN below minRequests, HEALTHY from there', () => {
    const { monitor } = create({ minRequests: 5 })
    succeed(monitor, 4)
    expect(monitor.getHealthStatus('a')).toBe('UNKNOWN')
    succeed(monitor)
    expect(monitor.getHealthStatus('a')).toBe('HEALTHY')
  })

  test.each([
    [19, 1, 'HEALTHY'],
    [18, 2, 'DEGRADED'],
    [16, 4, 'DEGRADED'],
    [15, 5, 'UNHEALTHY']
  ] as const)('with %i successes and %i failures is %s', (successes, failures, status) => {
    const { monitor } = create({ healthyThreshold: 0.95, degradedThreshold: 0.8 })
    fail(monitor, failures)
    succeed(monitor, successes)
    expect(monitor.getHealthStatus('a')).toBe(status)
  })

  test('is DEGRADED when answers come too slowly', () => {
    const { monitor } = create({ maxResponseTimeMs: 100 })
    succeed(monitor, 10, 100)
    expect(monitor.getHealthStatus('a')).toBe('HEALTHY')
    succeed(monitor, 1, 110)
    expect(monitor.getHealthStatus('a')).toBe('DEGRADED')
  })

  test('is HEALTHY again when answers come quickly again', () => {
    const { monitor } = create({ maxResponseTimeMs: 100 })
    succeed(monitor, 10, 200)
    succeed(monitor, 10, 10)
    expect(monitor.getHealthStatus('a')).toBe('HEALTHY')
  })

  test('is UNHEALTHY at maxConsecutiveErrors, whatever else is known, and UNKNOWN before', () => {
    const { monitor } = create({ maxConsecutiveErrors: 3, minRequests: 10 })
    fail(monitor, 2)
    expect(monitor.getHealthStatus('a')).toBe('UNKNOWN')
    fail(monitor)
    expect(monitor.getHealthStatus('a')).toBe('UNHEALTHY')
    succeed(monitor)
    expect(monitor.getHealthStatus('a')).toBe('UNKNOWN')
  })

  test('is UNHEALTHY at maxConsecutiveErrors after any number of successes', () => {
    const { monitor } = create({ maxConsecutiveErrors: 3 })
    succeed(monitor, 1000)
    fail(monitor, 3)
    expect(monitor.getHealth('a')).toMatchObject({ status: 'UNHEALTHY', consecutiveErrors: 3 })
  })

  test('one success ends the errors in a row', () => {
    const { monitor } = create({ maxConsecutiveErrors: 3 })
    fail(monitor, 2)
    succeed(monitor)
    fail(monitor, 2)
    expect(monitor.getHealth('a')?.consecutiveErrors).toBe(2)
  })

  test('counts errors in a row up to the highest maxConsecutiveErrors there can be', () => {
    const { monitor } = create({ maxConsecutiveErrors: 255 })
    succeed(monitor, 20_000)
    fail(monitor, 254)
    expect(monitor.getHealthStatus('a')).toBe('HEALTHY')
    fail(monitor, 500)
    expect(monitor.getHealth('a')).toMatchObject({ status: 'UNHEALTHY', consecutiveErrors: 255 })
  })

  test('takes null for no error, as callbacks give it, and anything else for one', () => {
    const { monitor } = create()
    monitor.recordRequest('a', 10, null)
    monitor.recordRequest('a', 10, undefined)
    expect(monitor.getHealth('a')?.successRate).toBe(1)
    for (const error of [0, '', false, new Error()]) monitor.recordRequest('b', 10, error)
    expect(monitor.getHealth('b')?.successRate).toBe(0)
  })
})

describe('the window', () => {
  test('is the present and the previous interval', () => {
    const { monitor, advance } = create()
    fail(monitor, 4)
    advance(INTERVAL_MS)
    succeed(monitor, 6)
    expect(monitor.getHealth('a')).toMatchObject({ requests: 10, successRate: 0.6 })
    advance(INTERVAL_MS)
    expect(monitor.getHealth('a')).toMatchObject({ requests: 6, successRate: 1 })
    advance(INTERVAL_MS)
    expect(monitor.getHealth('a')).toMatchObject({ requests: 0, successRate: 1 })
  })

  test('a target that is left alone becomes UNKNOWN', () => {
    const { monitor, advance } = create()
    succeed(monitor, 10)
    advance(2 * INTERVAL_MS - 1)
    expect(monitor.getHealthStatus('a')).toBe('HEALTHY')
    advance(1)
    expect(monitor.getHealthStatus('a')).toBe('UNKNOWN')
  })

  test('errors in a row outlast it: the next one counts with them', () => {
    const { monitor, advance } = create({ maxConsecutiveErrors: 3 })
    fail(monitor, 3)
    advance(5 * INTERVAL_MS)
    expect(monitor.getHealthStatus('a')).toBe('UNKNOWN')
    fail(monitor)
    expect(monitor.getHealthStatus('a')).toBe('UNHEALTHY')
  })

  test('looking changes nothing', () => {
    const { monitor, advance } = create()
    succeed(monitor, 10)
    advance(INTERVAL_MS)
    const looks = [monitor.getHealth('a'), monitor.getHealth('a')]
    expect(looks[0]).toEqual(looks[1])
    fail(monitor, 10)
    expect(monitor.getHealth('a')?.requests).toBe(20)
  })

  test('of more calls than fit its counters keeps their ratio', () => {
    const { monitor } = create()
    for (let call = 1; call <= 200_000; call++) {
      if (call % 10 === 0) fail(monitor)
      else succeed(monitor)
      if (call % 1000 !== 0) continue
      const health = monitor.getHealth('a')!
      expect(health.successRate).toBeCloseTo(0.9, 3)
      expect(health.requests).toBeGreaterThanOrEqual(Math.min(call, 32_000))
      expect(health.status).toBe('DEGRADED')
    }
  })

  test('a clock that jumps by a year only makes it old', () => {
    const { monitor, advance } = create({ maxAgeMs: YEAR_MS })
    fail(monitor, 10)
    advance(YEAR_MS - 1)
    expect(monitor.getHealthStatus('a')).toBe('UNKNOWN')
    succeed(monitor, 5)
    expect(monitor.getHealth('a')).toMatchObject({ status: 'HEALTHY', requests: 5 })
  })
})

describe('response times', () => {
  test('are smoothed as RFC 6298 does', () => {
    const { monitor } = create()
    succeed(monitor, 1, 100)
    expect(monitor.getHealth('a')).toMatchObject({ responseTimeMs: 100, responseTimeDeviationMs: 50 })
    succeed(monitor, 1, 180)
    // deviation: 3/4 · 50 + 1/4 · |100 - 180|; mean: 7/8 · 100 + 1/8 · 180
    expect(monitor.getHealth('a')).toMatchObject({ responseTimeMs: 110, responseTimeDeviationMs: 57.5 })
  })

  test('of failures are none', () => {
    const { monitor } = create()
    monitor.recordRequest('a', 9999, new Error('refused'))
    expect(monitor.getHealth('a')).toMatchObject({ responseTimeMs: 0, responseTimeDeviationMs: 0 })
    expect(monitor.getLatency().count).toBe(0)
  })

  test('of 0 ms are response times like others', () => {
    const { monitor } = create()
    succeed(monitor, 8, 0)
    succeed(monitor, 1, 80)
    expect(monitor.getHealth('a')?.responseTimeMs).toBe(10)
  })

  test.each([Number.NaN, -1, Infinity])('of %s ms are none, and spoil none to come', notATime => {
    const { monitor } = create()
    succeed(monitor, 5, notATime)
    expect(monitor.getHealth('a')).toMatchObject({ successRate: 1, requests: 5, responseTimeMs: 0 })
    succeed(monitor, 5, 40)
    expect(monitor.getHealth('a')).toMatchObject({ status: 'HEALTHY', responseTimeMs: 40 })
  })

  test('of all targets are in one summary', () => {
    const { monitor } = create()
    for (let target = 1; target <= 100; target++) succeed(monitor, 1, target, `peer ${target}`)
    expect(monitor.getLatency()).toMatchObject({ count: 100, maxMs: expect.closeTo(100, -1) })
    expect(monitor.getLatency().p50Ms).toBeCloseTo(50, -1)
  })
})

describe('records', () => {
  test('of one target say nothing about another', () => {
    const { monitor } = create()
    fail(monitor, 10, 'a')
    succeed(monitor, 10, 5, 'b')
    expect(monitor.getHealthStatus('a')).toBe('UNHEALTHY')
    expect(monitor.getHealth('b')).toMatchObject({ status: 'HEALTHY', responseTimeMs: 5 })
  })

  test('are forgotten when not used for maxAgeMs, with no timer', () => {
    const { monitor, clock } = create({ maxAgeMs: 5000, cleanupIntervalMs: 1000 })
    succeed(monitor, 1, 10, 'a')
    clock.advance(3000)
    succeed(monitor, 1, 10, 'b')
    expect(clock.pendingTimers).toBe(0)
    clock.advance(2000)
    expect(monitor.getHealth('a')).toBeDefined()
    clock.advance(1000)
    expect(monitor.getHealth('a')).toBeUndefined()
    expect(monitor.getHealth('b')).toBeDefined()
  })

  test('are forgotten however often others are used', () => {
    const { monitor, clock } = create({ maxAgeMs: 5000, cleanupIntervalMs: 1000 })
    succeed(monitor, 1, 10, 'a')
    for (let used = 0; used < 20; used++) {
      clock.advance(500)
      succeed(monitor, 1, 10, 'b')
    }
    expect(monitor.getHealth('a')).toBeUndefined()
  })

  test('of very many some are forgotten each time it is used', () => {
    const targets = 2 * SLOTS_PER_TURN + 100
    const { monitor, clock } = create({ maxAgeMs: 5000, cleanupIntervalMs: 1000 }, targets)
    for (let target = 0; target < targets; target++) succeed(monitor, 1, 10, `target ${target}`)
    clock.advance(6000)
    // Each looks before it answers, and slots were given in the order of the targets.
    const isKnown = (target: number) => monitor.getHealth(`target ${target}`) !== undefined
    expect(isKnown(SLOTS_PER_TURN)).toBe(true)
    expect(isKnown(SLOTS_PER_TURN)).toBe(false)
    expect(isKnown(targets - 1)).toBe(false)
  })

  test('of very many are all looked at before they are listed', () => {
    const targets = 2 * SLOTS_PER_TURN + 100
    const { monitor, clock } = create({ maxAgeMs: 5000, cleanupIntervalMs: 1000 }, targets)
    for (let target = 0; target < targets; target++) succeed(monitor, 1, 10, `target ${target}`)
    clock.advance(6000)
    expect([...monitor.targets()]).toEqual([])
  })

  test('forgotten, leave nothing to the next target', () => {
    const { monitor, advance } = create({ maxAgeMs: 5000, cleanupIntervalMs: 1000 })
    succeed(monitor, 10, 50, 'a')
    fail(monitor, 10, 'a')
    advance(10_000)
    for (const key of ['b', 'a']) {
      fail(monitor, 1, key)
      expect(monitor.getHealth(key)).toMatchObject({
        requests: 1,
        consecutiveErrors: 1,
        responseTimeMs: 0,
        responseTimeDeviationMs: 0
      })
      succeed(monitor, 1, 7, key)
      expect(monitor.getHealth(key)).toMatchObject({ responseTimeMs: 7, responseTimeDeviationMs: 3.5 })
    }
  })

  test('are at most maxTargets: the longest idle makes room', () => {
    const { monitor, advance } = create({}, 3)
    for (const key of ['a', 'b', 'c']) {
      succeed(monitor, 1, 10, key)
      advance(1)
    }
    succeed(monitor, 1, 10, 'a')
    advance(1)
    succeed(monitor, 1, 10, 'd')
    expect([...monitor.targets()].map(([key]) => key).sort()).toEqual(['a', 'c', 'd'])
  })

  test('are all listed, with their health', () => {
    const { monitor } = create()
    succeed(monitor, 5, 10, 'a')
    fail(monitor, 5, 'b')
    expect(Object.fromEntries(monitor.targets())).toMatchObject({
      a: { status: 'HEALTHY' },
      b: { status: 'UNHEALTHY' }
    })
  })

  test('are plain frozen data', () => {
    const { monitor } = create()
    succeed(monitor)
    const health = monitor.getHealth('a')!
    expect(Object.isFrozen(health)).toBe(true)
    expect(JSON.parse(JSON.stringify(health))).toEqual(health)
    expect(Object.isFrozen(monitor.getLatency())).toBe(true)
  })

  test('may have any key', () => {
    const { monitor } = create()
    for (const key of ['', '__proto__', 'constructor', '\u0000', '🦊']) {
      expect(monitor.getHealth(key)).toBeUndefined()
      succeed(monitor, 1, 10, key)
      expect(monitor.getHealth(key)?.requests).toBe(1)
    }
  })
})
