import { expect, test } from 'vitest'
import { Retry } from '../../../src/bitswap/fetch/retry.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'

/** @param isStarving - whether nobody is left to ask each time, either */
function create({ chance = 0, isStarving = true } = {}) {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  // Keeps time going on.
  const running = deadlines.add(60_000, () => {})
  const dueMs: number[] = []
  const retry: Retry = new Retry(
    deadlines,
    () => chance,
    () => {
      dueMs.push(deadlines.awakeMs)
      if (isStarving) retry.plan()
    }
  )
  return { clock, deadlines, running, retry, dueMs }
}

test('is due after a second, and later each time, up to four', () => {
  const { clock, retry, dueMs } = create()
  retry.plan()
  clock.advance(16_000)
  expect(dueMs).toEqual([1_000, 3_000, 7_000, 11_000, 15_000])
})

test('is due earlier by chance, so that not all are at once', () => {
  const { clock, retry, dueMs } = create({ chance: 0.5 })
  retry.plan()
  clock.advance(3_000)
  expect(dueMs).toEqual([750, 2_250])
})

test('is planned once at a time', () => {
  const { clock, deadlines, retry, dueMs } = create({ isStarving: false })
  retry.plan()
  clock.advance(500)
  retry.plan()
  expect(deadlines.size).toBe(2)
  clock.advance(5_000)
  expect(dueMs).toEqual([1_000])
  retry.plan()
  clock.advance(5_000)
  // The one that was not needed has not made it later.
  expect(dueMs).toEqual([1_000, 7_500])
})

test('begins anew', () => {
  const { clock, retry, dueMs } = create()
  retry.plan()
  clock.advance(4_000)
  retry.restart(50)
  clock.advance(5_000)
  expect(dueMs).toEqual([1_000, 3_000, 4_050, 5_050, 7_050])
})

test('is never due once it is cancelled', () => {
  const { clock, deadlines, running, retry, dueMs } = create()
  retry.plan()
  retry.cancel()
  // A fetch that is over may still find out that nobody is left.
  retry.plan()
  clock.advance(5_000)
  expect(dueMs).toEqual([])
  running.cancel()
  expect(deadlines.size).toBe(0)
})
