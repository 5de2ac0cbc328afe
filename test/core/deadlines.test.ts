import { describe, expect, test } from 'vitest'
import { Deadlines } from '../../src/core/deadlines.ts'
import { ManualClock } from '../../src/core/manual-clock.ts'
import { LateClock } from '../support/late-clock.ts'

const TICK_MS = 25
/** More than this between two looks is a stall. */
const STALL_MS = 75

function create() {
  const clock = new LateClock()
  const deadlines = new Deadlines(clock)
  const reached: string[] = []
  const add = (afterMs: number, name: string) => deadlines.add(afterMs, () => reached.push(name))
  return { clock, deadlines, reached, add, advance: (ms: number) => clock.advance(ms) }
}

describe('a deadline', () => {
  test('is reached once, not before its time', () => {
    const { add, advance, reached } = create()
    add(100, 'a')
    advance(99)
    expect(reached).toEqual([])
    advance(1)
    expect(reached).toEqual(['a'])
    advance(10_000)
    expect(reached).toEqual(['a'])
  })

  test('is reached at most one tick late', () => {
    const { add, advance, reached } = create()
    add(101, 'a')
    advance(100)
    expect(reached).toEqual([])
    advance(TICK_MS)
    expect(reached).toEqual(['a'])
  })

  test('of no time at all is reached at the next tick, not inside the call', () => {
    const { add, advance, reached } = create()
    add(0, 'a')
    expect(reached).toEqual([])
    advance(TICK_MS)
    expect(reached).toEqual(['a'])
  })

  test('that is cancelled is never reached', () => {
    const { add, advance, reached, deadlines } = create()
    const cancelled = add(100, 'a')
    add(100, 'b')
    cancelled.cancel()
    cancelled.cancel()
    expect(deadlines.size).toBe(1)
    advance(1000)
    expect(reached).toEqual(['b'])
  })

  test('is not reached if what was waited for has come by then, and only has to be read', () => {
    const { add, advance, clock, reached } = create()
    const waiting = add(100, 'a')
    advance(80)
    clock.schedule(() => waiting.cancel(), 20)
    advance(1000)
    expect(reached).toEqual([])
  })

  test('that was reached may be cancelled all the same', () => {
    const { add, advance, reached } = create()
    const done = add(100, 'a')
    advance(100)
    done.cancel()
    add(100, 'b')
    advance(100)
    expect(reached).toEqual(['a', 'b'])
  })

  test('counts from when it was set, also between two ticks', () => {
    const { add, advance, reached } = create()
    add(1000, 'other')
    advance(TICK_MS + 10)
    add(40, 'a')
    // It is due at 75, which is a tick.
    advance(39)
    expect(reached).toEqual([])
    advance(1)
    expect(reached).toEqual(['a'])
  })
})

describe('several deadlines', () => {
  test('are all reached, the ones of different ticks in order', () => {
    const { add, advance, reached } = create()
    for (const ms of [300, 100, 200, 100]) add(ms, String(ms))
    advance(1000)
    expect(reached).toEqual(['100', '100', '200', '300'])
  })

  test('one set later may be earlier', () => {
    const { add, advance, reached } = create()
    add(500, 'late')
    advance(100)
    add(50, 'early')
    advance(50)
    expect(reached).toEqual(['early'])
    advance(350)
    expect(reached).toEqual(['early', 'late'])
  })

  test('one that is reached may cancel another of the same tick', () => {
    const { deadlines, add, advance, reached } = create()
    deadlines.add(100, () => {
      reached.push('first')
      second.cancel()
    })
    const second = add(100, 'second')
    advance(1000)
    expect(reached).toEqual(['first'])
    expect(deadlines.size).toBe(0)
  })

  test('one that is reached may set another', () => {
    const { deadlines, advance } = create()
    const at: number[] = []
    const next = (): void => {
      at.push(deadlines.awakeMs)
      if (at.length < 3) deadlines.add(50, next)
    }
    deadlines.add(50, next)
    advance(1000)
    expect(at).toEqual([50, 100, 150])
  })

  test('one that is reached may clear all', () => {
    const { clock, deadlines, add, advance, reached } = create()
    deadlines.add(100, () => deadlines.clear())
    add(100, 'a')
    add(200, 'b')
    advance(1000)
    expect(reached).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('timers', () => {
  test('there is one for a thousand deadlines', () => {
    const { clock, add, advance } = create()
    for (let number = 0; number < 1000; number++) {
      add(100 + number, String(number))
      expect(clock.pendingTimers).toBe(1)
    }
    advance(200)
    expect(clock.pendingTimers).toBe(1)
  })

  test('there is none before the first deadline, and none after the last', () => {
    const { clock, add, advance } = create()
    expect(clock.pendingTimers).toBe(0)
    add(100, 'a')
    advance(100 + TICK_MS)
    expect(clock.pendingTimers).toBe(0)
  })

  test('there is none any more once the last is cancelled', () => {
    const { clock, add, advance } = create()
    add(100, 'a').cancel()
    advance(TICK_MS)
    expect(clock.pendingTimers).toBe(0)
  })

  test('there is none after all was cleared, and one again when there is something to wait for', () => {
    const { clock, deadlines, add, advance, reached } = create()
    add(100, 'a')
    deadlines.clear()
    expect(clock.pendingTimers).toBe(0)
    expect(deadlines.size).toBe(0)
    add(100, 'b')
    expect(clock.pendingTimers).toBe(1)
    advance(1000)
    expect(reached).toEqual(['b'])
  })
})

test('after all was cleared nothing is left to be told, not even what was just reached', () => {
  let last: (() => void) | undefined
  let pending = 0
  const clock = new ManualClock()
  const schedule = clock.schedule.bind(clock)
  clock.schedule = (callback, delayMs) => {
    pending++
    last = () => {
      pending--
      callback()
    }
    const cancel = schedule(() => {}, delayMs)
    return () => {
      pending--
      cancel()
    }
  }
  const deadlines = new Deadlines(clock)
  deadlines.add(TICK_MS, () => expect.unreachable())
  clock.advance(TICK_MS)
  last!()
  expect(pending).toBe(2)
  deadlines.clear()
  expect(pending).toBe(0)
})

describe('time awake', () => {
  test('is that of the clock while something is waited for', () => {
    const { deadlines, add, advance } = create()
    add(1000, 'a')
    advance(130)
    expect(deadlines.awakeMs).toBe(130)
  })

  test('stands still while nothing is waited for', () => {
    const { deadlines, add, advance } = create()
    add(25, 'a')
    advance(50)
    const before = deadlines.awakeMs
    advance(100_000)
    expect(deadlines.awakeMs).toBe(before)
    add(25, 'b')
    advance(25)
    expect(deadlines.awakeMs).toBe(before + 25)
  })

  test('a timer that comes a little late counts in full', () => {
    const { clock, deadlines, add, advance, reached } = create()
    add(STALL_MS, 'a')
    clock.stall(STALL_MS - TICK_MS)
    advance(TICK_MS)
    expect(deadlines.awakeMs).toBe(STALL_MS)
    expect(reached).toEqual(['a'])
  })

  test.each([STALL_MS + 1, 1000, 60_000, 8 * 60 * 60_000])(
    'a stall of %d ms ages a deadline by one tick, and nothing is reached in it',
    stallMs => {
      const { clock, deadlines, add, advance, reached } = create()
      add(30, 'due soon')
      add(1000, 'a')
      clock.stall(stallMs - TICK_MS)
      advance(TICK_MS)
      expect(reached).toEqual([])
      expect(deadlines.awakeMs).toBe(TICK_MS)
      // After it time goes on as before.
      advance(TICK_MS)
      expect(reached).toEqual(['due soon'])
      advance(1000 - 2 * TICK_MS - 1)
      expect(reached).toEqual(['due soon'])
      advance(1)
      expect(reached).toEqual(['due soon', 'a'])
    }
  )

  test('a deadline that was due is not reached in the tick of a stall, but in the one after', () => {
    const { clock, add, advance, reached } = create()
    add(TICK_MS, 'a')
    clock.stall(1000)
    advance(TICK_MS)
    expect(reached).toEqual([])
    advance(TICK_MS)
    expect(reached).toEqual(['a'])
  })

  test('a deadline set while a timer is late is not reached before its time', () => {
    const { clock, add, advance, reached } = create()
    add(10_000, 'other')
    advance(TICK_MS - 1)
    clock.stall(45)
    add(50, 'a')
    const setAt = clock.now()
    while (reached.length === 0) advance(1)
    expect(clock.now() - setAt).toBeGreaterThanOrEqual(50)
  })

  test('stall after stall, each counts for one tick', () => {
    const { clock, deadlines, add, advance } = create()
    add(10_000, 'a')
    for (let stalls = 0; stalls < 10; stalls++) {
      clock.stall(5000)
      advance(TICK_MS)
    }
    expect(deadlines.awakeMs).toBe(10 * TICK_MS)
  })

  test('never goes back, also when it is asked for during a stall', () => {
    const { clock, deadlines, add, advance } = create()
    add(10_000, 'a')
    advance(TICK_MS)
    clock.stall(5000)
    // What came in meanwhile is handled before the timer can run, for one after the computer slept.
    const during = deadlines.awakeMs
    advance(TICK_MS)
    expect(deadlines.awakeMs).toBeGreaterThanOrEqual(during)
  })
})
