import type { Machine, Settings } from './harness.ts'

/** A value of a table; `undefined` is shown as a dash. */
export type Cell = string | number | undefined

/** Something that must hold whatever the machine's speed. One that fails makes the run fail. */
export interface Check {
  readonly name: string
  readonly passed: boolean
  readonly detail: string
}

/** What a row group found. */
export interface Report {
  readonly name: string
  readonly title: string
  /** Text cells are shown as they are, so figures in them must have been measured too. */
  readonly columns: readonly string[]
  readonly rows: ReadonlyArray<readonly Cell[]>
  readonly notes: readonly string[]
  readonly checks: readonly Check[]
  /** All figures, unrounded. */
  readonly data: unknown
}

export function printMachine(machine: Machine, { seed }: Settings): void {
  const packages = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`)
  console.log(`${machine.date}  commit ${machine.commit}  seed ${seed}`)
  console.log(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, load ${machine.load.toFixed(1)}`
  )
  console.log([`Node ${machine.node}`, `V8 ${machine.v8}`, ...packages].join(', '))
}

export function printReport(report: Report): void {
  console.log(`\n${report.name}: ${report.title}`)
  printTable(report.columns, report.rows)
  for (const note of report.notes) console.log(`  ${note}`)
  for (const check of report.checks)
    console.log(`  ${check.passed ? 'ok' : 'WRONG'}: ${check.name}: ${check.detail}`)
}

/** Columns with nothing in them are left out. */
function printTable(columns: readonly string[], rows: ReadonlyArray<readonly Cell[]>): void {
  const used = columns.map((_, column) => rows.some(row => row[column] !== undefined))
  const texts = [columns, ...rows.map(row => row.map(shown))].map(row =>
    row.filter((_, column) => used[column])
  )
  const widths = texts[0]!.map((_, column) => Math.max(...texts.map(row => row[column]!.length)))
  for (const row of texts) {
    const padded = row.map((text, column) =>
      column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!)
    )
    console.log(`  ${padded.join('  ')}`)
  }
}

function shown(cell: Cell): string {
  if (cell === undefined) return '-'
  return typeof cell === 'string' ? cell : figures(cell)
}

/** A number to about three figures, a count in full. */
export function figures(value: number): string {
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(size >= 10 ? 1 : 2)
}

/** A time in the unit that suits it. */
export function duration(ns: number): string {
  if (ns < 10_000) return `${figures(ns)} ns`
  return ns < 1_000_000 ? `${figures(ns / 1000)} us` : `${figures(ns / 1_000_000)} ms`
}
