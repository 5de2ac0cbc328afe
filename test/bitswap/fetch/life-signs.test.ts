import { expect, test } from 'vitest'
import { LifeSigns } from '../../../src/bitswap/fetch/life-signs.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { ask, supplierOf } from './support/suppliers.ts'

const USUAL_MS = 100

/** Peers that are known and were asked at 0 ms, and again later. */
function asked(count: number): Map<string, Supplier> {
  const suppliers = Array.from({ length: count }, (_, number) => supplierOf(number + 1, 50))
  for (const supplier of suppliers) {
    ask(supplier, { multihash: 'one' })
    ask(supplier, { multihash: 'two', atMs: 90 })
  }
  return new Map(suppliers.map(supplier => [supplier.key, supplier]))
}

function isQuiet(suppliers: Map<string, Supplier>, heardMs?: number, nowMs = USUAL_MS): boolean {
  const lifeSigns = new LifeSigns()
  if (heardMs !== undefined) lifeSigns.note(heardMs)
  return lifeSigns.isQuiet(suppliers, nowMs, USUAL_MS)
}

test.each([
  ['two peers are late, and nothing was ever heard', 2, undefined, USUAL_MS, true],
  ['nothing was heard for half of what answers take', 2, USUAL_MS / 2, USUAL_MS, true],
  ['something was heard since', 2, USUAL_MS / 2 + 1, USUAL_MS, false],
  ['nobody is late yet', 2, undefined, USUAL_MS - 1, false],
  ['only one is late', 1, undefined, USUAL_MS, false]
])('if %s', (_, peers, heardMs, nowMs, expected) => {
  expect(isQuiet(asked(peers), heardMs, nowMs)).toBe(expected)
})

test('who is not known bears no witness, nor who is asked for nothing', () => {
  const suppliers = asked(1)
  const unknown = supplierOf(2)
  ask(unknown)
  for (const supplier of [unknown, supplierOf(3, 50)]) suppliers.set(supplier.key, supplier)
  expect(isQuiet(suppliers)).toBe(false)
})

test('who was late already when somebody was heard bears no witness', () => {
  const suppliers = asked(1)
  const early = supplierOf(3, 50)
  ask(early, { atMs: -60 })
  suppliers.set(early.key, early)
  // It was due at 40 ms.
  expect(isQuiet(suppliers, 45)).toBe(false)
  expect(isQuiet(suppliers, 35)).toBe(true)
})

test.each([
  ['as many delivered since the late ones were asked', [10, 20], false],
  ['fewer did', [10], true],
  ['they delivered before', [0, 0], true]
])('if %s', (_, deliveredMs, expected) => {
  const suppliers = asked(2)
  for (const [index, atMs] of deliveredMs.entries()) {
    const other = supplierOf(10 + index, 50)
    other.lastDeliveredMs = atMs
    suppliers.set(other.key, other)
  }
  expect(isQuiet(suppliers, 20)).toBe(expected)
})

test('what the late ones themselves delivered since does not count', () => {
  const suppliers = asked(2)
  for (const supplier of suppliers.values()) supplier.lastDeliveredMs = 20
  expect(isQuiet(suppliers, 20)).toBe(true)
})
