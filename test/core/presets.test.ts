import { describe, expect, test } from 'vitest'
import { resolveCircuitBreakerOptions } from '../../src/core/circuit-breaker.ts'
import {
  CircuitBreaker,
  type Counts,
  ManualClock,
  type PresetName,
  Protection,
  presets,
  tripAt
} from '../../src/core/index.ts'
import { fail, reject, succeed, targetOf } from '../support/drive.ts'

const names = Object.keys(presets) as PresetName[]

function counts(given: Partial<Counts>): Counts {
  return {
    requests: 0,
    totalSuccesses: 0,
    totalFailures: 0,
    totalExclusions: 0,
    consecutiveSuccesses: 0,
    consecutiveFailures: 0,
    ...given
  }
}

describe('tripAt', () => {
  test('opens at failures in a row', () => {
    const readyToTrip = tripAt({ consecutiveFailures: 3 })
    expect(readyToTrip(counts({ consecutiveFailures: 2, totalFailures: 2 }))).toBe(false)
    expect(readyToTrip(counts({ consecutiveFailures: 3, totalFailures: 3 }))).toBe(true)
  })

  test.each([
    [10, 9, false],
    [10, 10, true],
    [9, 10, false],
    [11, 9, false]
  ])('at half of 20: %i successes and %i failures', (totalSuccesses, totalFailures, trips) => {
    const readyToTrip = tripAt({ consecutiveFailures: 100, failureShare: 0.5, minRequests: 20 })
    expect(readyToTrip(counts({ totalSuccesses, totalFailures }))).toBe(trips)
  })

  test('takes into account only calls that have ended, and count', () => {
    const readyToTrip = tripAt({ consecutiveFailures: 100, failureShare: 0.5, minRequests: 20 })
    expect(readyToTrip(counts({ requests: 1000, totalExclusions: 500, totalFailures: 19 }))).toBe(false)
    expect(readyToTrip(counts({ requests: 1000, totalExclusions: 500, totalFailures: 20 }))).toBe(true)
  })

  test('by default opens at five in a row, or half of at least 20', () => {
    const readyToTrip = tripAt()
    expect(readyToTrip(counts({ totalFailures: 4, consecutiveFailures: 4 }))).toBe(false)
    expect(readyToTrip(counts({ totalFailures: 5, consecutiveFailures: 5 }))).toBe(true)
    expect(readyToTrip(counts({ totalSuccesses: 10, totalFailures: 10, consecutiveFailures: 1 }))).toBe(true)
  })
})

describe.each(names)('preset %s', name => {
  test('is a valid set of options, frozen', () => {
    expect(() => resolveCircuitBreakerOptions({}, presets[name])).not.toThrow()
    expect(Object.isFrozen(presets[name])).toBe(true)
  })

  test('turns every extension on', () => {
    const options = resolveCircuitBreakerOptions({}, presets[name])
    expect(options.halfOpenTimeoutMs).toBeGreaterThan(0)
    expect(options.timeoutGrowth).toBeGreaterThan(1)
    expect(options.timeoutJitter).toBeGreaterThan(0)
    expect(options.slowCallMs).toBeGreaterThan(0)
    expect(options.hungCallMs).toBeGreaterThan(0)
    expect(options.successThreshold).toBeLessThan(options.maxRequests)
  })

  test('forgives a call we ourselves gave up', async () => {
    const breaker = new CircuitBreaker(presets[name], { clock: new ManualClock() })
    const abort = Object.assign(new Error('aborted'), { name: 'AbortError' })
    await expect(breaker.execute(() => Promise.reject(abort))).rejects.toBe(abort)
    expect(breaker.counts).toMatchObject({ totalExclusions: 1, totalFailures: 0 })
  })

  test('holds a timeout against the target', async () => {
    const breaker = new CircuitBreaker(presets[name], { clock: new ManualClock() })
    const timeout = Object.assign(new Error('timed out'), { name: 'TimeoutError' })
    await expect(breaker.execute(() => Promise.reject(timeout))).rejects.toBe(timeout)
    expect(breaker.counts.totalFailures).toBe(1)
  })

  test('opens at the fifth failure in a row, and closes after three good probes', () => {
    const clock = new ManualClock()
    const protection = new Protection({ preset: name }, { clock, random: () => 0 })
    const peer = targetOf(protection, 'a')
    fail(peer, 4)
    expect(protection.getPeerStatus('a')?.circuitState).toBe('CLOSED')
    fail(peer)
    const { retryAfterMs } = reject(peer)
    expect(retryAfterMs).toBe(presets[name].timeoutMs! + 1)
    clock.advance(retryAfterMs)
    succeed(peer, 2)
    expect(protection.getPeerStatus('a')?.circuitState).toBe('HALF_OPEN')
    succeed(peer)
    expect(protection.getPeerStatus('a')?.circuitState).toBe('CLOSED')
    protection.close()
  })
})

test('options given go before those of the preset', () => {
  const clock = new ManualClock()
  const protection = new Protection(
    { preset: 'relay', breaker: { timeoutMs: 7000, readyToTrip: tripAt({ consecutiveFailures: 1 }) } },
    { clock, random: () => 0 }
  )
  fail(targetOf(protection, 'a'))
  expect(reject(targetOf(protection, 'a')).retryAfterMs).toBe(7001)
  protection.close()
})

test('one that is undefined leaves the preset’s', () => {
  const options = resolveCircuitBreakerOptions({ timeoutMs: undefined as never }, presets.relay)
  expect(options.timeoutMs).toBe(presets.relay.timeoutMs)
})
