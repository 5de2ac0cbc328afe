import { describe, expect, test } from 'vitest'
import { Searches } from '../../../src/bitswap/fetch/searches.ts'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { settlePromises } from '../../support/drive.ts'

const MAX_SEARCHES = 8
const LIMIT_MS = 10_000

/** Searches for numbers, that go on until they are ended. */
function create() {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const started: number[] = []
  const signals = new Map<number, AbortSignal>()
  const ends = new Map<number, PromiseWithResolvers<void>>()
  const searches = new Searches<number>(deadlines, (thing, signal) => {
    started.push(thing)
    signals.set(thing, signal)
    const end = Promise.withResolvers<void>()
    ends.set(thing, end)
    return end.promise
  })
  return { clock, deadlines, searches, started, signals, ends }
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number)
}

describe('searches', () => {
  test('are made once for each thing at a time', async () => {
    const { searches, started, ends } = create()
    searches.add(1)
    searches.add(1)
    expect(started).toEqual([1])
    ends.get(1)!.resolve()
    await settlePromises()
    searches.add(1)
    expect(started).toEqual([1, 1])
  })

  test('are so many at once, and the others in turn', async () => {
    const { searches, started, ends } = create()
    for (const thing of upTo(MAX_SEARCHES + 3)) searches.add(thing)
    // Again, which changes nothing.
    for (const thing of upTo(MAX_SEARCHES + 3)) searches.add(thing)
    expect(started).toEqual(upTo(MAX_SEARCHES))
    ends.get(3)!.resolve()
    await settlePromises()
    expect(started.slice(MAX_SEARCHES)).toEqual([MAX_SEARCHES])
    ends.get(0)!.reject(new Error('no network'))
    await settlePromises()
    expect(started.slice(MAX_SEARCHES)).toEqual([MAX_SEARCHES, MAX_SEARCHES + 1])
  })

  test('of what is not needed any longer end, or never begin', () => {
    const { searches, started, signals } = create()
    for (const thing of upTo(MAX_SEARCHES + 2)) searches.add(thing)
    searches.delete(MAX_SEARCHES)
    searches.delete(0)
    expect(signals.get(0)!.aborted).toBe(true)
    expect(signals.get(1)!.aborted).toBe(false)
    expect(started.slice(MAX_SEARCHES)).toEqual([MAX_SEARCHES + 1])
  })

  test('make room after a time, though nobody heeds the signal', () => {
    const { clock, searches, started, signals } = create()
    for (const thing of upTo(MAX_SEARCHES + 1)) searches.add(thing)
    clock.advance(LIMIT_MS - 1)
    expect(started).toHaveLength(MAX_SEARCHES)
    clock.advance(1)
    expect(started).toHaveLength(MAX_SEARCHES + 1)
    expect(signals.get(0)!.aborted).toBe(true)
    expect(signals.get(MAX_SEARCHES)!.aborted).toBe(false)
  })

  test('that end late do not end one begun since', async () => {
    const { searches, started, ends, signals } = create()
    searches.add(1)
    const late = ends.get(1)!
    searches.delete(1)
    searches.add(1)
    late.resolve()
    await settlePromises()
    searches.add(1)
    expect(started).toEqual([1, 1])
    expect(signals.get(1)!.aborted).toBe(false)
  })

  test('leave no deadline behind', async () => {
    const { searches, ends, deadlines } = create()
    searches.add(1)
    searches.add(2)
    searches.delete(1)
    ends.get(2)!.resolve()
    await settlePromises()
    expect(deadlines.size).toBe(0)
  })
})
