import { describe, expect, test } from 'vitest'
import { type Advancing, advanceAll } from '../../../src/bitswap/fetch/round.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { ask, supplierOf } from './support/suppliers.ts'

/** A fetch that asks somebody when it is its turn. */
class Asking implements Advancing {
  isWaiting = false
  isPatient = false
  turns = 0
  readonly #supplier: Supplier | undefined

  /** @param supplier - whom it asks; nobody, since it does better to wait, if not given */
  constructor(supplier?: Supplier) {
    this.#supplier = supplier
  }

  advance(): void {
    this.turns++
    this.isPatient = this.#supplier === undefined
    if (this.#supplier === undefined) return
    this.isWaiting = true
    ask(this.#supplier, { multihash: `${this.#supplier.waiting}` })
  }
}

function turnsOf(fetches: readonly Asking[], suppliers: readonly Supplier[]): number[] {
  advanceAll(fetches, () => suppliers)
  return fetches.map(({ turns }) => turns)
}

function asking(count: number, supplier?: Supplier): Asking[] {
  return Array.from({ length: count }, () => new Asking(supplier))
}

test('those ask that wait for nobody', () => {
  const supplier = supplierOf(1, 10)
  const fetches = asking(3, supplier)
  fetches[1]!.isWaiting = true
  expect(turnsOf(fetches, [supplier])).toEqual([1, 0, 1])
})

test('each has a turn while nobody is connected: so that it looks for somebody', () => {
  expect(turnsOf(asking(2), [])).toEqual([1, 1])
})

describe('no more are let ask', () => {
  test('once nobody has room', () => {
    const supplier = supplierOf(1, 10)
    expect(turnsOf(asking(12, supplier), [supplier])).toEqual([...Array(10).fill(1), 0, 0])
  })

  test('once those have no room that ever delivered, and the others have one block to deliver', () => {
    const [known, unknown] = [supplierOf(1, 10), supplierOf(2)]
    ask(unknown)
    expect(turnsOf(asking(12, known), [known, unknown])).toEqual([...Array(10).fill(1), 0, 0])
    // Nobody else is there, so they may be asked for more.
    expect(turnsOf(asking(4, unknown), [unknown])).toEqual([1, 1, 1, 0])
  })
})

test('when four in a row did better to wait, those that were to wait are left alone, and others are not', () => {
  const supplier = supplierOf(1, 10)
  const patient = asking(6)
  for (const fetch of patient) fetch.isPatient = true
  const [other, ...rest] = [new Asking(supplier), ...asking(1)]
  expect(turnsOf([...patient, other, ...rest], [supplier])).toEqual([1, 1, 1, 1, 0, 0, 1, 1])
})

test('all have a turn as long as there are never four in a row', () => {
  const supplier = supplierOf(1, 10)
  const patient = asking(6)
  for (const fetch of patient) fetch.isPatient = true
  const fetches = [...patient.slice(0, 3), new Asking(supplier), ...patient.slice(3)]
  expect(turnsOf(fetches, [supplier])).toEqual([1, 1, 1, 1, 1, 1, 1])
})
