import { expect, test } from 'vitest'
import { HedgeBudget } from '../../../src/bitswap/fetch/hedge-budget.ts'

const MAX_SAVED = 10

function takeAll(budget: HedgeBudget): number {
  let taken = 0
  while (taken < 1_000 && budget.take()) taken++
  return taken
}

test('ten hedges are there from the start', () => {
  expect(takeAll(new HedgeBudget({ hedgeShare: 0.25 }))).toBe(MAX_SAVED)
})

test('one more is earned with the share of requests', () => {
  const budget = new HedgeBudget({ hedgeShare: 0.25 })
  takeAll(budget)
  for (let request = 0; request < 3; request++) budget.earn()
  expect(budget.take()).toBe(false)
  budget.earn()
  expect(budget.take()).toBe(true)
  expect(budget.take()).toBe(false)
})

test('no more than ten are saved', () => {
  const budget = new HedgeBudget({ hedgeShare: 0.5 })
  for (let request = 0; request < 1_000; request++) budget.earn()
  expect(takeAll(budget)).toBe(MAX_SAVED)
  for (let request = 0; request < 1_000; request++) budget.earn()
  expect(takeAll(budget)).toBe(MAX_SAVED)
})

test('with a share of 1 each request may be made twice', () => {
  const budget = new HedgeBudget({ hedgeShare: 1 })
  takeAll(budget)
  budget.earn()
  expect(takeAll(budget)).toBe(1)
})

test('with a share of 0 there is none, ever', () => {
  const budget = new HedgeBudget({ hedgeShare: 0 })
  expect(budget.take()).toBe(false)
  for (let request = 0; request < 100; request++) budget.earn()
  expect(budget.take()).toBe(false)
})
