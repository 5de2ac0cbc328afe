import { expect, test, vi } from 'vitest'
import { Relief, type Relievable } from '../../../src/bitswap/fetch/relief.ts'
import type { Supplier } from '../../../src/bitswap/fetch/supplier.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { ask, supplierOf } from './support/suppliers.ts'

class FakeFetch implements Relievable {
  idleTrialSinceMs: number | undefined
  readonly asked: Supplier[] = []
  /** Whether it can be asked of somebody else. */
  isLeft = true
  onAsked = (): void => {}

  constructor(idleTrialSinceMs: number | undefined) {
    this.idleTrialSinceMs = idleTrialSinceMs
  }

  askAlso(supplier: Supplier): boolean {
    if (!this.isLeft) return false
    this.asked.push(supplier)
    ask(supplier)
    this.idleTrialSinceMs = undefined
    this.onAsked()
    return true
  }
}

/** Blocks that are waited for, by since when of those only who are tried out. */
function create(suppliers: readonly Supplier[], ...sincesMs: ReadonlyArray<number | undefined>) {
  return createAt(0, suppliers, ...sincesMs)
}

/** @param startMs - when time begins to count, on the clock */
function createAt(
  startMs: number,
  suppliers: readonly Supplier[],
  ...sincesMs: ReadonlyArray<number | undefined>
) {
  const clock = new ManualClock()
  clock.advance(startMs)
  const deadlines = new Deadlines(clock)
  // Without any deadline their time stands still.
  deadlines.add(60_000, () => {})
  const fetches = sincesMs.map(sinceMs => new FakeFetch(sinceMs))
  const relief = new Relief({
    clock,
    deadlines,
    fetches: new Map(fetches.map((fetch, number) => [`${number}`, fetch])),
    suppliers: new Map(suppliers.map(supplier => [supplier.key, supplier]))
  })
  return {
    clock,
    fetches,
    relief,
    /** What has been asked of whom so far, by number. */
    asked: () => fetches.map(({ asked }) => asked.map(supplier => suppliers.indexOf(supplier)))
  }
}

test('who is known and has nothing to do takes one block each, of those that wait for who is tried out', () => {
  const { relief, clock, fetches } = create([supplierOf(1, 10), supplierOf(2, 10)], 0, undefined, 0, 0)
  clock.advance(10)
  relief.plan()
  clock.advance(0)
  expect(fetches.map(({ asked }) => asked.length)).toEqual([1, 0, 1, 0])
})

test('a wait is over, be it by rounding a little less than was meant', () => {
  const { relief, clock, asked } = createAt(773 / 7, [supplierOf(1, 559 / 9)], 29)
  clock.advance(71)
  const schedule = vi.spyOn(clock, 'schedule')
  schedule.mockImplementation((callback, delayMs) => {
    if (schedule.mock.calls.length > 100) throw new Error('It goes on for ever')
    return ManualClock.prototype.schedule.call(clock, callback, delayMs)
  })
  relief.plan()
  clock.advance(100)
  expect(asked()).toEqual([[0]])
})

test('not before it would have delivered by itself', () => {
  const bench = create([supplierOf(1, 30), supplierOf(2, 20)], 0, 5)
  bench.clock.advance(8)
  bench.relief.plan()
  bench.clock.advance(11.9)
  expect(bench.asked()).toEqual([[], []])
  bench.clock.advance(0.1)
  expect(bench.asked()).toEqual([[1], []])
  bench.clock.advance(14.9)
  expect(bench.asked()).toEqual([[1], []])
  bench.clock.advance(0.1)
  expect(bench.asked()).toEqual([[1], [0]])
})

test('nor before what has come meanwhile is read', () => {
  const { relief, clock, fetches, asked } = create([supplierOf(1, 10)], 0)
  clock.advance(10)
  relief.plan()
  clock.schedule(() => {
    fetches[0]!.idleTrialSinceMs = undefined
  }, 0)
  clock.advance(0)
  expect(asked()).toEqual([[]])
})

test('somebody else may be first although it was planned for later', () => {
  const slow = supplierOf(1, 1_000)
  const quick = supplierOf(2, 10)
  const busy = ask(quick)
  const { relief, clock, asked } = create([slow, quick], 0)
  clock.advance(100)
  relief.plan()
  clock.advance(100)
  expect(asked()).toEqual([[]])
  quick.asks.delete(busy.multihash)
  relief.plan()
  clock.advance(0)
  expect(asked()).toEqual([[1]])
})

test('nobody is asked twice when there are more of them than such blocks', () => {
  const { relief, clock, asked } = create([supplierOf(1, 10), supplierOf(2, 10)], 0)
  clock.advance(10)
  relief.plan()
  clock.advance(0)
  expect(asked()).toEqual([[0]])
})

test('who cannot be asked for one is asked for the next', () => {
  const { relief, clock, fetches, asked } = create([supplierOf(1, 10)], 0, 0)
  fetches[0]!.isLeft = false
  clock.advance(10)
  relief.plan()
  clock.advance(0)
  expect(asked()).toEqual([[], [0]])
  expect(clock.pendingTimers).toBe(1)
})

test('nobody is asked for one that is over by then', () => {
  const { relief, clock, fetches, asked } = create([supplierOf(1, 10), supplierOf(2, 10)], 0, 0)
  const [first, second] = fetches as [FakeFetch, FakeFetch]
  first.onAsked = () => {
    second.idleTrialSinceMs = undefined
  }
  clock.advance(10)
  relief.plan()
  clock.advance(0)
  expect(asked()).toEqual([[0], []])
})

test('nobody is asked who is not known, or is waited for', () => {
  const busy = supplierOf(1, 10)
  ask(busy)
  const { relief, clock, asked } = create([busy, supplierOf(2)], 0)
  clock.advance(60_000)
  relief.plan()
  clock.advance(60_000)
  expect(asked()).toEqual([[]])
})

test('one timer at most, and none while there is nothing to relieve, or when it is closed', () => {
  const { relief, clock, fetches, asked } = create([supplierOf(1, 50)], 0)
  const others = clock.pendingTimers
  const schedule = vi.spyOn(clock, 'schedule')
  // Nor is it put off by each block.
  for (let blocks = 0; blocks < 10; blocks++) relief.plan()
  expect(schedule).toHaveBeenCalledTimes(1)
  clock.advance(0)
  expect(clock.pendingTimers).toBe(others + 1)
  relief.plan()
  expect(clock.pendingTimers).toBe(others + 1)
  relief.close()
  expect(clock.pendingTimers).toBe(others)
  relief.plan()
  clock.advance(49)
  expect(asked()).toEqual([[]])
  clock.advance(1)
  expect([asked(), clock.pendingTimers]).toEqual([[[0]], others])
  fetches[0]!.idleTrialSinceMs = undefined
  relief.plan()
  clock.advance(0)
  expect(clock.pendingTimers).toBe(others)
  const empty = create([supplierOf(1, 50)])
  empty.relief.plan()
  expect(empty.clock.pendingTimers).toBe(others)
})
