import type { Stream, StreamCloseEvent } from '@libp2p/interface'
import type { Deadline, Deadlines } from '../../core/deadlines.ts'
import { textOf } from '../multihash.ts'
import { encodeWants, type WantLine } from './want-message.ts'

/**
 * A stream that is not used for this long is closed, in ms. Helia resets one on which it gets nothing for 10 s; until
 * then several messages share it, which saves each of them a round trip.
 */
const IDLE_MS = 3_000

/** What is in no hurry waits this long for something to go along with, in ms. */
const LATER_MS = 1_000

/** Lines of one message. Helia takes 1,024 wants of a peer; kubo as many. */
const MAX_LINES = 512

/** What an outbox needs of its peer's connection. */
export interface OutboxHandlers {
  open(): Promise<Stream>
  /** What was said last may not have reached the peer: the stream did not open, or broke. */
  onBroken(error: unknown): void
}

/** Says to one peer what is wanted: what comes together goes in one message, over a stream that is kept for a while. */
export class Outbox {
  readonly #deadlines: Deadlines
  readonly #handlers: OutboxHandlers
  #lines: WantLine[] = []
  #isSending = false
  #stream: Stream | undefined
  #idle: Deadline | undefined
  #later: Deadline | undefined
  /** The last that broke and was told of. */
  #broken: Stream | undefined
  #isClosed = false

  constructor(deadlines: Deadlines, handlers: OutboxHandlers) {
    this.#deadlines = deadlines
    this.#handlers = handlers
  }

  /** Says something at once, with all that waits to be said. */
  push(line: WantLine): void {
    this.#lines.push(line)
    this.#begin()
  }

  /** Says something when there is more to say, or after a while. */
  pushLater(line: WantLine): void {
    this.#lines.push(line)
    if (!this.#isSending && this.#later === undefined)
      this.#later = this.#deadlines.add(LATER_MS, () => this.#begin())
  }

  #begin(): void {
    this.#later?.cancel()
    this.#later = undefined
    if (this.#isSending) return
    this.#isSending = true
    // What is said in the same turn comes along.
    queueMicrotask(() => void this.#send())
  }

  /** Ends the stream; what was not sent is dropped. */
  close(): void {
    this.#isClosed = true
    this.#lines = []
    this.#later?.cancel()
    this.#later = undefined
    this.#leave()
  }

  async #send(): Promise<void> {
    try {
      while (this.#lines.length > 0) {
        const stream = await this.#ready()
        const lines = this.#take()
        if (lines.length > 0 && !stream.send(encodeWants(lines))) await this.#drain(stream)
      }
      this.#isSending = false
      this.#rest()
    } catch (error) {
      // From here on it may be that more is said.
      this.#isSending = false
      this.#lines = []
      this.#leave()
      this.#handlers.onBroken(error)
    }
  }

  /** Waits until a stream takes more, or its end has been told of. */
  async #drain(stream: Stream): Promise<void> {
    try {
      await stream.onDrain()
    } catch (error) {
      if (stream !== this.#broken) throw error
    }
  }

  /** The next message. What is said twice of one block goes in two: which line of one message counts is not defined. */
  #take(): WantLine[] {
    const mentioned = new Set<string>()
    let count = 0
    for (const { cid } of this.#lines.slice(0, MAX_LINES)) {
      const multihash = textOf(cid.multihash.bytes)
      if (mentioned.has(multihash)) break
      mentioned.add(multihash)
      count++
    }
    return this.#lines.splice(0, count)
  }

  async #ready(): Promise<Stream> {
    this.#idle?.cancel()
    if (this.#stream?.status === 'open' && this.#stream.writeStatus === 'writable') return this.#stream
    const stream = await this.#handlers.open()
    this.#stream = stream
    stream.addEventListener('close', event => this.#onClose(stream, event))
    // Answers come on streams the peer opens.
    await stream.closeRead()
    return stream
  }

  #rest(): void {
    if (this.#isClosed) this.#leave()
    if (this.#stream === undefined) return
    this.#idle = this.#deadlines.add(IDLE_MS, () => this.#leave())
  }

  #leave(): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#idle?.cancel()
    stream?.close().catch(error => stream.abort(error))
  }

  #onClose(stream: Stream, { error, local }: StreamCloseEvent): void {
    if (this.#stream === stream) this.#leave()
    if (error === undefined || local !== false) return
    this.#broken = stream
    this.#handlers.onBroken(error)
  }
}
