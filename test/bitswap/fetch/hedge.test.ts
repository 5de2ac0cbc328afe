import { expect, test } from 'vitest'
import type { Ask } from '../../../src/bitswap/fetch/ask.ts'
import { Hedge } from '../../../src/bitswap/fetch/hedge.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { ask, supplierOf } from './support/suppliers.ts'

const USUAL_MS = 100

/** A hedge for a block that peers are asked for at 0 ms. */
function create(peers = 1) {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const live = new Map<Supplier, Ask>()
  for (let number = 1; number <= peers; number++) {
    const supplier = supplierOf(number)
    live.set(supplier, ask(supplier))
  }
  /** When it was late, and whether that was no matter of the budget. */
  const late: Array<[atMs: number, isFree: boolean]> = []
  const words = { isDue: false }
  const hedge = new Hedge(
    { deadlines, hedgeAfterMs: () => USUAL_MS },
    live,
    () => words.isDue,
    isFree => late.push([deadlines.awakeMs, isFree])
  )
  // Keeps time going on.
  const running = deadlines.add(60_000, () => {})
  return { clock, deadlines, live, words, late, hedge, running }
}

test.each([true, false])('a block is late when it is planned to be, once: free: %s', isFree => {
  const { clock, late, hedge } = create()
  hedge.plan(USUAL_MS, isFree)
  clock.advance(USUAL_MS - 25)
  expect(late).toEqual([])
  clock.advance(1_000)
  expect(late).toEqual([[USUAL_MS, isFree]])
})

test('only what was planned last counts', () => {
  const { clock, late, hedge } = create()
  hedge.plan(50, true)
  hedge.plan(200, false)
  clock.advance(1_000)
  expect(late).toEqual([[200, false]])
})

test('nothing is late while nobody is waited for', () => {
  const { clock, live, late, hedge } = create()
  hedge.plan(USUAL_MS, false)
  live.clear()
  clock.advance(1_000)
  expect(late).toEqual([])
})

test('a block is late as well when nobody but a word about it is waited for', () => {
  const { clock, live, words, late, hedge } = create()
  hedge.plan(USUAL_MS, false)
  live.clear()
  words.isDue = true
  clock.advance(1_000)
  expect(late).toEqual([[USUAL_MS, false]])
})

test('nothing is late once it is cancelled', () => {
  const { clock, deadlines, late, hedge, running } = create()
  hedge.plan(USUAL_MS, false)
  hedge.cancel()
  clock.advance(1_000)
  expect(late).toEqual([])
  running.cancel()
  expect(deadlines.size).toBe(0)
})

test('a block waits its turn while its peer sends others, as long as most blocks take', () => {
  const { clock, live, late, hedge } = create(2)
  const [, supplier] = live.keys()
  hedge.plan(USUAL_MS, true)
  clock.advance(75)
  supplier!.lastDeliveredMs = 75
  clock.advance(1_000)
  expect(late).toEqual([[175, true]])
})

test('it does not wait for more than four times of what most take', () => {
  const { clock, live, late, hedge } = create()
  const [supplier] = live.keys()
  hedge.plan(USUAL_MS, false)
  for (let passed = 0; passed < 1_000; passed += 25) {
    clock.advance(25)
    supplier!.lastDeliveredMs = passed + 25
  }
  expect(late).toHaveLength(1)
  expect(late[0]![0]).toBeGreaterThanOrEqual(4 * USUAL_MS)
  expect(late[0]![0]).toBeLessThanOrEqual(5 * USUAL_MS)
})

test.each([
  [true, true, true],
  [true, false, true],
  [false, true, true],
  [false, false, false]
])(
  'what waits its turn is late as soon as it is to hurry: planned as free: %s, free now: %s',
  (isPlannedFree, isFreeNow, isFree) => {
    const { clock, live, late, hedge } = create()
    const [supplier] = live.keys()
    hedge.plan(USUAL_MS, isPlannedFree)
    clock.advance(USUAL_MS - 25)
    supplier!.hedged(75)
    clock.advance(25)
    expect(late).toEqual([])
    supplier!.outrun()
    hedge.hurry(isFreeNow)
    expect(late).toEqual([[USUAL_MS, isFree]])
    // Once.
    hedge.hurry(isFreeNow)
    clock.advance(1_000)
    expect(late).toHaveLength(1)
  }
)

test('who waits for nobody any more hurries in vain', () => {
  const { clock, live, late, hedge } = create()
  const [supplier] = live.keys()
  hedge.plan(USUAL_MS, false)
  supplier!.hedged(USUAL_MS)
  clock.advance(USUAL_MS)
  live.clear()
  hedge.hurry(true)
  expect(late).toEqual([])
})

test('what does not wait for others is not late earlier than planned', () => {
  const { clock, live, late, hedge } = create()
  const [supplier] = live.keys()
  hedge.hurry(true)
  hedge.plan(USUAL_MS, false)
  hedge.hurry(true)
  supplier!.hedged(0)
  clock.advance(USUAL_MS - 25)
  expect(late).toEqual([])
  supplier!.lastDeliveredMs = 75
  clock.advance(25)
  hedge.plan(200, false)
  hedge.hurry(true)
  clock.advance(175)
  expect(late).toEqual([])
  clock.advance(25)
  expect(late).toEqual([[300, false]])
})
