import { expect, test } from 'vitest'
import { TrialBudget } from '../../../src/bitswap/fetch/trial-budget.ts'

function takeAll(budget: TrialBudget): number {
  let taken = 0
  while (taken < 100 && budget.take()) taken++
  return taken
}

function earn(budget: TrialBudget, times: number): void {
  for (let time = 0; time < times; time++) budget.earn()
}

test('four are there at first, and one more with 34 requests', () => {
  const budget = new TrialBudget()
  expect(takeAll(budget)).toBe(4)
  earn(budget, 33)
  expect(takeAll(budget)).toBe(0)
  earn(budget, 1)
  expect(takeAll(budget)).toBe(1)
})

test.each([
  [1, 4],
  [65_536, 4],
  [131_072, 2],
  [262_144, 1],
  [8_388_608, 1]
])('where blocks have %d B, %d are there', (bytes, trials) => {
  const budget = new TrialBudget()
  budget.sized(bytes)
  expect(takeAll(budget)).toBe(trials)
})

test('what counts is how large blocks usually are', () => {
  const budget = new TrialBudget()
  budget.sized(262_144)
  for (let block = 0; block < 3; block++) budget.sized(1)
  // (7/8)³ of 4 trials.
  expect(takeAll(budget)).toBe(1)
  earn(budget, 200)
  for (let block = 0; block < 30; block++) budget.sized(1)
  expect(takeAll(budget)).toBe(4)
})

test.each([
  [8_000, true],
  [65_536, true],
  [65_537, false]
])('it hardly matters whether a block of %d B comes twice: %s', (bytes, isCheap) => {
  const budget = new TrialBudget()
  expect(budget.isCheap).toBe(true)
  budget.sized(bytes)
  expect(budget.isCheap).toBe(isCheap)
})
