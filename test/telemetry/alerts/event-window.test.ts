import { expect, test } from 'vitest'
import { EventWindow } from '../../../src/telemetry/alerts/event-window.ts'

const counted = (successes: number, failures: number, sumMs = 0) => ({ successes, failures, sumMs })

test('nothing is known at the first look: what was counted before may be old', () => {
  expect(new EventWindow(100, 1).look(counted(50, 50, 1_000), 0)).toEqual({})
})

test('what came since is what counts', () => {
  const window = new EventWindow(100, 1)
  window.look(counted(50, 50, 1_000), 0)
  expect(window.look(counted(53, 51, 1_030), 50)).toEqual({ failureRate: 0.25, meanMs: 10 })
})

test('what is older than the window does not count', () => {
  const window = new EventWindow(100, 1)
  window.look(counted(0, 0), 0)
  window.look(counted(0, 10), 50)
  expect(window.look(counted(5, 10, 50), 100).failureRate).toBeCloseTo(10 / 15)
  expect(window.look(counted(5, 10, 50), 150)).toEqual({ failureRate: 0, meanMs: 10 })
})

test('of too few events nothing is said, of rates and means each', () => {
  const window = new EventWindow(100, 10)
  window.look(counted(0, 0), 0)
  expect(window.look(counted(5, 4, 50), 10)).toEqual({})
  expect(window.look(counted(5, 5, 50), 20)).toEqual({ failureRate: 0.5 })
  expect(window.look(counted(10, 5, 100), 30)).toEqual({ failureRate: 5 / 15, meanMs: 10 })
})

test('whoever begins to count anew is looked at anew', () => {
  const window = new EventWindow(100, 1)
  window.look(counted(50, 50), 0)
  expect(window.look(counted(1, 1), 10)).toEqual({})
  expect(window.look(counted(2, 1), 20)).toEqual({ failureRate: 0, meanMs: 0 })
})
