import { bar } from './bar.ts'
import type { Format, Paint } from './paint.ts'
import { shorten } from './visible-text.ts'

/** One figure of several runs. */
export interface Comparison {
  readonly label: string
  /** What the bars stand for, and what is written beside them. */
  readonly figures: ReadonlyArray<{ readonly value: number; readonly text: string }>
}

/** A run: its name and the colour of its bars. */
export interface Contestant {
  readonly name: string
  readonly format: Format
}

const MAX_BAR_WIDTH = 40

/** Figures of several runs below each other, as lines of at most `width` columns. */
export function comparisonLines(
  contestants: readonly Contestant[],
  comparisons: readonly Comparison[],
  width: number,
  paint: Paint
): string[] {
  const labelWidth = Math.max(...comparisons.map(({ label }) => label.length))
  const nameWidth = Math.max(...contestants.map(({ name }) => name.length))
  const textWidth = Math.max(...comparisons.flatMap(({ figures }) => figures.map(({ text }) => text.length)))
  const room = Math.min(MAX_BAR_WIDTH, width - labelWidth - nameWidth - textWidth - 6)
  return comparisons.flatMap(({ label, figures }) => {
    const most = Math.max(...figures.map(({ value }) => value))
    return figures.map(({ value, text }, index) => {
      const { name, format } = contestants[index]!
      const words = [
        (index === 0 ? label : '').padEnd(labelWidth),
        name.padEnd(nameWidth),
        text.padStart(textWidth)
      ].join('  ')
      const drawn = most > 0 && room > 0 ? bar(value / most, room) : ''
      return drawn === '' ? shorten(words, width) : `${words}  ${paint(format, drawn)}`
    })
  })
}
