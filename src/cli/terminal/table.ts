import type { Format, Paint } from './paint.ts'
import { shorten } from './visible-text.ts'

interface Cell {
  readonly text: string
  readonly format?: Format | undefined
}

export interface Column<Row> {
  readonly title: string
  readonly align?: 'right'
  /** So that a column does not jump about while its contents change. */
  readonly minWidth?: number
  /** How narrow it may become as the last column before others are left out for it; not at all if not given. */
  readonly leastWidth?: number
  /** Left out on a narrow terminal, the highest first; a column without it always stays. */
  readonly dispensable?: number
  cell(row: Row): Cell
}

const GAP = 2

/** A table as lines of at most `width` columns. */
export function table<Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: readonly Row[],
  width: number,
  paint: Paint
): string[] {
  const laidOut = columns.map(column => layOut(column, rows))
  const shown = narrowLast(leaveOut(laidOut, width), width)
  const header = shown.map(({ column, width }) => aligned({ text: column.title }, column.align, width))
  return [
    paint('dim', header.join(' '.repeat(GAP)).trimEnd()),
    ...rows.map((_, row) => line(shown, row, paint))
  ]
}

interface LaidOut<Row> {
  readonly column: Column<Row>
  readonly cells: readonly Cell[]
  readonly width: number
}

function layOut<Row>(column: Column<Row>, rows: readonly Row[]): LaidOut<Row> {
  const cells = rows.map(row => column.cell(row))
  const widths = [column.title, ...cells.map(cell => cell.text)].map(text => text.length)
  return { column, cells, width: Math.max(column.minWidth ?? 0, ...widths) }
}

function totalWidth<Row>(columns: ReadonlyArray<LaidOut<Row>>): number {
  return columns.reduce((sum, { width }) => sum + width + GAP, -GAP)
}

function leaveOut<Row>(columns: ReadonlyArray<LaidOut<Row>>, width: number): Array<LaidOut<Row>> {
  const shown = [...columns]
  while (leastTotalWidth(shown) > width) {
    const rank = Math.max(...shown.map(({ column }) => column.dispensable ?? 0))
    if (rank === 0) break
    shown.splice(
      shown.findIndex(({ column }) => column.dispensable === rank),
      1
    )
  }
  return shown
}

function leastTotalWidth<Row>(columns: ReadonlyArray<LaidOut<Row>>): number {
  const last = columns.at(-1)!
  return totalWidth(columns) - last.width + Math.min(last.width, last.column.leastWidth ?? last.width)
}

function narrowLast<Row>(columns: ReadonlyArray<LaidOut<Row>>, width: number): Array<LaidOut<Row>> {
  const overhang = Math.max(0, totalWidth(columns) - width)
  const last = columns.at(-1)!
  return [...columns.slice(0, -1), { ...last, width: Math.max(1, last.width - overhang) }]
}

function line<Row>(columns: ReadonlyArray<LaidOut<Row>>, row: number, paint: Paint): string {
  const texts = columns.map(({ column, cells, width }, index) => {
    const cell = cells[row]!
    const isLast = index === columns.length - 1
    const text =
      isLast && column.align === undefined ? shorten(cell.text, width) : aligned(cell, column.align, width)
    return cell.format === undefined ? text : paint(cell.format, text)
  })
  return texts.join(' '.repeat(GAP))
}

function aligned({ text }: Cell, align: 'right' | undefined, width: number): string {
  const short = shorten(text, width)
  return align === 'right' ? short.padStart(width) : short.padEnd(width)
}
