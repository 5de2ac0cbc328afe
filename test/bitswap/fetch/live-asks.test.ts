import { expect, test } from 'vitest'
import { LiveAsks } from '../../../src/bitswap/fetch/live-asks.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { ask, deliver, MULTIHASH, supplierOf } from './support/suppliers.ts'

/** A peer that is no longer tried out. */
function proven(number: number): Supplier {
  const supplier = supplierOf(number, 10)
  while (supplier.isOnTrial) deliver(supplier)
  return supplier
}

function waitFor(...suppliers: readonly Supplier[]): LiveAsks {
  const live = new LiveAsks()
  for (const supplier of suppliers) live.set(supplier, ask(supplier))
  return live
}

test('it is a trial if one of them is', () => {
  expect(waitFor().isTrial).toBe(false)
  expect(waitFor(proven(1)).isTrial).toBe(false)
  expect(waitFor(proven(1), supplierOf(2)).isTrial).toBe(true)
})

test('it is nothing but a trial, since who was asked last, until somebody else is asked, or something comes', () => {
  expect(waitFor().idleTrialSinceMs).toBe(undefined)
  expect(waitFor(proven(1), supplierOf(2)).idleTrialSinceMs).toBe(undefined)
  const [one, other] = [supplierOf(1), supplierOf(2)]
  const live = waitFor(one, other)
  expect(live.idleTrialSinceMs).toBe(0)
  live.set(one, ask(one, { atMs: 7 }))
  expect(live.idleTrialSinceMs).toBe(7)
  other.receivedBytes++
  expect(live.idleTrialSinceMs).toBe(undefined)
})

test('somebody has promised the block', () => {
  const supplier = supplierOf(1)
  const live = waitFor(supplierOf(2), supplier)
  expect(live.isPromised(MULTIHASH)).toBe(false)
  supplier.told(MULTIHASH, true)
  expect(live.isPromised(MULTIHASH)).toBe(true)
})

test('the end of an earlier ask is not that of a later one', () => {
  const supplier = supplierOf(1)
  const live = waitFor(supplier)
  const earlier = live.get(supplier)!
  live.set(supplier, ask(supplier))
  live.end(earlier)
  expect(live.size).toBe(1)
  live.end(live.get(supplier)!)
  expect(live.size).toBe(0)
})

test('those whose time is up are let go of', () => {
  const [one, other] = [supplierOf(1), supplierOf(2)]
  const live = waitFor(one, other)
  live.get(one)!.isOverdue = true
  live.endOverdue()
  expect([...live.keys()]).toEqual([other])
})
