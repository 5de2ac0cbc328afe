import { describe, expect, test } from 'vitest'
import { isAsGood, pickAmongBest, rank, type Standing } from '../../../src/bitswap/fetch/ranking.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { ask, MULTIHASH, supplierOf } from './support/suppliers.ts'

const NOW_MS = 1_000

function ranking(suppliers: readonly Supplier[], standings = new Map<Supplier, Standing>()) {
  const standingOf = (supplier: Supplier): Standing => standings.get(supplier) ?? 'ORDINARY'
  return rank(suppliers, MULTIHASH, standingOf, NOW_MS)
}

function standingOf(supplier: Supplier): Standing {
  return supplier.pace.isKnown || supplier.hasPromised(MULTIHASH) ? 'ORDINARY' : 'UNKNOWN'
}

/** Where those that are ranked stand in `suppliers`, the best first. */
function order(suppliers: readonly Supplier[], standings?: Map<Supplier, Standing>): number[] {
  return ranking(suppliers, standings).map(({ supplier }) => suppliers.indexOf(supplier))
}

function costs(suppliers: readonly Supplier[], standings?: Map<Supplier, Standing>): number[] {
  return ranking(suppliers, standings).map(({ costMs }) => costMs)
}

describe('peers are ranked', () => {
  test('by how quick they are', () => {
    const suppliers = [supplierOf(1, 300), supplierOf(2, 100), supplierOf(3, 200)]
    expect(order(suppliers)).toEqual([1, 2, 0])
    expect(costs(suppliers)).toEqual([100, 200, 300])
  })

  test('by how much they are waited for', () => {
    const busy = supplierOf(1, 100)
    ask(busy, { multihash: 'one' })
    ask(busy, { multihash: 'two' })
    expect(costs([busy])).toEqual([300])
    expect(order([busy, supplierOf(2, 250)])).toEqual([1, 0])
  })

  test('by how often they have what they are asked for', () => {
    const lacking = supplierOf(1, 100)
    for (let number = 0; number < 16; number++) lacking.told(`${number}`, false)
    expect(costs([lacking])[0]).toBeCloseTo(100 / (7 / 8) ** 16)
    expect(order([lacking, supplierOf(2, 250)])).toEqual([1, 0])
  })

  test('by whether they have said that they have the block', () => {
    const promised = supplierOf(1, 900)
    promised.told(MULTIHASH, true)
    const suppliers = [supplierOf(2, 100), promised]
    // The other is as likely to have it as one in ten.
    expect(costs(suppliers)).toEqual([900, 1_000])
    expect(order(suppliers)).toEqual([1, 0])
  })

  const promised = (number: number): Supplier => {
    const supplier = supplierOf(number)
    supplier.told(MULTIHASH, true)
    return supplier
  }

  test.each([
    ['half a second', [supplierOf(1, 3_000), supplierOf(2), supplierOf(3, 200)], [200, 500, 3_000]],
    ['half a second, if nobody is known', [supplierOf(1)], [500]],
    ['the quickest, if it has promised the block', [supplierOf(1, 30), promised(2)], [30, 300]],
    [
      'half a second, if it has promised and nobody is quicker',
      [supplierOf(1, 900), promised(2)],
      [500, 9_000]
    ]
  ])('who is not known as %s', (_, suppliers, expected) => {
    const standings = new Map(suppliers.map(supplier => [supplier, standingOf(supplier)]))
    expect(costs(suppliers, standings)).toEqual(expected)
  })

  test.each([
    [
      ['PROBATION', 'UNKNOWN', 'ORDINARY', 'LAST_RESORT', 'ORDINARY'],
      [1, 2, 4]
    ],
    [['LAST_RESORT', 'PROBATION', 'UNKNOWN'], [2]],
    [['LAST_RESORT', 'PROBATION'], [1]],
    [['LAST_RESORT'], [0]],
    [[], []]
  ])('where they stand as %j, those at %j and no others', (standings, expected) => {
    const suppliers = standings.map((_, number) => supplierOf(number + 1, 100 * (number + 1)))
    const of = new Map(suppliers.map((supplier, number) => [supplier, standings[number] as Standing]))
    expect(order(suppliers, of)).toEqual(expected)
  })
})

describe('one of the best', () => {
  test('is nobody where there is nobody', () => {
    expect(pickAmongBest([], () => 0)).toBeUndefined()
  })

  test.each([
    ['the better of two taken by chance', [0.9, 0.5], 1],
    ['whichever of the two comes first', [0.5, 0.9], 1],
    ['none that takes more than twice as long', [0.99, 0.99], 2]
  ])('is %s', (_, chances, expected) => {
    const suppliers = [100, 150, 200, 201].map((ms, number) => supplierOf(number + 1, ms))
    const left = [...chances]
    const picked = pickAmongBest(ranking(suppliers), () => left.shift()!)
    expect(suppliers.indexOf(picked!)).toBe(expected)
  })

  test('is one that is waited for less than others that are as good', () => {
    const suppliers = [10, 15, 15].map((ms, number) => supplierOf(number + 1, ms))
    const [first, second, third] = suppliers as [Supplier, Supplier, Supplier]
    const picked = (): Supplier | undefined => pickAmongBest(ranking(suppliers), () => 0)
    expect(picked()).toBe(first)
    ask(first, { multihash: 'one' })
    expect(picked()).toBe(second)
    ask(second, { multihash: 'two' })
    expect(picked()).toBe(third)
    // That would take three times as long.
    for (const multihash of ['three', 'four']) ask(third, { multihash })
    expect(picked()).toBe(first)
  })

  test('is as good as the first up to twice its time', () => {
    expect([isAsGood(200, 100), isAsGood(201, 100)]).toEqual([true, false])
  })
})
