import { describe, expect, test } from 'vitest'
import { Hysteresis, type HysteresisOptions } from '../../../src/telemetry/alerts/hysteresis.ts'

const OPTIONS = { badAbove: 100, fireAfterMs: 10, resolveAfterMs: 30 }

/** Looks at a value every 5 ms, and tells when it changed to what. */
function run(values: ReadonlyArray<number | undefined>, options: HysteresisOptions = OPTIONS): string[] {
  const hysteresis = new Hysteresis(options)
  return values.flatMap((value, index) =>
    hysteresis.look(value, index * 5) ? [`${index * 5} ${hysteresis.isFiring ? 'bad' : 'good'}`] : []
  )
}

const repeat = <Value>(value: Value, times: number): Value[] => Array.from({ length: times }, () => value)

describe('it is bad', () => {
  test('once it has been for a while', () => {
    expect(run(repeat(101, 5))).toEqual(['10 bad'])
  })

  test('not if it is just at the limit', () => {
    expect(run(repeat(100, 10))).toEqual([])
  })

  test('not if it is good in between, nor if it is not known in between', () => {
    expect(run([101, 101, 100, 101, 101, undefined, 101, 101])).toEqual([])
  })

  test('at once if nothing has to be waited for', () => {
    expect(run([0, 101], { ...OPTIONS, fireAfterMs: 0 })).toEqual(['5 bad'])
  })
})

describe('it is good again', () => {
  const bad = repeat(101, 3)

  test('once it has been four fifths of the limit, or less, for a while', () => {
    expect(run([...bad, ...repeat(80, 10)])).toEqual(['10 bad', '45 good'])
  })

  test('not while it is only a little below the limit', () => {
    expect(run([...bad, ...repeat(81, 20)])).toEqual(['10 bad'])
  })

  test('not if it is bad in between', () => {
    expect(run([...bad, ...repeat(0, 6), 101, ...repeat(0, 6)])).toEqual(['10 bad'])
  })

  test('not while it is not known', () => {
    expect(run([...bad, ...repeat(undefined, 20)])).toEqual(['10 bad'])
  })

  test('at the value that is told as good, if one is', () => {
    const options = { ...OPTIONS, badAbove: 2, goodUpTo: 0 }
    expect(run([3, 3, 3, ...repeat(1, 10), ...repeat(0, 7)], options)).toEqual(['10 bad', '95 good'])
  })
})

test('it can be bad any number of times', () => {
  expect(run([...repeat(101, 3), ...repeat(0, 7), ...repeat(101, 3)])).toEqual([
    '10 bad',
    '45 good',
    '60 bad'
  ])
})
