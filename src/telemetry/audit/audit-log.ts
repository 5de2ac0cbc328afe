import { type Clock, InvalidOptionError, systemClock } from '../../core/index.ts'
import { type Rules, resolveOptions, text, wholeNumber } from '../../core/options.ts'
import { LineFile } from '../line-file.ts'
import { plain } from '../plain.ts'

/** Where it is kept, and how much of it. */
export interface AuditOptions {
  /** The file that is written to; older ones have a number behind that. */
  file: string
  /** How large a file gets, in bytes, from 1024. */
  maxBytes: number
  /** How many files are kept, from 1 to 1000. */
  maxFiles: number
}

export const defaultAuditOptions: Readonly<AuditOptions> = Object.freeze({
  file: 'audit.jsonl',
  maxBytes: 10 * 1_048_576,
  maxFiles: 10
})

const rules: Rules<AuditOptions> = {
  file: text,
  maxBytes: wholeNumber(1_024, 2 ** 40),
  maxFiles: wholeNumber(1, 1_000)
}

/** What a log can be given instead of what it takes itself. */
export interface AuditComponents {
  readonly clock?: Clock
  /** Told why something could not be written. */
  readonly onError?: (error: unknown) => void
}

/**
 * What happened and what was decided, as lines of JSON: `{"at":"2026-11-22T10:00:00.000Z","type":"node:down", … }`. Nobody waits for
 * it, and nothing fails if it cannot be written; how much was lost is written as soon as it can be again.
 */
export class AuditLog implements AsyncDisposable {
  readonly #file: LineFile
  readonly #clock: Clock
  #toldLost = 0

  /** @throws InvalidOptionError */
  constructor(
    options: Partial<AuditOptions>,
    { clock = systemClock, onError = () => {} }: AuditComponents = {}
  ) {
    const { file, ...limits } = resolveOptions('audit', defaultAuditOptions, options, rules)
    if (file === '') throw new InvalidOptionError('audit.file', file, 'a path')
    this.#file = new LineFile(file, limits, onError)
    this.#clock = clock
  }

  /** Entries that could not be written. */
  get lost(): number {
    return this.#file.lost
  }

  /** @param fields - of errors only name and message are kept */
  record(type: string, fields: object = {}): void {
    const { lost } = this.#file
    if (lost > this.#toldLost) {
      this.#write('audit:lost', { entries: lost - this.#toldLost })
      this.#toldLost = lost
    }
    this.#write(type, fields)
  }

  /** Resolves when all is written. */
  async flush(): Promise<void> {
    await this.#file.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]()
  }

  #write(type: string, fields: object): void {
    const first = { at: new Date(this.#clock.wallTime()).toISOString(), type }
    this.#file.write(JSON.stringify({ ...first, ...fields, ...first }, plain))
  }
}
