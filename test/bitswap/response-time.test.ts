import { expect, test } from 'vitest'
import { ResponseTime } from '../../src/bitswap/response-time.ts'

// The rules are those of RFC 6298, section 2: SRTT, RTTVAR, and K = 4.

function after(...samples: readonly number[]): ResponseTime {
  const time = new ResponseTime()
  for (const ms of samples) time.sample(ms)
  return time
}

test('nothing is known before the first sample', () => {
  expect(after()).toMatchObject({ isKnown: false, meanMs: 0, usualMs: 0 })
})

test('the first sample is the mean, and half of it the deviation (2.2)', () => {
  expect(after(100)).toMatchObject({ isKnown: true, meanMs: 100, usualMs: 100 + 4 * 50 })
})

test('later ones weigh an eighth in the mean, and a quarter in the deviation (2.3)', () => {
  // RTTVAR = 3/4 · 50 + 1/4 · |100 − 180| = 57.5; SRTT = 7/8 · 100 + 1/8 · 180 = 110
  const time = after(100, 180)
  expect(time.meanMs).toBe(110)
  expect(time.usualMs).toBe(110 + 4 * 57.5)
})

test('the deviation is worked out with the mean from before the sample', () => {
  // A mean updated first would make the distance 100, not 200.
  const time = after(400, 200)
  expect(time.meanMs).toBe(375)
  expect(time.usualMs).toBe(375 + 4 * (0.75 * 200 + 0.25 * 200))
})

test('a quicker sample narrows what is usual only slowly', () => {
  const time = after(100)
  const limits = Array.from({ length: 20 }, () => {
    time.sample(100)
    return time.usualMs
  })
  expect(limits[0]).toBe(100 + 4 * 37.5)
  expect(limits).toEqual([...limits].sort((a, b) => b - a))
  expect(limits.at(-1)).toBeGreaterThan(100)
  expect(limits.at(-1)).toBeLessThan(101)
})

test('one outlier widens what is usual at once', () => {
  const time = after(...Array.from({ length: 50 }, () => 20))
  expect(time.usualMs).toBeCloseTo(20, 3)
  time.sample(820)
  expect(time.meanMs).toBeCloseTo(120, 3)
  expect(time.usualMs).toBeCloseTo(920, 3)
})

test('a sample of no time at all counts like any other', () => {
  const time = after(0)
  expect(time).toMatchObject({ isKnown: true, meanMs: 0, usualMs: 0 })
  time.sample(8)
  expect(time.meanMs).toBe(1)
  expect(time.usualMs).toBe(1 + 4 * 2)
})
