import { type Cell, figures } from './report.ts'

/** A table; a dash where there is nothing. */
export function tableOf(columns: readonly string[], rows: ReadonlyArray<readonly Cell[]>): string {
  const lines = [columns, columns.map(() => '---'), ...rows.map(row => row.map(textOf))]
  return lines.map(line => `| ${line.join(' | ')} |\n`).join('')
}

export function textOf(cell: Cell | null): string {
  if (cell === undefined || cell === null) return '-'
  return typeof cell === 'string' ? cell : figures(cell)
}
