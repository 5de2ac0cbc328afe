import { describe, expect, test } from 'vitest'
import * as breakerTable from '../../src/core/breaker-table.ts'
import * as circuitBreaker from '../../src/core/circuit-breaker.ts'
import { goldenNames, readGolden } from './golden.ts'
import { type Core, compare, describeMismatch, publicForm, tableForm } from './replay.ts'
import { Tally } from './tally.ts'

const core: Core = { ...breakerTable, ...circuitBreaker }

describe.each(goldenNames)('the %s traces recorded from gobreaker', name => {
  const traces = readGolden(name)

  test.each([
    { what: 'the table', form: tableForm, suitable: traces },
    { what: 'the public class', form: publicForm, suitable: traces.filter(trace => trace.once) }
  ])('$what does the same', ({ form, suitable }) => {
    const tally = new Tally()
    for (const trace of suitable) {
      const mismatch = compare(core, form, trace, trace.expected)
      if (mismatch !== undefined) expect.fail(describeMismatch(mismatch))
      tally.add(trace, trace.expected)
    }
    expect(tally.missing()).toEqual([])
  })
})
