import { describe, expect, test } from 'vitest'
import { Candidates } from '../../../src/bitswap/fetch/candidates.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { ask, deliver, MULTIHASH, supplierOf } from './support/suppliers.ts'

/** As much as is asked at once of a peer that is not known. */
const FIRST_WINDOW = 4

function create(count = 3) {
  const suppliers = Array.from({ length: count }, (_, number) => supplierOf(number + 1))
  const refused = new Set<Supplier>()
  const candidates = new Candidates(
    { suppliers: () => suppliers, mayAsk: supplier => !refused.has(supplier) },
    MULTIHASH
  )
  const list = (): number[] => candidates.list().map(supplier => suppliers.indexOf(supplier))
  return { suppliers, refused, candidates, list, first: suppliers[0]! }
}

function fill(supplier: Supplier): void {
  for (let number = 0; number < FIRST_WINDOW; number++) ask(supplier, { multihash: `${number}` })
}

test('all can be asked at first', () => {
  const { candidates, first, list } = create()
  expect(list()).toEqual([0, 1, 2])
  expect([candidates.has(first), candidates.mayHaveRoom, candidates.wordsDue]).toEqual([true, true, 0])
})

describe('cannot be asked', () => {
  test('who may not be', () => {
    const { refused, first, list } = create()
    refused.add(first)
    expect(list()).toEqual([1, 2])
    refused.clear()
    expect(list()).toEqual([0, 1, 2])
  })

  test('who has no room', () => {
    const { first, list } = create()
    fill(first)
    expect(list()).toEqual([1, 2])
  })

  test('who was asked, before the next retry', () => {
    const { candidates, first, list } = create()
    candidates.asked(first)
    expect([candidates.has(first), list()]).toEqual([false, [1, 2]])
    candidates.retry()
    expect(list()).toEqual([0, 1, 2])
  })

  test('who was asked and still has time, even then', () => {
    const { candidates, first, list } = create()
    const made = ask(first)
    candidates.asked(first)
    candidates.retry()
    expect(list()).toEqual([1, 2])
    made.isOverdue = true
    candidates.retry()
    expect(list()).toEqual([0, 1, 2])
  })

  test('whose word is due, except instead of waiting for it', () => {
    const { candidates, first, list } = create()
    candidates.askedForWord(first)
    expect([candidates.wordsDue, candidates.has(first), list()]).toEqual([1, true, [1, 2]])
    candidates.endWord(first)
    expect([candidates.wordsDue, list()]).toEqual([0, [0, 1, 2]])
  })

  test('who lacks the block', () => {
    const { candidates, first, list } = create()
    candidates.lacked(first)
    candidates.doubtOthers()
    candidates.retry()
    expect(list()).toEqual([1, 2])
  })

  test('who told another fetch that it lacks the block, until that is doubted', () => {
    const { candidates, first, list } = create()
    first.told(MULTIHASH, false)
    expect(list()).toEqual([1, 2])
    candidates.doubtOthers()
    expect(list()).toEqual([0, 1, 2])
  })
})

test('who says that it has the block can be asked for it, even if it was', () => {
  const { candidates, first, list } = create()
  candidates.askedForWord(first)
  expect([candidates.promised(first), candidates.wordsDue, list()]).toEqual([false, 0, [0, 1, 2]])
  candidates.asked(first)
  expect([candidates.promised(first), list()]).toEqual([true, [0, 1, 2]])
})

test('nothing is kept of who is gone', () => {
  const { candidates, first, list } = create()
  candidates.asked(first)
  candidates.askedForWord(first)
  candidates.lacked(first)
  candidates.forget(first)
  expect([candidates.wordsDue, list()]).toEqual([0, [0, 1, 2]])
})

describe('somebody has only to have room', () => {
  test('if he has none', () => {
    const { candidates, first } = create(1)
    fill(first)
    expect(candidates.mayHaveRoom).toBe(true)
  })

  test.each<[string, (bench: ReturnType<typeof create>) => void]>([
    ['was asked', ({ candidates, first }) => candidates.asked(first)],
    ['lacks the block', ({ first }) => first.told(MULTIHASH, false)],
    ['may not be asked', ({ refused, first }) => refused.add(first)]
  ])('but not if he %s', (_, change) => {
    const bench = create(1)
    change(bench)
    expect(bench.candidates.mayHaveRoom).toBe(false)
  })
})

describe('those who could be asked if they had room', () => {
  test('are those who have none', () => {
    const { candidates, first } = create()
    expect(candidates.full()).toEqual([])
    fill(first)
    expect(candidates.full()).toEqual([first])
    expect(candidates.list()).not.toContain(first)
  })

  test.each<[string, (bench: ReturnType<typeof create>) => void]>([
    ['was asked', ({ candidates, first }) => candidates.asked(first)],
    ['lacks the block', ({ first }) => first.told(MULTIHASH, false)],
    ['has said so to this fetch', ({ candidates, first }) => candidates.lacked(first)],
    ['may not be asked', ({ refused, first }) => refused.add(first)],
    ['has still to say whether he has it', ({ candidates, first }) => candidates.askedForWord(first)]
  ])('but not who %s', (_, change) => {
    const bench = create()
    fill(bench.first)
    change(bench)
    expect(bench.candidates.full()).toEqual([])
  })
})

describe('somebody known has only to have room', () => {
  test('not if he never delivered a block', () => {
    expect(create(1).candidates.mayKnownHaveRoom).toBe(false)
  })

  test('if he did, and has no room', () => {
    const { candidates, first } = create(1)
    deliver(first)
    fill(first)
    expect(candidates.mayKnownHaveRoom).toBe(true)
    candidates.asked(first)
    expect(candidates.mayKnownHaveRoom).toBe(false)
  })
})
