import { expect, test } from 'vitest'
import { LATENCY_BOUNDS_MS, LatencyBuckets } from '../../src/core/latency-buckets.ts'

test('nothing is counted at first', () => {
  const { atMost, count, sumMs } = new LatencyBuckets().read()
  expect(atMost).toEqual(LATENCY_BOUNDS_MS.map(() => 0))
  expect([count, sumMs]).toEqual([0, 0])
})

test('each time is counted in its bucket and in all above, the bound included', () => {
  const buckets = new LatencyBuckets()
  for (const ms of [0, 1, 1.5, 50, 50.1]) buckets.record(ms)
  const { atMost, count, sumMs } = buckets.read()
  const upTo = (boundMs: number): number => atMost[LATENCY_BOUNDS_MS.indexOf(boundMs)]!
  expect([upTo(1), upTo(2), upTo(20), upTo(50), upTo(100), upTo(10_000)]).toEqual([2, 3, 3, 4, 5, 5])
  expect(count).toBe(5)
  expect(sumMs).toBeCloseTo(102.6)
})

test('what is longer than all bounds is counted in the end only', () => {
  const buckets = new LatencyBuckets()
  buckets.record(10_000)
  buckets.record(10_001)
  const { atMost, count } = buckets.read()
  expect([atMost.at(-1), count]).toEqual([1, 2])
})

test('what was read does not change, nor can it be changed', () => {
  const buckets = new LatencyBuckets()
  const before = buckets.read()
  buckets.record(1)
  expect(before.count).toBe(0)
  expect([Object.isFrozen(before), Object.isFrozen(before.atMost)]).toEqual([true, true])
})
