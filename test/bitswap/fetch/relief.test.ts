import { expect, test } from 'vitest'
import { type Relievable, relieve } from '../../../src/bitswap/fetch/relief.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { ask, supplierOf } from './support/suppliers.ts'

/** Blocks that are waited for, of which some can be asked of nobody else. */
function create(...isIdleTrials: readonly boolean[]) {
  const asked: Array<[fetch: number, supplier: Supplier]> = []
  const refused = new Set<number>()
  const fetches = isIdleTrials.map<Relievable>((isIdleTrial, fetch) => ({
    isIdleTrial,
    askAlso(supplier) {
      if (refused.has(fetch)) return false
      asked.push([fetch, supplier])
      return true
    }
  }))
  return { asked, refused, fetches }
}

test('who is known and has nothing to do takes one block each, of those that wait for who is tried out', () => {
  const { asked, fetches } = create(true, false, true, true)
  const [one, other] = [supplierOf(1, 10), supplierOf(2, 10)]
  relieve(fetches, [one, other])
  expect(asked).toEqual([
    [0, one],
    [2, other]
  ])
})

test('nobody is asked twice when there are more of them than such blocks', () => {
  const { asked, fetches } = create(true)
  const one = supplierOf(1, 10)
  relieve(fetches, [one, supplierOf(2, 10)])
  expect(asked).toEqual([[0, one]])
})

test('who cannot be asked for one is asked for the next', () => {
  const { asked, refused, fetches } = create(true, true)
  const one = supplierOf(1, 10)
  refused.add(0)
  relieve(fetches, [one])
  expect(asked).toEqual([[1, one]])
})

test('nobody is asked for one that is over by then', () => {
  const { asked, fetches } = create(true, true)
  const [first, second] = fetches as [Relievable, Relievable]
  let isOver = false
  const ending: Relievable = { isIdleTrial: true, askAlso: supplier => (isOver = first.askAlso(supplier)) }
  const ended: Relievable = {
    get isIdleTrial() {
      return !isOver
    },
    askAlso: supplier => second.askAlso(supplier)
  }
  const one = supplierOf(1, 10)
  relieve([ending, ended], [one, supplierOf(2, 10)])
  expect(asked).toEqual([[0, one]])
})

test('nobody is asked who is not known, or is waited for', () => {
  const { asked, fetches } = create(true)
  const busy = supplierOf(1, 10)
  ask(busy)
  relieve(fetches, [busy, supplierOf(2)])
  expect(asked).toEqual([])
})
