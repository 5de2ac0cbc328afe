import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { SecretFileError } from './secret-error.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** A file that a secret is read from, into memory of the caller's and nowhere else. */
export class SecretFile implements Disposable {
  readonly #path: string
  readonly #descriptor: number
  /** How long it is, in bytes. */
  readonly byteLength: number

  /** @throws SecretFileError if it cannot be read, is no file, is empty, or is longer than `maxBytes` */
  constructor(path: string, maxBytes: number) {
    this.#path = path
    // A pipe that nobody writes to would be waited for.
    this.#descriptor = this.#try(() => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK))
    try {
      this.byteLength = this.#checkedLength(
        this.#try(() => fstatSync(this.#descriptor)),
        maxBytes
      )
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /**
   * Reads it, but for a newline at its end. The event loop waits for that: who reads on the side needs memory that is open
   * meanwhile.
   *
   * @param target - has room for `byteLength`
   * @returns the part of `target` that was read into
   * @throws SecretFileError
   */
  readInto(target: Uint8Array): Uint8Array {
    let count = 0
    let read: number
    do {
      read = this.#try(() => readSync(this.#descriptor, target, count, target.length - count, null))
      count += read
    } while (read > 0 && count < target.length)
    const content = withoutNewline(target.subarray(0, count))
    if (content.length === 0) throw new SecretFileError(this.#path, 'it is empty')
    return content
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }

  #checkedLength(stats: Stats, maxBytes: number): number {
    if (!stats.isFile()) throw new SecretFileError(this.#path, 'it is no file')
    if (stats.size === 0) throw new SecretFileError(this.#path, 'it is empty')
    if (stats.size > maxBytes) throw new SecretFileError(this.#path, `it is longer than ${maxBytes} bytes`)
    return stats.size
  }

  #try<Value>(use: () => Value): Value {
    try {
      return use()
    } catch (error) {
      throw new SecretFileError(this.#path, (error as NodeJS.ErrnoException).code ?? 'it failed', error)
    }
  }
}

function withoutNewline(bytes: Uint8Array): Uint8Array {
  if (bytes.at(-1) !== LINE_FEED) return bytes
  return bytes.subarray(0, bytes.at(-2) === CARRIAGE_RETURN ? -2 : -1)
}
