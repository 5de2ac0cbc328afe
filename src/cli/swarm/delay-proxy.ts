import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** How much may be under way in one direction of a connection; the sender waits when there is more. */
const MAX_UNDER_WAY_BYTES = 4 * 2 ** 20

const LOOPBACK = '127.0.0.1'

/**
 * Makes a TCP port of this machine seem far away: whatever is sent takes `delayMs` longer, in each direction, and so
 * does the end of a connection. Only TCP's own handshake and resets are as quick as ever.
 */
export class DelayProxy {
  readonly #server: Server
  readonly #delayMs: number
  #targetPort = 0

  constructor(delayMs: number) {
    this.#delayMs = delayMs
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, client => this.#join(client))
  }

  /** @returns the port it listens on: the one given, or a free one for 0 */
  async listen(port: number): Promise<number> {
    this.#server.listen(port, LOOPBACK)
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  /** Tells where connections go to. Nobody may connect before that. */
  forwardTo(port: number): void {
    this.#targetPort = port
  }

  #join(client: Socket): void {
    const target = connect({ port: this.#targetPort, host: LOOPBACK, allowHalfOpen: true, noDelay: true })
    // Before the pipelines listen: they would make an ordinary end of a reset.
    client.once('error', () => target.resetAndDestroy())
    target.once('error', () => client.resetAndDestroy())
    this.#relay(client, target)
    this.#relay(target, client)
  }

  /** Without a word about errors: they end both directions, and each end learns of them by itself. */
  #relay(from: Socket, to: Socket): void {
    pipeline(from, new DelayLine(this.#delayMs), to).catch(() => {})
  }
}

/** Passes everything on, in order, a while later. */
class DelayLine extends Duplex {
  readonly #delayMs: number
  /** What was written and not yet read, up to the end, which is `null`. */
  readonly #queue: Array<Buffer | null> = []
  #queuedBytes = 0
  /** How many of the queue have waited long enough. */
  #due = 0
  #isWanted = false
  #takeMore: (() => void) | undefined

  constructor(delayMs: number) {
    super()
    this.#delayMs = delayMs
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#queuedBytes += chunk.length
    this.#enqueue(chunk)
    if (this.#queuedBytes < MAX_UNDER_WAY_BYTES) done()
    else this.#takeMore = done
  }

  override _final(done: () => void): void {
    this.#enqueue(null)
    done()
  }

  override _read(): void {
    this.#isWanted = true
    this.#deliver()
  }

  #enqueue(chunk: Buffer | null): void {
    this.#queue.push(chunk)
    setTimeout(() => {
      this.#due++
      this.#deliver()
    }, this.#delayMs)
  }

  #deliver(): void {
    while (this.#isWanted && this.#due > 0) {
      this.#due--
      const chunk = this.#queue.shift()!
      this.#queuedBytes -= chunk?.length ?? 0
      this.#isWanted = false
      if (this.push(chunk)) this.#isWanted = true
    }
    if (this.#queuedBytes < MAX_UNDER_WAY_BYTES) this.#resumeWriter()
  }

  #resumeWriter(): void {
    const takeMore = this.#takeMore
    // Before the call, in which it may be set anew.
    this.#takeMore = undefined
    takeMore?.()
  }
}
