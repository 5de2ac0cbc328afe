import { expect, test } from 'vitest'
import { LoopLag } from '../../src/bitswap/loop-lag.ts'
import { LateClock } from '../support/late-clock.ts'

const SAMPLE_MS = 25
const HALF_LIFE_MS = 250

function create() {
  const clock = new LateClock()
  const lag = new LoopLag(clock)
  return {
    clock,
    lag,
    /** Has it measured while everything is late by this. */
    measure: (ms: number): number => {
      lag.stop()
      lag.read()
      clock.stall(ms)
      clock.advance(SAMPLE_MS)
      return lag.read()
    }
  }
}

test('is nothing before it was measured, and while all is in time', () => {
  const { lag, measure } = create()
  expect(lag.read()).toBe(0)
  expect(measure(0)).toBe(0)
})

test('is how late a callback came', () => {
  const { measure } = create()
  expect(measure(120)).toBe(120)
})

test('falls by half in a while, not at once', () => {
  const { clock, lag, measure } = create()
  measure(120)
  clock.advance(HALF_LIFE_MS)
  expect(lag.read()).toBeCloseTo(60)
  clock.advance(HALF_LIFE_MS)
  expect(lag.read()).toBeCloseTo(30)
})

test('a smaller lag does not make one forget a greater one', () => {
  const { measure } = create()
  measure(1_000)
  expect(measure(10)).toBeGreaterThan(700)
})

test('a greater lag counts at once', () => {
  const { measure } = create()
  measure(50)
  expect(measure(300)).toBe(300)
})

test('is measured with one timer at most, and only as long as somebody asks', () => {
  const { clock, lag } = create()
  expect(clock.pendingTimers).toBe(0)
  for (let times = 0; times < 10; times++) lag.read()
  expect(clock.pendingTimers).toBe(1)
  clock.advance(SAMPLE_MS)
  expect(clock.pendingTimers).toBe(0)
  lag.read()
  expect(clock.pendingTimers).toBe(1)
})

test('stopped, it has no timer until somebody asks again', () => {
  const { clock, lag } = create()
  lag.read()
  lag.stop()
  expect(clock.pendingTimers).toBe(0)
  lag.stop()
  lag.read()
  expect(clock.pendingTimers).toBe(1)
})
