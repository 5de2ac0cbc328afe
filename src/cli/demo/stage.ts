import { isDrawable, LiveRegion } from '../terminal/live-region.ts'
import { type Paint, paintFor } from '../terminal/paint.ts'
import { shorten } from '../terminal/visible-text.ts'
import { type Moment, momentFormat, momentText } from './moment.ts'

/** Of a log, which has no width of its own. */
const LOG_COLUMNS = 100

/** Where the demo is shown: drawn in place on a terminal, line after line elsewhere. */
export class Stage implements Disposable {
  readonly paint: Paint = paintFor(process.stdout)
  readonly #region: LiveRegion | undefined

  constructor() {
    this.#region = isDrawable(process.stdout) ? new LiveRegion(process.stdout) : undefined
  }

  get columns(): number {
    return this.#region?.columns ?? LOG_COLUMNS
  }

  /** Shows lines that stay. */
  say(lines: readonly string[]): void {
    if (this.#region !== undefined) this.#region.print(lines)
    else process.stdout.write(lines.map(line => `${line}\n`).join(''))
  }

  tell(moment: Moment): void {
    this.say([this.paint(momentFormat(moment), shorten(momentText(moment), this.columns))])
  }

  /** Shows how things stand at the moment, if that can be drawn over later. */
  draw(lines: (columns: number) => readonly string[]): void {
    this.#region?.draw(lines(this.columns))
  }

  /** Takes away what {@link draw} drew. */
  clear(): void {
    this.#region?.clear()
  }

  [Symbol.dispose](): void {
    this.#region?.[Symbol.dispose]()
  }
}
