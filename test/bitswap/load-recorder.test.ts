import { expect, test } from 'vitest'
import { LoadRecorder } from '../../src/bitswap/load-recorder.ts'

const PERIOD_MS = 30_000
const START_MS = 1_000.5

function create() {
  return new LoadRecorder(PERIOD_MS, START_MS)
}

test('a period is over when its time is', () => {
  const recorder = create()
  expect(recorder.isOver(START_MS + PERIOD_MS - 1)).toBe(false)
  expect(recorder.isOver(START_MS + PERIOD_MS)).toBe(true)
  recorder.takePeriod(START_MS + PERIOD_MS)
  expect(recorder.isOver(START_MS + PERIOD_MS)).toBe(false)
  expect(recorder.isOver(START_MS + 2 * PERIOD_MS - 1)).toBe(false)
  expect(recorder.isOver(START_MS + 2 * PERIOD_MS)).toBe(true)
})

test('all that was noted is in the load', () => {
  const recorder = create()
  for (const lagMs of [0, 30, 6]) recorder.noted(lagMs)
  for (const ms of [10, 20, 30]) recorder.opened(ms, START_MS)
  for (const ms of [100, 200, 3000, 4000]) recorder.answered(ms, START_MS)
  for (const isTimeout of [true, false, true, false, true]) recorder.failed(isTimeout)
  recorder.hedged()
  for (let refused = 0; refused < 4; refused++) recorder.hedgeRefused()
  expect(recorder.takePeriod(START_MS + PERIOD_MS)).toMatchObject({
    periodMs: PERIOD_MS,
    loopLagMs: 12,
    opened: { count: 3, p50Ms: expect.closeTo(20, 0) },
    answered: { count: 4, p50Ms: expect.closeTo(200, -1), p99Ms: expect.closeTo(4000, -2) },
    timedOut: 3,
    failedOtherwise: 2,
    hedged: 1,
    hedgesRefused: 4
  })
})

test('a period begins with nothing', () => {
  const recorder = create()
  recorder.noted(100)
  recorder.opened(10, START_MS)
  recorder.answered(10, START_MS)
  recorder.failed(true)
  recorder.failed(false)
  recorder.hedged()
  recorder.hedgeRefused()
  recorder.takePeriod(START_MS + PERIOD_MS)
  recorder.noted(8)
  recorder.answered(500, START_MS + PERIOD_MS)
  expect(recorder.takePeriod(START_MS + 2 * PERIOD_MS)).toMatchObject({
    loopLagMs: 8,
    opened: { count: 0 },
    answered: { count: 1, p50Ms: expect.closeTo(500, -1) },
    timedOut: 0,
    failedOtherwise: 0,
    hedged: 0,
    hedgesRefused: 0
  })
})

test('without a note the event loop was not late', () => {
  expect(create().takePeriod(START_MS + PERIOD_MS)).toMatchObject({ loopLagMs: 0 })
})

test('a period looked at late still counts, until another has passed', () => {
  const take = (lateMs: number) => {
    const recorder = create()
    recorder.answered(10, START_MS)
    recorder.failed(true)
    return recorder.takePeriod(START_MS + PERIOD_MS + lateMs)
  }
  expect(take(PERIOD_MS - 1)).toMatchObject({ answered: { count: 1 }, timedOut: 1 })
  expect(take(PERIOD_MS)).toBeUndefined()
  expect(take(1_000 * PERIOD_MS)).toBeUndefined()
})

test('periods keep to their times, and what is stale is in none of them', () => {
  const recorder = create()
  recorder.answered(10, START_MS)
  recorder.failed(true)
  recorder.takePeriod(START_MS + 3.7 * PERIOD_MS)
  expect(recorder.isOver(START_MS + 4 * PERIOD_MS - 1)).toBe(false)
  expect(recorder.isOver(START_MS + 4 * PERIOD_MS)).toBe(true)
  expect(recorder.takePeriod(START_MS + 4 * PERIOD_MS)).toMatchObject({
    answered: { count: 0 },
    timedOut: 0
  })
})
