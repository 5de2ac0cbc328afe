import { describe, expect, test } from 'vitest'
import { Alarm } from '../../src/core/alarm.ts'
import { type Clock, ManualClock } from '../../src/core/index.ts'

/** An alarm for a list of times, each of which is done with when it has come. */
function create(clock: ManualClock = new ManualClock()) {
  const wanted: number[] = []
  const rings: number[] = []
  const alarm = new Alarm(
    clock,
    () => Math.min(...wanted, Infinity),
    nowMs => {
      rings.push(nowMs)
      wanted.splice(0, wanted.length, ...wanted.filter(at => at > nowMs))
    }
  )
  const want = (at: number): void => {
    wanted.push(at)
    alarm.check()
  }
  return { alarm, clock, rings, wanted, want }
}

test('sets no timer when nothing is wanted', () => {
  const { alarm, clock } = create()
  alarm.check()
  expect(clock.pendingTimers).toBe(0)
})

test('rings at the time wanted, once', () => {
  const { clock, rings, want } = create()
  want(100)
  clock.advance(99)
  expect(rings).toEqual([])
  clock.advance(1000)
  expect(rings).toEqual([100])
  expect(clock.pendingTimers).toBe(0)
})

test('rings for each of several times, with one timer', () => {
  const { clock, rings, want } = create()
  for (const at of [300, 100, 200, 100]) {
    want(at)
    expect(clock.pendingTimers).toBe(1)
  }
  clock.advance(1000)
  expect(rings).toEqual([100, 200, 300])
})

test('an earlier time goes before the one that was set', () => {
  const { clock, rings, want } = create()
  want(500)
  want(100)
  expect(clock.pendingTimers).toBe(1)
  clock.advance(100)
  expect(rings).toEqual([100])
})

test('a time that is no longer wanted rings for nothing, and the next is set', () => {
  const { alarm, clock, rings, wanted } = create()
  wanted.push(100)
  alarm.check()
  wanted.splice(0, 1, 400)
  alarm.check()
  clock.advance(300)
  expect(rings).toEqual([100])
  clock.advance(100)
  expect(rings).toEqual([100, 400])
})

test('a time that has passed rings as soon as possible', () => {
  const { clock, rings, want } = create(new ManualClock(1000))
  want(10)
  clock.advance(0)
  expect(rings).toEqual([1000])
})

test('a timer that comes too early, as clocks may, is set again', () => {
  const clock = new ManualClock()
  const impatient: Clock = {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    schedule: (callback, delayMs) => clock.schedule(callback, Math.min(delayMs, 30))
  }
  const rings: number[] = []
  const alarm = new Alarm(
    impatient,
    () => (clock.now() < 100 ? 100 : Infinity),
    nowMs => rings.push(nowMs)
  )
  alarm.check()
  clock.advance(1000)
  expect(rings).toEqual([30, 60, 90, 100])
  expect(clock.pendingTimers).toBe(0)
})

test('a time wanted while it rings is set', () => {
  const clock = new ManualClock()
  const rings: number[] = []
  let next = 100
  const alarm: Alarm = new Alarm(
    clock,
    () => next,
    nowMs => {
      rings.push(nowMs)
      next = rings.length < 3 ? nowMs + 50 : Infinity
      alarm.check()
    }
  )
  alarm.check()
  clock.advance(1000)
  expect(rings).toEqual([100, 150, 200])
  expect(clock.pendingTimers).toBe(0)
})

describe('stopped', () => {
  test('has no timer and never rings', () => {
    const { alarm, clock, rings, want } = create()
    want(100)
    alarm.stop()
    expect(clock.pendingTimers).toBe(0)
    want(50)
    expect(clock.pendingTimers).toBe(0)
    clock.advance(1000)
    expect(rings).toEqual([])
  })

  test('while it rings, sets no timer', () => {
    const clock = new ManualClock()
    const alarm: Alarm = new Alarm(
      clock,
      () => 100,
      () => alarm.stop()
    )
    alarm.check()
    clock.advance(1000)
    expect(clock.pendingTimers).toBe(0)
  })
})

test('while paused sets no timer, and rings late for what became due', () => {
  const { alarm, clock, rings, want } = create()
  want(100)
  alarm.pause()
  expect(clock.pendingTimers).toBe(0)
  clock.advance(500)
  alarm.check()
  clock.advance(0)
  expect(rings).toEqual([500])
})

test('pausing does not undo a stop', () => {
  const { alarm, clock, want } = create()
  alarm.stop()
  alarm.pause()
  want(100)
  expect(clock.pendingTimers).toBe(0)
})
