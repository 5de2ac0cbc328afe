import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ManualClock, systemClock } from '../../src/core/index.ts'
import { settlePromises } from '../support/drive.ts'

describe('systemClock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  })

  afterEach(async () => {
    vi.useRealTimers()
    await settlePromises()
  })

  test('now is one time per turn of the event loop', async () => {
    const first = systemClock.now()
    vi.advanceTimersByTime(50)
    expect(systemClock.now()).toBe(first)
    await settlePromises()
    expect(systemClock.now()).toBe(first + 50)
  })

  test('now does not move when the computer’s clock is set', async () => {
    const before = systemClock.now()
    vi.setSystemTime(new Date('1999-01-01'))
    await settlePromises()
    expect(systemClock.now()).toBe(before)
  })

  test('wallTime is the time of day', () => {
    vi.setSystemTime(1_767_225_600_000)
    expect(systemClock.wallTime()).toBe(1_767_225_600_000)
  })

  test('schedule runs once, after the delay', () => {
    const callback = vi.fn()
    systemClock.schedule(callback, 100)
    vi.advanceTimersByTime(99)
    expect(callback).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1000)
    expect(callback).toHaveBeenCalledOnce()
  })

  test('schedule can be taken back', () => {
    const callback = vi.fn()
    const cancel = systemClock.schedule(callback, 100)
    cancel()
    vi.advanceTimersByTime(1000)
    cancel()
    expect(callback).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('schedule of what is over already runs at once', () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    const callback = vi.fn()
    systemClock.schedule(callback, -900_000)
    expect(set).toHaveBeenCalledWith(callback, 0)
    set.mockRestore()
    vi.advanceTimersByTime(1)
    expect(callback).toHaveBeenCalledOnce()
  })

  test('schedule of more than setTimeout can take does not run at once', () => {
    const callback = vi.fn()
    const cancel = systemClock.schedule(callback, 365 * 24 * 60 * 60 * 1000)
    vi.advanceTimersByTime(2 ** 31 - 2)
    expect(callback).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    // Sooner than asked for, as documented: whoever asked looks at the time and waits on.
    expect(callback).toHaveBeenCalledOnce()
    cancel()
  })
})

test.each([
  [undefined, false],
  [false, false],
  [true, true]
])('a timer of systemClock keeps the process alive only if it is to: %s', (keepsAlive, isHeld) => {
  const set = vi.spyOn(globalThis, 'setTimeout')
  try {
    const cancel = systemClock.schedule(() => {}, 1000, keepsAlive)
    const timer = set.mock.results[0]?.value as NodeJS.Timeout
    expect(timer.hasRef()).toBe(isHeld)
    cancel()
  } finally {
    set.mockRestore()
  }
})

describe('ManualClock', () => {
  test('moves only when told to', () => {
    const clock = new ManualClock()
    expect(clock.now()).toBe(0)
    clock.advance(5)
    clock.advance(0.5)
    expect(clock.now()).toBe(5.5)
  })

  test('starts where told to, and wallTime moves with it', () => {
    const clock = new ManualClock(100, 5000)
    expect([clock.now(), clock.wallTime()]).toEqual([100, 5000])
    clock.advance(7)
    expect([clock.now(), clock.wallTime()]).toEqual([107, 5007])
    expect(new Date(new ManualClock().wallTime()).toISOString()).toBe('2026-01-01T00:00:00.000Z')
  })

  test('runs each timer at its own time, in order, once', () => {
    const clock = new ManualClock()
    const runs: Array<[string, number]> = []
    const schedule = (name: string, delayMs: number): unknown =>
      clock.schedule(() => runs.push([name, clock.now()]), delayMs)
    schedule('late', 300)
    schedule('early', 100)
    schedule('same as early', 100)
    schedule('never', 10_000)
    expect(clock.pendingTimers).toBe(4)
    clock.advance(1000)
    expect(runs).toEqual([
      ['early', 100],
      ['same as early', 100],
      ['late', 300]
    ])
    expect(clock.now()).toBe(1000)
    expect(clock.pendingTimers).toBe(1)
  })

  test('runs timers set by timers, if their time comes', () => {
    const clock = new ManualClock()
    const runs: number[] = []
    clock.schedule(() => {
      runs.push(clock.now())
      clock.schedule(() => runs.push(clock.now()), 50)
      clock.schedule(() => runs.push(clock.now()), 500)
    }, 100)
    clock.advance(200)
    expect(runs).toEqual([100, 150])
    expect(clock.pendingTimers).toBe(1)
  })

  test('does not run what was taken back, even by another timer', () => {
    const clock = new ManualClock()
    const callback = vi.fn()
    let cancel = (): void => {}
    clock.schedule(() => cancel(), 100)
    cancel = clock.schedule(callback, 100)
    clock.advance(1000)
    expect(callback).not.toHaveBeenCalled()
    expect(clock.pendingTimers).toBe(0)
  })

  test('runs what is due already at the next advance, however short', () => {
    const clock = new ManualClock(50)
    const callback = vi.fn()
    clock.schedule(callback, -10)
    expect(callback).not.toHaveBeenCalled()
    clock.advance(0)
    expect(callback).toHaveBeenCalledOnce()
    expect(clock.now()).toBe(50)
  })
})
