import { expect, test } from 'vitest'
import { pickProbe } from '../../../src/bitswap/fetch/probe.ts'
import type { Standing } from '../../../src/bitswap/fetch/ranking.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { ask, supplierOf } from './support/suppliers.ts'

const FORGOTTEN_MS = 2_000

/** Picks at a moment in ms awake at which somebody is waited for whose blocks take 100 ms. */
function pick(suppliers: readonly Supplier[], { atMs = 0, trials = 1, standing = new Map() } = {}) {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  deadlines.add(FORGOTTEN_MS * 2, () => {})
  clock.advance(atMs)
  const live = new Map([[supplierOf(9, 100), undefined]])
  const standingOf = (supplier: Supplier): Standing =>
    standing.get(supplier) ?? (supplier.pace.isKnown ? 'ORDINARY' : 'UNKNOWN')
  let taken = 0
  const takeTrial = (): boolean => taken++ < trials
  const picked = pickProbe(suppliers, live, standingOf, { deadlines, takeTrial })
  return { picked, taken }
}

test('nobody is probed while all who are known do well', () => {
  expect(pick([supplierOf(1, 100)], { atMs: FORGOTTEN_MS })).toEqual({ picked: undefined, taken: 0 })
})

test('who is on probation is probed first, and that is no trial', () => {
  const suppliers = [supplierOf(1), supplierOf(2, 100)]
  const standing = new Map([[suppliers[1]!, 'PROBATION']])
  ask(suppliers[1]!, { multihash: 'another' })
  expect(pick(suppliers, { trials: 0, standing })).toEqual({ picked: suppliers[1], taken: 0 })
})

test('who is new comes before who does badly', () => {
  const bad = supplierOf(1, 300)
  const unknown = supplierOf(2)
  expect(pick([bad, unknown], { atMs: FORGOTTEN_MS })).toEqual({ picked: unknown, taken: 1 })
})

test('nobody is tried out beyond the budget', () => {
  expect(pick([supplierOf(1)], { trials: 0 }).picked).toBeUndefined()
})

test('nobody is tried out who is asked for something', () => {
  const asked = [supplierOf(1), supplierOf(2, 300)]
  for (const supplier of asked) ask(supplier, { multihash: 'another' })
  expect(pick(asked, { atMs: FORGOTTEN_MS })).toEqual({ picked: undefined, taken: 0 })
})

test.each([
  ['takes more than twice as long, two seconds after it was asked', 201, FORGOTTEN_MS, true],
  ['takes more than twice as long, before that', 201, FORGOTTEN_MS - 25, false],
  ['takes twice as long', 200, FORGOTTEN_MS, false]
])('who is known and %s', (_, blockMs, atMs, isPicked) => {
  const supplier = supplierOf(1, blockMs)
  supplier.lastAskedMs = 0
  expect(pick([supplier], { atMs }).picked).toBe(isPicked ? supplier : undefined)
})
