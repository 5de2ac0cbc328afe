import { describe, expect, test } from 'vitest'
import { Candidates } from '../../../src/bitswap/fetch/candidates.ts'
import { Choice } from '../../../src/bitswap/fetch/choice.ts'
import type { Standing } from '../../../src/bitswap/fetch/ranking.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { ask, MULTIHASH, supplierOf } from './support/suppliers.ts'

const NOBODY: ReadonlySet<Supplier> = new Set()

/** @param wanted - how many blocks are being fetched */
function choose(suppliers: readonly Supplier[], { wanted = 100, refused = new Set<Supplier>() } = {}) {
  const context = {
    suppliers: () => suppliers,
    mayAsk: (): boolean => true,
    deadlines: new Deadlines(new ManualClock()),
    random: () => 0,
    wanted,
    standing: (supplier: Supplier): Standing => (refused.has(supplier) ? 'PROBATION' : 'ORDINARY')
  }
  const choice = new Choice(context, new Candidates(context, MULTIHASH), MULTIHASH)
  const next = (except = NOBODY, mayWait = true): number | undefined => {
    const supplier = choice.next(except, mayWait)
    return supplier && suppliers.indexOf(supplier)
  }
  return { choice, next }
}

/** A peer that has no room. @param blockMs - what a block takes of it while it is asked for nothing else */
function fullOf(number: number, blockMs: number): Supplier {
  const supplier = supplierOf(number, blockMs)
  for (let other = 0; !supplier.isFull; other++) ask(supplier, { multihash: `other ${other}` })
  return supplier
}

test('the best is asked, except those that may not be', () => {
  const suppliers = [supplierOf(1, 900), supplierOf(2, 100), supplierOf(3, 400)]
  const { next } = choose(suppliers)
  expect([next(), next(new Set([suppliers[1]!])), next(new Set(suppliers))]).toEqual([1, 2, undefined])
})

test('who may never send anything is asked for one block while one that is known has room', () => {
  const [unknown, known] = [supplierOf(1), supplierOf(2, 100)]
  ask(unknown, { multihash: 'its first' })
  expect(choose([unknown]).next()).toBe(0)
  expect(choose([unknown, known]).next(new Set([known]))).toBeUndefined()
})

describe('nobody is asked yet', () => {
  test('if one that is full is expected to deliver it sooner than who has room', () => {
    const { choice, next } = choose([fullOf(1, 10), supplierOf(2, 1_000)])
    expect([choice.isPatient, next(), choice.isPatient]).toEqual([false, undefined, true])
    // Somebody is waited for already: this one is asked as well.
    expect([next(NOBODY, false), choice.isPatient]).toEqual([1, false])
  })

  test('if one that is full would soon have delivered all there is, and of who has room nothing is known', () => {
    const suppliers = [fullOf(1, 10), supplierOf(2)]
    // 500 ms are expected of who is not known: as good as 250.
    expect(choose(suppliers, { wanted: 20 }).next()).toBeUndefined()
    expect(choose(suppliers, { wanted: 30 }).next()).toBe(1)
  })
})

describe('one that has room is asked', () => {
  test('if it is expected to be as quick as those that are full', () => {
    expect(choose([fullOf(1, 10), supplierOf(2, 50)]).next()).toBe(1)
  })

  test('if those that are full are not relied on', () => {
    const full = fullOf(1, 10)
    expect(choose([full, supplierOf(2, 1_000)], { refused: new Set([full]) }).next()).toBe(1)
    const unknown = supplierOf(3)
    while (!unknown.isFull) ask(unknown, { multihash: `other ${unknown.waiting}`, kind: 'HAVE' })
    expect(choose([unknown, supplierOf(2, 5_000)]).next()).toBe(1)
  })

  test('if it is let in to see how it does', () => {
    const recovering = supplierOf(2, 1_000)
    expect(choose([fullOf(1, 10), recovering], { refused: new Set([recovering]) }).next()).toBe(1)
  })
})

test('who never delivered stands apart, unless he says that he has the block', () => {
  const [unknown, known, promised, refused] = [
    supplierOf(1),
    supplierOf(2, 100),
    supplierOf(3),
    supplierOf(4)
  ]
  promised.told(MULTIHASH, true)
  const { choice } = choose([unknown, known, promised, refused], { refused: new Set([refused]) })
  const standings = [unknown, known, promised, refused].map(choice.standingOf)
  expect(standings).toEqual(['UNKNOWN', 'ORDINARY', 'ORDINARY', 'PROBATION'])
  expect(choice.isAnybodyKnown).toBe(true)
  expect(choose([unknown, promised]).choice.isAnybodyKnown).toBe(false)
})
