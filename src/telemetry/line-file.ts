import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'

/** Lines that wait to be written, at most. */
const MAX_WAITING = 10_000

/** Only whom it belongs to may read it: it tells whom this node talks to. */
const FILE_MODE = 0o600

/** Limits of a file. */
export interface LineFileOptions {
  /** How large it gets until another is begun, in bytes. */
  readonly maxBytes: number
  /** How many there are at most, with the one that is written to: older ones are deleted. */
  readonly maxFiles: number
}

/**
 * A file of lines that never gets too large: `name`, before that `name.1`, before that `name.2`, and so on. Whoever writes does not
 * wait, and is not told of errors: those are counted, and told elsewhere.
 */
export class LineFile implements AsyncDisposable {
  readonly #path: string
  readonly #options: LineFileOptions
  readonly #onError: (error: unknown) => void
  #waiting: string[] = []
  #lost = 0
  #writing: Promise<void> | undefined
  #file: FileHandle | undefined
  #bytes = 0

  constructor(path: string, options: LineFileOptions, onError: (error: unknown) => void) {
    this.#path = path
    this.#options = options
    this.#onError = onError
  }

  /** Lines that were not written: too many came at once, or the disk did not take them. */
  get lost(): number {
    return this.#lost
  }

  /** @param line - without its end */
  write(line: string): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#lost++
      return
    }
    this.#waiting.push(`${line}\n`)
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when all that was given until now is written, or lost. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /** Ends it once all is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush()
    await this.#close()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting
      this.#waiting = []
      try {
        await this.#append(lines)
      } catch (error) {
        this.#lost += lines.length
        await this.#close().catch(() => {})
        this.#onError(error)
      }
    }
  }

  async #append(lines: readonly string[]): Promise<void> {
    const { maxBytes } = this.#options
    let batch = ''
    for (const line of lines) {
      const bytes = Buffer.byteLength(line)
      await this.#open()
      if (this.#bytes > 0 && this.#bytes + bytes > maxBytes) {
        await this.#write(batch)
        batch = ''
        await this.#rotate()
        await this.#open()
      }
      this.#bytes += bytes
      batch += line
    }
    await this.#write(batch)
  }

  async #write(batch: string): Promise<void> {
    if (batch !== '') await this.#file!.appendFile(batch)
  }

  async #open(): Promise<void> {
    if (this.#file !== undefined) return
    this.#file = await open(this.#path, 'a', FILE_MODE)
    this.#bytes = (await this.#file.stat()).size
  }

  async #rotate(): Promise<void> {
    await this.#close()
    const { maxFiles } = this.#options
    await rm(this.#numbered(maxFiles - 1), { force: true })
    for (let number = maxFiles - 2; number >= 0; number--) {
      if (await exists(this.#numbered(number)))
        await rename(this.#numbered(number), this.#numbered(number + 1))
    }
  }

  async #close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  #numbered(number: number): string {
    return number === 0 ? this.#path : `${this.#path}.${number}`
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false
  )
}
