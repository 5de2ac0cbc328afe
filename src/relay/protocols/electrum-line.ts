import { readMessage } from './json-rpc.ts'
import { BadReplyError } from './rpc.ts'

/** What each message ends with, and has none of inside (Electrum protocol, "Protocol Basics", "Message Stream"). */
const NEWLINE = 0x0a

const NOTHING = new Uint8Array(0)

/** A message as the line it is sent as. @param message - JSON on one line */
export function encodeLine(message: string): Uint8Array {
  return new TextEncoder().encode(`${message}\n`)
}

/** Makes messages of bytes that come in any portions. */
export class LineReader {
  readonly #endpoint: string
  readonly #maxBytes: number
  /** Holds the line that is not complete yet, and grows with it: small chunks must not cost more than large ones. */
  #buffer: Uint8Array = NOTHING
  /** How much of the buffer is that line. */
  #length = 0

  /**
   * @param endpoint - whose lines they are, as `host:port`
   * @param maxBytes - of a line, without its newline, from 1
   */
  constructor(endpoint: string, maxBytes: number) {
    this.#endpoint = endpoint
    this.#maxBytes = maxBytes
  }

  /**
   * The messages that are complete with this chunk, each before the next one is looked at. It is to be gone through to its end,
   * or the reader is good for nothing more.
   *
   * @throws BadReplyError if a line is no JSON, or too long
   */
  *read(chunk: Uint8Array): Generator<unknown, void, void> {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, end))
      from = end + 1
      yield readMessage(this.#endpoint, this.#takeLine())
    }
    this.#keep(chunk.subarray(from))
  }

  #takeLine(): Uint8Array {
    const line = this.#buffer.subarray(0, this.#length)
    this.#buffer = NOTHING
    this.#length = 0
    return line
  }

  #keep(part: Uint8Array): void {
    const length = this.#length + part.length
    if (length > this.#maxBytes)
      throw new BadReplyError(this.#endpoint, `it sends a line of more than ${this.#maxBytes} bytes`)
    if (this.#length === 0) {
      // Nothing is copied of lines that come as a whole.
      this.#buffer = part
    } else {
      if (length > this.#buffer.length) this.#grow(length)
      this.#buffer.set(part, this.#length)
    }
    this.#length = length
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, 2 * this.#buffer.length)))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}
