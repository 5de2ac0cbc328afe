import { isDrawable, LiveRegion } from '../terminal/live-region.ts'
import { type Paint, paintFor } from '../terminal/paint.ts'
import { durationText } from '../terminal/quantities.ts'
import { wrap } from '../terminal/visible-text.ts'
import type { Display, Summary } from './display.ts'
import { type Happening, happeningFormat, happeningText, timeOfDay } from './happening.ts'
import type { Snapshot } from './snapshot.ts'
import { nodeLines, snapshotLines, snapshotSentence } from './snapshot-lines.ts'

const REDRAW_MS = 200
/** Between two lines in a log. */
const LINE_MS = 10_000

/** For people, on standard output: drawn in place on a terminal with what happens above it, line after line elsewhere. */
export class TextDisplay implements Display {
  readonly #snapshot: () => Snapshot
  readonly #region: LiveRegion | undefined
  readonly #paint: Paint = paintFor(process.stdout)
  readonly #timer: NodeJS.Timeout

  constructor(snapshot: () => Snapshot) {
    this.#snapshot = snapshot
    this.#region = isDrawable(process.stdout) ? new LiveRegion(process.stdout) : undefined
    this.#timer = setInterval(() => this.#show(), this.#region === undefined ? LINE_MS : REDRAW_MS)
  }

  tell(happening: Happening): void {
    const format = happeningFormat(happening)
    this.#say(wrap(happeningText(happening), this.#columns).map(line => this.#paint(format, line)))
  }

  conclude(summary: Summary): void {
    clearInterval(this.#timer)
    this.#region?.clear()
    const { durationMs, nodes } = summary
    const title = `${durationText(durationMs)}: ${snapshotSentence(summary)}`
    this.#say([
      '',
      ...wrap(title, this.#columns).map(line => this.#paint('bold', line)),
      ...nodeLines(nodes, this.#columns, this.#paint)
    ])
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#region?.clear()
    this.#region?.[Symbol.dispose]()
  }

  /** A log has no end of a line. */
  get #columns(): number {
    return this.#region?.columns ?? Infinity
  }

  #show(): void {
    const snapshot = this.#snapshot()
    if (this.#region === undefined) this.#say([`${timeOfDay(snapshot.atMs)} ${snapshotSentence(snapshot)}`])
    else this.#region.draw(snapshotLines(snapshot, this.#columns, this.#paint))
  }

  #say(lines: readonly string[]): void {
    if (this.#region !== undefined) this.#region.print(lines)
    else process.stdout.write(lines.map(line => `${line}\n`).join(''))
  }
}
