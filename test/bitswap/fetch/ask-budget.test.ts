import { expect, test } from 'vitest'
import { AskBudget } from '../../../src/bitswap/fetch/ask-budget.ts'

const MAX_SAVED = 10

function takeAll(budget: AskBudget): number {
  let taken = 0
  while (taken < 1_000 && budget.take()) taken++
  return taken
}

test('all that can be saved is there from the start', () => {
  expect(takeAll(new AskBudget(MAX_SAVED, () => 0.25))).toBe(MAX_SAVED)
})

test('one more is earned with the share of requests', () => {
  const budget = new AskBudget(MAX_SAVED, () => 0.25)
  takeAll(budget)
  for (let request = 0; request < 3; request++) budget.earn()
  expect(budget.take()).toBe(false)
  budget.earn()
  expect(budget.take()).toBe(true)
  expect(budget.take()).toBe(false)
})

test('what costs more is taken whole, or not at all', () => {
  const budget = new AskBudget(MAX_SAVED, () => 1)
  expect([budget.take(7.5), budget.take(3), budget.take(2.5), budget.take(1)]).toEqual([
    true,
    false,
    true,
    false
  ])
})

test('no more than that is saved', () => {
  const budget = new AskBudget(MAX_SAVED, () => 0.5)
  for (let request = 0; request < 1_000; request++) budget.earn()
  expect(takeAll(budget)).toBe(MAX_SAVED)
  for (let request = 0; request < 1_000; request++) budget.earn()
  expect(takeAll(budget)).toBe(MAX_SAVED)
})

test('with a share of 1 each request may be made twice', () => {
  const budget = new AskBudget(MAX_SAVED, () => 1)
  takeAll(budget)
  budget.earn()
  expect(takeAll(budget)).toBe(1)
})

test('with a share of 0 there is none, ever', () => {
  const budget = new AskBudget(MAX_SAVED, () => 0)
  expect(budget.take()).toBe(false)
  for (let request = 0; request < 100; request++) budget.earn()
  expect(budget.take()).toBe(false)
})
