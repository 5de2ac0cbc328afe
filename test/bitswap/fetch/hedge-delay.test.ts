import { describe, expect, test } from 'vitest'
import { HedgeDelay } from '../../../src/bitswap/fetch/hedge-delay.ts'

const UNKNOWN_MS = 250
const LEAST_MS = 50

/** After 100 blocks that took 1 to 100 times as long. */
function after(scaleMs: number, nowMs = 0): HedgeDelay {
  const delay = new HedgeDelay(nowMs)
  for (let count = 1; count <= 100; count++) delay.record(count * scaleMs, nowMs)
  return delay
}

describe('while nothing is known', () => {
  test('it is a quarter of a second', () => {
    expect(new HedgeDelay(0).after(0)).toBe(UNKNOWN_MS)
  })

  test('it is four times the quickest word, if that is less', () => {
    const delay = new HedgeDelay(0)
    delay.hint(40)
    expect(delay.after(0)).toBe(160)
    delay.hint(20)
    expect(delay.after(0)).toBe(80)
    delay.hint(60)
    expect(delay.after(0)).toBe(80)
  })

  test('it is not more for a slow word', () => {
    const delay = new HedgeDelay(0)
    delay.hint(100)
    expect(delay.after(0)).toBe(UNKNOWN_MS)
  })

  test('it is never less than 50 ms', () => {
    const delay = new HedgeDelay(0)
    delay.hint(1)
    expect(delay.after(0)).toBe(LEAST_MS)
  })
})

describe('once blocks have come', () => {
  test('it is what 95 of 100 take at most', () => {
    // To two digits.
    expect(after(2).after(0)).toBeGreaterThanOrEqual(189)
    expect(after(2).after(0)).toBeLessThanOrEqual(192)
  })

  test('words do not matter any more', () => {
    const delay = after(2)
    delay.hint(20)
    expect(delay.after(0)).toBeGreaterThanOrEqual(189)
  })

  test('it is never less than 50 ms', () => {
    expect(after(0.1).after(0)).toBe(LEAST_MS)
  })

  test('it may be more than at first', () => {
    expect(after(10).after(0)).toBeGreaterThan(3 * UNKNOWN_MS)
  })

  test('it is worked out anew after half a second', () => {
    const delay = after(1)
    const early = delay.after(1_000)
    for (let count = 0; count < 100; count++) delay.record(800, 1_000)
    expect(delay.after(1_499)).toBe(early)
    expect(delay.after(1_500)).toBeGreaterThan(790)
  })

  test('it is worked out anew when there are more than twice as many', () => {
    const delay = after(1)
    const early = delay.after(1_000)
    for (let count = 0; count < 100; count++) delay.record(800, 1_000)
    expect(delay.after(1_000)).toBe(early)
    delay.record(800, 1_000)
    expect(delay.after(1_000)).toBeGreaterThan(790)
    for (let count = 0; count < 201; count++) delay.record(2_000, 1_000)
    expect(delay.after(1_000)).toBeLessThan(1_000)
    delay.record(2_000, 1_000)
    expect(delay.after(1_000)).toBeGreaterThan(1_900)
  })

  test('times are forgotten within two minutes', () => {
    const delay = after(10)
    expect(delay.after(59_000)).toBeGreaterThan(900)
    expect(delay.after(119_000)).toBeGreaterThan(900)
    expect(delay.after(120_000)).toBe(UNKNOWN_MS)
  })
})

test('the first block counts at once', () => {
  const delay = new HedgeDelay(0)
  expect(delay.after(0)).toBe(UNKNOWN_MS)
  delay.record(1_000, 0)
  expect(delay.after(0)).toBeGreaterThan(950)
})

test('it is not held to what a small first block took', () => {
  const delay = new HedgeDelay(0)
  delay.record(20, 0)
  expect(delay.after(0)).toBe(LEAST_MS)
  for (let count = 0; count < 2; count++) delay.record(400, 100)
  expect(delay.after(100)).toBeGreaterThan(380)
})
