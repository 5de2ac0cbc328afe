import { describe, expect, test } from 'vitest'
import { allocatesAtMost, NOTHING_BYTES } from '../../../benchmarks/core/allocation.ts'
import { type MeasuredRatio, missedGoals, type TimedRow } from '../../../benchmarks/timed-group.ts'

const always = (value: number) => ({ median: value, p25: value, p75: value })

function row(name: string, figures: Partial<TimedRow> = {}): TimedRow {
  return { name, ns: always(30), bytes: 0, aloneNs: undefined, goalNs: undefined, ...figures }
}

describe('what is allocated', () => {
  test.each([
    [0, true],
    [NOTHING_BYTES, true],
    [NOTHING_BYTES + 0.1, false]
  ])('%d B each: passed is %s', (bytes, passed) => {
    expect(allocatesAtMost(NOTHING_BYTES, [row('other'), row('it', { bytes })], ['it'])).toMatchObject([
      { name: 'nothing allocated: it', passed }
    ])
  })

  test('a candidate that was not measured is no pass', () => {
    expect(() => allocatesAtMost(NOTHING_BYTES, [row('other')], ['it'])).toThrow()
  })
})

describe('goals that are missed', () => {
  const ratio: MeasuredRatio = { of: 'a', to: 'b', value: always(2), alone: undefined }

  test('none are, where there is none, or it is met', () => {
    const rows = [row('without'), row('met', { goalNs: 30 })]
    expect(missedGoals(rows, [ratio, { ...ratio, goal: 2 }])).toEqual([])
  })

  test('a time', () => {
    expect(missedGoals([row('slow', { goalNs: 20 })], [])).toEqual(['missed: slow takes 30 ns, goal 20 ns'])
    const alone = row('slow', { goalNs: 20, aloneNs: always(19) })
    expect(missedGoals([alone], [])).toEqual(['missed: slow takes 30 ns (alone 19 ns), goal 20 ns'])
  })

  test('a ratio', () => {
    expect(missedGoals([], [{ ...ratio, goal: 1 }])).toEqual(['missed: a takes 2 times what b does, goal 1'])
  })
})
