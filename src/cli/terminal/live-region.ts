import { visibleWidth } from './visible-text.ts'

const ESCAPE = '\x1b['
const HIDE_CURSOR = `${ESCAPE}?25l`
const SHOW_CURSOR = `${ESCAPE}?25h`
const CLEAR_LINE = `${ESCAPE}2K`
const CLEAR_BELOW = `${ESCAPE}J`

/** The part of a terminal stream this needs. */
export interface TerminalStream {
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

/** Whether lines can be drawn over: a terminal that knows how to move its cursor. */
export function isDrawable(stream: NodeJS.WriteStream): boolean {
  const { TERM } = process.env
  return stream.isTTY === true && TERM !== 'dumb'
}

/** The last lines of a terminal, drawn in place again and again. */
export class LiveRegion implements Disposable {
  readonly #stream: TerminalStream
  #drawn: readonly string[] = []
  #isCursorHidden = false

  constructor(stream: TerminalStream) {
    this.#stream = stream
  }

  get columns(): number {
    // A terminal that does not know its size says 0.
    return this.#stream.columns || 80
  }

  /** Replaces what was drawn. One write, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    // A region higher than the screen could not be drawn over.
    const shown = lines.slice(0, Math.max(1, (this.#stream.rows ?? 24) - 1))
    const text = shown.map(line => `${CLEAR_LINE}${line}\n`).join('')
    this.#hideCursor()
    this.#stream.write(`${this.#toStart()}${text}${CLEAR_BELOW}`)
    this.#drawn = shown
  }

  /** Writes lines that stay, above what is drawn. */
  print(lines: readonly string[]): void {
    const drawn = this.#drawn
    this.clear()
    this.#stream.write(lines.map(line => `${line}\n`).join(''))
    if (drawn.length > 0) this.draw(drawn)
  }

  /** Takes away what was drawn. */
  clear(): void {
    if (this.#drawn.length > 0) this.#stream.write(`${this.#toStart()}${CLEAR_BELOW}`)
    this.#drawn = []
  }

  /** Leaves what was drawn as it is. */
  [Symbol.dispose](): void {
    this.#showCursor()
    this.#drawn = []
  }

  #hideCursor(): void {
    if (this.#isCursorHidden) return
    this.#isCursorHidden = true
    this.#stream.write(HIDE_CURSOR)
    // Nobody wants a terminal back without its cursor, however the process ended.
    process.on('exit', this.#showCursor)
  }

  readonly #showCursor = (): void => {
    if (!this.#isCursorHidden) return
    this.#isCursorHidden = false
    this.#stream.write(SHOW_CURSOR)
    process.off('exit', this.#showCursor)
  }

  #toStart(): string {
    // The window may have become narrower, and what was a line is several now.
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(visibleWidth(line) / this.columns)),
      0
    )
    return rows === 0 ? '' : `${ESCAPE}${rows}A\r`
  }
}
