import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Findings } from '../../benchmarks/benchmark.ts'
import { cellOf, type Kept, merged } from '../../benchmarks/findings.ts'
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

/** What is kept after runs that differ from the one above in this. */
function keptOf(...differences: Array<Partial<Findings>>): ReadonlyMap<string, Kept> {
  return merged(differences.map(difference => ({ ...findings, ...difference })))
}

const kept = keptOf({})

describe('what is kept', () => {
  const [report] = findings.reports
  const at = (date: string, ...names: string[]) => ({
    machine: { ...findings.machine, date },
    reports: names.map(name => ({ ...report!, name, title: `${name} of ${date}` }))
  })
  const titles = (...runs: Array<Partial<Findings>>) =>
    keptOf(...runs)
      .get('sim')!
      .reports.map(({ title, machine: { date } }) => `${title}: ${date}`)

  test('is of each report the newest, in whatever order files are read', () => {
    const runs = [at('2026-02-01', 'a', 'b'), at('2026-03-01', 'c', 'a'), at('2026-01-01', 'b', 'd')]
    const expected = [
      'a of 2026-03-01: 2026-03-01',
      'b of 2026-02-01: 2026-02-01',
      'c of 2026-03-01: 2026-03-01',
      'd of 2026-01-01: 2026-01-01'
    ]
    expect(titles(...runs)).toEqual(expected)
    expect(titles(...runs.toReversed())).toEqual(expected)
  })

  test('is in the order of names, in which numbers count as such', () => {
    expect(titles(at('2026-01-01', 'S10', 'S2', 'S1-20', 'S1-3')).map(title => title.split(' ')[0])).toEqual([
      'S1-3',
      'S1-20',
      'S2',
      'S10'
    ])
  })

  test('is kept apart for each benchmark, in the order of their names', () => {
    const all = keptOf({ benchmark: 'stream' }, { benchmark: 'core' })
    expect([...all.keys()]).toEqual(['core', 'stream'])
    expect(all.get('core')?.reports).toHaveLength(1)
  })
})

describe('figures of the README', () => {
  test('are those that were found, and whence', () => {
    const text = withFigures('before\n<!-- figures:sim -->\nold\n<!-- /figures -->\nafter', kept)
    expect(text).toBe(`before
<!-- figures:sim -->
| peers | answered | unprotected | kept of best | false | B each | timers |
| --- | --- | --- | --- | --- | --- | --- |
| 10,000 | 97.7 % | 90.2 % | 98.8 % | 0 | 319 | 1 |

\`npm run bench:sim\`, 2026-01-02, Some CPU, 4 cores, Node 24.0.0.
<!-- /figures -->
after`)
  })

  test('of several runs tell of each', () => {
    const machine = { ...findings.machine, date: '2026-01-03T00:00:00.000Z' }
    const runs = keptOf({ machine, reports: [{ ...findings.reports[0]!, name: 'other' }] }, {})
    const text = withFigures('<!-- figures:sim -->\n<!-- /figures -->', runs)
    expect(text).toContain(
      '2026-01-02, Some CPU, 4 cores, Node 24.0.0; 2026-01-03, Some CPU, 4 cores, Node 24.0.0.'
    )
  })

  test('stay where nothing new was found', () => {
    const text = '<!-- figures:core -->\nold\n<!-- /figures -->'
    expect(withFigures(text, kept)).toBe(text)
  })

  test('have to be of a benchmark that there is', () => {
    expect(() => withFigures('<!-- figures:nothing -->\n<!-- /figures -->', new Map())).toThrow('nothing')
  })
})

test('a figure is found by its row and its column', () => {
  const sim = kept.get('sim')!
  expect(cellOf(sim, 'scale', '10,000', 'B each')).toBe(319.4)
  expect(() => cellOf(sim, 'scale', '10', 'B each')).toThrow("no 'B each' of '10'")
  expect(() => cellOf(sim, 'other', '10', 'B each')).toThrow('nothing about other')
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
