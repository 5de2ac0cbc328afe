import { expect, test } from 'vitest'
import { RetryBudget } from '../../../src/relay/nodes/retry-budget.ts'

function spendAll(budget: RetryBudget): number {
  let spent = 0
  while (budget.spend()) spent++
  return spent
}

test('as many as are held in reserve may be repeated at once, then a share of those that are made', () => {
  const budget = new RetryBudget(0.25)
  expect(spendAll(budget)).toBe(100)
  expect(budget.hasCredit).toBe(false)
  for (let made = 0; made < 40; made++) budget.earn()
  expect(spendAll(budget)).toBe(10)
})

test('no more than the reserve is saved up', () => {
  const budget = new RetryBudget(1)
  for (let made = 0; made < 1_000; made++) budget.earn()
  expect(spendAll(budget)).toBe(100)
})

test('a share of 0 allows none', () => {
  expect(spendAll(new RetryBudget(0))).toBe(0)
})
