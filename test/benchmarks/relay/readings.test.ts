import { expect, test } from 'vitest'
import { figuresOf, type Reading } from '../../../benchmarks/relay/readings.ts'

/** Reads one after the other: begun, ended, and whether it was answered. */
function readings(...all: Array<readonly [startMs: number, endMs: number, isAnswered?: boolean]>): Reading[] {
  return all.map(([startMs, endMs, isAnswered = true]) => ({
    startMs,
    endMs,
    answeredBy: isAnswered ? 'primary' : undefined
  }))
}

test('reads count from the moment on at which they have ended', () => {
  const reader = readings([0, 10], [20, 130], [140, 150, false], [160, 200])
  expect(figuresOf([reader], 100)).toMatchObject({ reads: 3, failed: 1 })
  expect(figuresOf([reader], 0, 150)).toMatchObject({ reads: 2, failed: 0 })
  expect(figuresOf([reader], 500)).toEqual({ reads: 0, failed: 0, longestStallMs: 0, p99Ms: 0 })
})

test('whoever has to ask again waits on', () => {
  const reader = readings([0, 10], [20, 40, false], [60, 80, false], [100, 130], [150, 155])
  expect(figuresOf([reader], 0).longestStallMs).toBe(110)
})

test('whoever is never answered waits to the end', () => {
  expect(figuresOf([readings([0, 10], [20, 40, false], [60, 95, false])], 0).longestStallMs).toBe(75)
})

test('stalls are of one reader each, of all the longest', () => {
  const one = readings([0, 10, false], [20, 30])
  const other = readings([5, 45], [50, 60, false])
  expect(figuresOf([one, other], 0).longestStallMs).toBe(40)
})

test('p99 is of what was answered', () => {
  const quick = Array.from({ length: 99 }, (_, index) => [index, index + 1] as const)
  expect(figuresOf([readings(...quick, [100, 150])], 0).p99Ms).toBe(1)
  expect(figuresOf([readings(...quick, [100, 150], [200, 270])], 0).p99Ms).toBe(50)
  expect(figuresOf([readings(...quick, [100, 900, false])], 0).p99Ms).toBe(1)
})
