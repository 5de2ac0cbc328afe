import { readdirSync, readFileSync } from 'node:fs'
import type { Findings } from './benchmark.ts'
import { RESULTS } from './benchmark.ts'
import type { Cell, Report } from './report.ts'

/** The newest findings of each benchmark that are kept, by its name. */
export function newestFindings(): ReadonlyMap<string, Findings> {
  const files = readdirSync(RESULTS).filter(file => file.endsWith('.json'))
  // Their names begin with their dates.
  return new Map(
    files.sort().map(file => {
      const findings = JSON.parse(readFileSync(new URL(file, RESULTS), 'utf8')) as Findings
      return [findings.benchmark, findings]
    })
  )
}

/** @throws Error if there is none of that name */
export function reportOf({ benchmark, reports }: Findings, name: string): Report {
  const report = reports.find(each => each.name === name)
  if (report === undefined) throw new Error(`bench:${benchmark} has found nothing about ${name}`)
  return report
}

/** A value of a table by the names of its row and its column. @throws Error if there is no such row or column */
export function cellOf(findings: Findings, name: string, row: string, column: string): Cell {
  const { columns, rows } = reportOf(findings, name)
  const found = rows.find(([first]) => first === row)
  const index = columns.indexOf(column)
  if (found === undefined || index < 0)
    throw new Error(`The report ${name} of bench:${findings.benchmark} has no '${column}' of '${row}'`)
  // JSON has no undefined.
  return found[index] ?? undefined
}
