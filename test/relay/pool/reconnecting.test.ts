import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/core/index.ts'
import { Reconnecting } from '../../../src/relay/pool/reconnecting.ts'

/** After how long each of so many failures in a row is followed by a trial, in ms. */
function waits(count: number, random: () => number, betweenMs = 0): number[] {
  const clock = new ManualClock()
  let isDue = false
  const reconnecting = new Reconnecting(clock, random, () => {
    isDue = true
  })
  return Array.from({ length: count }, () => {
    clock.advance(betweenMs)
    isDue = false
    reconnecting.failed()
    let waitedMs = 0
    for (; !isDue; waitedMs += 5) clock.advance(5)
    return waitedMs
  })
}

test('it is tried again after ever longer waits, up to four seconds', () => {
  expect(waits(6, () => 1)).toEqual([250, 500, 1_000, 2_000, 4_000, 4_000])
})

test('up to half of each wait is chance', () => {
  expect(waits(3, () => 0)).toEqual([125, 250, 500])
})

test('after a while without failures waits are short again', () => {
  expect(waits(4, () => 1, 20_001)).toEqual([250, 250, 250, 250])
})

test('a failure while it is waited for changes nothing', () => {
  const clock = new ManualClock()
  let trials = 0
  const reconnecting = new Reconnecting(
    clock,
    () => 1,
    () => trials++
  )
  reconnecting.failed()
  reconnecting.failed()
  expect([reconnecting.isWaiting, clock.pendingTimers]).toEqual([true, 1])
  clock.advance(250)
  expect([trials, reconnecting.isWaiting]).toEqual([1, false])
  reconnecting.failed()
  reconnecting.stop()
  clock.advance(20_000)
  expect([trials, clock.pendingTimers]).toEqual([1, 0])
})
