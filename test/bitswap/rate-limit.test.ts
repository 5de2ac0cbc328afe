import { expect, test } from 'vitest'
import { RateLimit } from '../../src/bitswap/rate-limit.ts'
import { ManualClock } from '../../src/core/index.ts'

const BURST_MS = 1_000

function create(maxKeys = 10) {
  const clock = new ManualClock(5_000)
  return { clock, limit: new RateLimit(maxKeys, BURST_MS, clock) }
}

test('a key may take the burst at once, and not more', () => {
  const { limit } = create()
  expect(limit.take('a', 600)).toBe(true)
  expect(limit.take('a', 401)).toBe(false)
  expect(limit.take('a', 400)).toBe(true)
  expect(limit.take('a', 1)).toBe(false)
  expect(limit.take('b', BURST_MS)).toBe(true)
})

test('what it took is paid off with time, and no more than that', () => {
  const { clock, limit } = create()
  limit.take('a', BURST_MS)
  clock.advance(99)
  expect(limit.take('a', 100)).toBe(false)
  clock.advance(1)
  expect(limit.take('a', 100)).toBe(true)
  clock.advance(60_000)
  expect(limit.take('a', BURST_MS + 1)).toBe(false)
  expect(limit.take('a', BURST_MS)).toBe(true)
})

test('what is refused costs nothing', () => {
  const { limit } = create()
  limit.take('a', 900)
  for (let times = 0; times < 100; times++) limit.take('a', 500)
  expect(limit.take('a', 100)).toBe(true)
})

test('with credit it may take more than the burst, which is owed all the same', () => {
  const { clock, limit } = create()
  limit.take('a', BURST_MS)
  expect(limit.take('a', 301, 300)).toBe(false)
  expect(limit.take('a', 300, 300)).toBe(true)
  expect(limit.take('a', 0)).toBe(false)
  clock.advance(300)
  expect(limit.take('a', 0)).toBe(true)
  expect(limit.take('a', 1)).toBe(false)
})

test('is charged for what was done, as far as the burst goes', () => {
  const { clock, limit } = create()
  limit.charge('a', 400)
  expect(limit.take('a', 601)).toBe(false)
  limit.charge('a', 100_000)
  expect(limit.take('a', 1)).toBe(false)
  clock.advance(BURST_MS)
  expect(limit.take('a', BURST_MS)).toBe(true)
})

test('being charged takes no debt away that came of credit', () => {
  const { limit } = create()
  limit.take('a', BURST_MS + 500, 500)
  limit.charge('a', 10)
  expect(limit.take('a', 1, 500)).toBe(false)
})

test('what is given back can be taken again', () => {
  const { limit } = create()
  limit.take('a', BURST_MS)
  limit.giveBack('a', 300)
  expect(limit.take('a', 301)).toBe(false)
  expect(limit.take('a', 300)).toBe(true)
})

test('giving back to a key that is not known does nothing', () => {
  const { limit } = create()
  limit.giveBack('a', 300)
  expect(limit.size).toBe(0)
})

test('a key that owes is not forgotten for others, one that does not is', () => {
  const { clock, limit } = create(2)
  limit.take('debtor', BURST_MS)
  limit.take('a', 10)
  clock.advance(10)
  expect(limit.take('b', BURST_MS)).toBe(true)
  expect(limit.size).toBe(2)
  expect(limit.take('debtor', 11)).toBe(false)
  expect(limit.take('b', 1)).toBe(false)
})

test("where all owe, newcomers share one budget, which is nobody else's", () => {
  const { clock, limit } = create(1)
  limit.take('debtor', BURST_MS)
  expect(limit.take('a', 700)).toBe(true)
  expect(limit.take('b', 301)).toBe(false)
  limit.giveBack('a', 700)
  expect(limit.take('b', 301)).toBe(false)
  expect(limit.take('b', 300)).toBe(true)
  clock.advance(500)
  expect(limit.take('c', 500)).toBe(true)
  expect(limit.take('debtor', 500)).toBe(true)
})

test('what keys owe is not lost when there are more of them', () => {
  const { limit } = create(1_000)
  for (let key = 0; key < 1_000; key++) expect(limit.take(`key ${key}`, BURST_MS)).toBe(true)
  for (let key = 0; key < 1_000; key++) expect(limit.take(`key ${key}`, 1)).toBe(false)
})

test('a flood of keys makes no more of them, and lets nobody off', () => {
  const { limit } = create(1_000)
  limit.take('debtor', BURST_MS)
  for (let key = 0; key < 200_000; key++) limit.take(`flood ${key}`, key % 2)
  expect(limit.size).toBe(1_000)
  expect(limit.take('debtor', 1)).toBe(false)
})
