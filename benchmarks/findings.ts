import { readdirSync, readFileSync } from 'node:fs'
import { type Findings, RESULTS } from './benchmark.ts'
import type { Machine } from './harness.ts'
import type { Cell, Report } from './report.ts'

/** A report, and the run it is of. */
export interface KeptReport extends Report {
  readonly machine: Machine
}

/** What is kept of a benchmark. */
export interface Kept {
  readonly benchmark: string
  /** Of each name the newest, so that what takes hours can be measured in parts; in the order of their names. */
  readonly reports: readonly KeptReport[]
}

/** What is kept of each benchmark, by its name. */
export function keptFindings(): ReadonlyMap<string, Kept> {
  const files = readdirSync(RESULTS).filter(file => file.endsWith('.json'))
  return merged(files.map(file => JSON.parse(readFileSync(new URL(file, RESULTS), 'utf8')) as Findings))
}

/** All runs as one of each benchmark. */
export function merged(runs: readonly Findings[]): ReadonlyMap<string, Kept> {
  const all = new Map<string, Map<string, KeptReport>>()
  for (const { benchmark, machine, reports } of runs.toSorted(earlierFirst)) {
    const newest = all.get(benchmark) ?? new Map<string, KeptReport>()
    for (const report of reports) newest.set(report.name, { ...report, machine })
    all.set(benchmark, newest)
  }
  return new Map(
    inOrder(all).map(([benchmark, newest]) => [
      benchmark,
      { benchmark, reports: inOrder(newest).map(([, report]) => report) }
    ])
  )
}

/** By their names, in which numbers count as such. */
function inOrder<Value>(named: ReadonlyMap<string, Value>): Array<[string, Value]> {
  const { compare } = new Intl.Collator('en', { numeric: true })
  return [...named].toSorted(([a], [b]) => compare(a, b))
}

function earlierFirst(a: Findings, b: Findings): number {
  return a.machine.date < b.machine.date ? -1 : 1
}

/** @throws Error if there is none of that name */
export function reportOf({ benchmark, reports }: Kept, name: string): Report {
  const report = reports.find(each => each.name === name)
  if (report === undefined) throw new Error(`bench:${benchmark} has found nothing about ${name}`)
  return report
}

/** A value of a table by the names of its row and its column. @throws Error if there is no such row or column */
export function cellOf(kept: Kept, name: string, row: string, column: string): Cell {
  const { columns, rows } = reportOf(kept, name)
  const found = rows.find(([first]) => first === row)
  const index = columns.indexOf(column)
  if (found === undefined || index < 0)
    throw new Error(`The report ${name} of bench:${kept.benchmark} has no '${column}' of '${row}'`)
  // JSON has no undefined.
  return found[index] ?? undefined
}
