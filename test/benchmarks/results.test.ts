import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Findings } from '../../benchmarks/benchmark.ts'
import { cellOf } from '../../benchmarks/findings.ts'
import { tableOf } from '../../benchmarks/markdown.ts'
import { withFigures } from '../../benchmarks/readme-figures.ts'
import { derivedFiles } from '../../benchmarks/results.ts'

test('tables, plots and figures of the README are those of the results (if not: npm run bench:results)', async () => {
  for (const [file, content] of await derivedFiles())
    expect({ file, content: readFileSync(new URL(file), 'utf8') }).toEqual({ file, content })
})

const findings: Findings = {
  benchmark: 'sim',
  machine: {
    date: '2026-01-02T03:04:05.678Z',
    commit: 'abc',
    cpu: 'Some CPU',
    cores: 4,
    memoryGb: 8,
    load: 0,
    node: 'v24.0.0',
    v8: '13',
    packages: {}
  },
  settings: { isQuick: false, isReplay: false, seed: 1 },
  reports: [
    {
      name: 'scale',
      title: 'many',
      columns: ['peers', 'answered', 'unprotected', 'kept of best', 'false', 'B each', 'timers'],
      rows: [['10,000', '97.7 %', '90.2 %', '98.8 %', 0, 319.4, 1]],
      notes: [],
      checks: [],
      data: undefined
    }
  ]
}

describe('figures of the README', () => {
  test('are those that were found, and whence', () => {
    const text = withFigures(
      'before\n<!-- figures:sim -->\nold\n<!-- /figures -->\nafter',
      new Map([['sim', findings]])
    )
    expect(text).toBe(`before
<!-- figures:sim -->
| peers | answered | unprotected | kept of best | false | B each | timers |
| --- | --- | --- | --- | --- | --- | --- |
| 10,000 | 97.7 % | 90.2 % | 98.8 % | 0 | 319 | 1 |

\`npm run bench:sim\`, 2026-01-02, Some CPU, 4 cores, Node 24.0.0.
<!-- /figures -->
after`)
  })

  test('stay where nothing new was found', () => {
    const text = '<!-- figures:core -->\nold\n<!-- /figures -->'
    expect(withFigures(text, new Map([['sim', findings]]))).toBe(text)
  })

  test('have to be of a benchmark that there is', () => {
    expect(() => withFigures('<!-- figures:nothing -->\n<!-- /figures -->', new Map())).toThrow('nothing')
  })
})

test('a figure is found by its row and its column', () => {
  expect(cellOf(findings, 'scale', '10,000', 'B each')).toBe(319.4)
  expect(() => cellOf(findings, 'scale', '10', 'B each')).toThrow("no 'B each' of '10'")
  expect(() => cellOf(findings, 'other', '10', 'B each')).toThrow('nothing about other')
})

test('a table in Markdown', () => {
  expect(
    tableOf(
      ['a', 'b'],
      [
        ['x', undefined],
        ['y', 1.234]
      ]
    )
  ).toBe('| a | b |\n| --- | --- |\n| x | - |\n| y | 1.23 |\n')
})
