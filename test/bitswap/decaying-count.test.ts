import { expect, test } from 'vitest'
import { DecayingCount } from '../../src/bitswap/decaying-count.ts'

test('what was counted is worth half after each half-life', () => {
  const count = new DecayingCount(100)
  expect(count.at(0)).toBe(0)
  expect(count.at(1e9)).toBe(0)
  for (let event = 0; event < 8; event++) count.increment(1_000)
  expect([1_000, 1_100, 1_200, 1_300].map(nowMs => count.at(nowMs))).toEqual([8, 4, 2, 1])
  count.increment(1_200)
  expect([1_200, 1_300].map(nowMs => count.at(nowMs))).toEqual([3, 1.5])
})

test('a steady stream of events comes to its rate times the half-life, by the natural logarithm of 2', () => {
  const count = new DecayingCount(1_000)
  for (let nowMs = 0; nowMs < 100_000; nowMs += 10) count.increment(nowMs)
  expect(count.at(100_000)).toBeCloseTo(100 / Math.LN2, 0)
})
