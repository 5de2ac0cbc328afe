import type { Fetching } from './fetching.ts'
import { isDrawable, LiveRegion } from './terminal/live-region.ts'
import { type Paint, paintFor } from './terminal/paint.ts'
import { progressLine, progressSentence } from './terminal/progress-line.ts'

const REDRAW_MS = 100
/** Between two lines in a log. */
const LINE_MS = 5000

/** Shows on standard error how far a file has come, in place if that is a terminal, else by a line now and then. */
export class FetchDisplay implements Disposable {
  readonly #fetching: Fetching
  readonly #region: LiveRegion | undefined
  readonly #paint: Paint = paintFor(process.stderr)
  readonly #timer: NodeJS.Timeout

  constructor(fetching: Fetching) {
    this.#fetching = fetching
    this.#region = isDrawable(process.stderr) ? new LiveRegion(process.stderr) : undefined
    this.#timer = setInterval(() => this.#show(), this.#region === undefined ? LINE_MS : REDRAW_MS)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#region?.clear()
    this.#region?.[Symbol.dispose]()
  }

  #show(): void {
    const { progress } = this.#fetching
    if (this.#region === undefined) process.stderr.write(`${progressSentence(progress)}\n`)
    else this.#region.draw([progressLine(progress, this.#region.columns, this.#paint)])
  }
}
