import { describe, expect, test } from 'vitest'
import { getsOn, graceMs, limitMs } from '../../../src/bitswap/fetch/patience.ts'
import { ask, supplierOf } from './support/suppliers.ts'

test.each([
  ['2 s while nothing is known of it', undefined, 2_000],
  ['what it usually takes', 1_000, 3_000],
  ['no less than 250 ms', 10, 250],
  ['no more than 7 s', 5_000, 7_000]
])('a peer has %s', (_, blockMs, expected) => {
  expect(limitMs(supplierOf(1, blockMs))).toBe(expected)
})

test.each([
  [1_000, 1, 0],
  [1_000, 4, 3_000],
  [7_000, 32, 57_000]
])(
  'with a limit of %d ms that is stretched to %d of it, %d ms more until it is a fault',
  (limit, stretch, expected) => {
    expect(graceMs(limit, stretch)).toBe(expected)
  }
)

describe('a peer gets on', () => {
  const LIMIT_MS = 2_000

  function sent(bytes: number, { waiting = 1, nowMs = LIMIT_MS } = {}): boolean {
    const supplier = supplierOf(1)
    supplier.receivedBytes = 5_000
    const made = ask(supplier)
    for (let more = 1; more < waiting; more++) ask(supplier, { multihash: `${more}` })
    supplier.receivedBytes += bytes
    return getsOn(made, LIMIT_MS, nowMs)
  }

  test('if it sends 1 KiB a second', () => {
    expect([sent(2_048), sent(2_047)]).toEqual([true, false])
  })

  test('for each block it is waited for', () => {
    expect([sent(6_144, { waiting: 3 }), sent(6_143, { waiting: 3 })]).toEqual([true, false])
  })

  test('for 30 s', () => {
    expect([sent(1e6, { nowMs: 29_999 }), sent(1e6, { nowMs: 30_000 })]).toEqual([true, false])
  })
})
