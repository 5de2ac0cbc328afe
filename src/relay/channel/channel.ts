import type { TLSSocket } from 'node:tls'
import { type Deadline, type Deadlines, NO_LIMIT_MS } from '../../core/deadlines.ts'
import { type Clock, InvalidOptionError, type Outcome } from '../../core/index.ts'
import type { LatencyBuckets } from '../../core/latency-buckets.ts'
import type { Endpoint } from '../endpoint.ts'
import { connectionError } from '../tls/connect-error.ts'
import { ByteQueue } from './byte-queue.ts'
import {
  ChannelBusyError,
  ChannelClosedError,
  ChannelTimeoutError,
  UnexpectedDataError
} from './channel-error.ts'
import { ChannelLatency } from './channel-latency.ts'

/** Bytes received ahead of whoever reads them. */
const MAX_READ_AHEAD = 64 * 1024

/** Longest piece that can be waited for, in bytes: Bitcoin's longest message (`MAX_SIZE`, 32 MiB). */
export const MAX_READ_BYTES = 32 * 2 ** 20

/** A line that is dead in between is noticed after this long without a word, plus as long for each probe, in ms. */
const KEEP_ALIVE_MS = 1_000
const KEEP_ALIVE_PROBES = 2

/** Limits of one operation. */
export interface OperationOptions {
  /** How long it may take, in ms, from 1; as long as it likes if it is a year. */
  readonly timeoutMs?: number | undefined
  /** Gives it up. The channel is closed then, as nobody can tell what comes next on it. */
  readonly signal?: AbortSignal | undefined
}

/** What a channel needs of whoever made it. */
export interface ChannelContext {
  /** Unlike that of any other channel of this process. */
  readonly id: string
  readonly endpoint: Endpoint
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** How long an operation may take that is not told, in ms. */
  readonly timeoutMs: number
  /** Where answers are counted by how long they took, with those of other channels; nowhere if not given. */
  readonly answerTimes?: LatencyBuckets
  /** It is closed, and good for nothing more. */
  readonly onClosed: (channel: Channel) => void
}

/** Something that waits for the channel. */
type Waiter = (error: Error) => void

/** Bytes both ways over one TLS connection. */
export class Channel {
  readonly id: string
  readonly #socket: TLSSocket
  readonly #context: ChannelContext
  readonly #latency = new ChannelLatency()
  readonly #received = new ByteQueue()
  readonly #waiters = new Set<Waiter>()
  /** Looks whether what is read has come; there is one reader at a time. */
  #read: (() => void) | undefined
  /** Whether what comes is for nobody. */
  #isIdle = false
  /** Whether the endpoint has said all it had to say. */
  #hasEnded = false
  #closedBy: Error | undefined
  #outcome: Outcome = 'success'
  /** Since when an answer is waited for, in ms. */
  #askedAtMs: number | undefined
  #lastActivityMs: number
  #errors = 0

  constructor(socket: TLSSocket, context: ChannelContext) {
    this.id = context.id
    this.#socket = socket
    this.#context = context
    this.#lastActivityMs = context.clock.wallTime()
    keepAlive(socket)
    socket.on('data', chunk => this.#onData(chunk))
    socket.on('end', () => this.#onEnd())
    socket.on('error', error => this.#onError(error))
    socket.on('close', () => this.#onClose())
  }

  /** Whether nothing more can be sent. What was received can still be read. */
  get isClosed(): boolean {
    return this.#closedBy !== undefined
  }

  /** Why nothing more can be sent; `undefined` as long as it can. */
  get closedBy(): Error | undefined {
    return this.#closedBy
  }

  /** What its use has come to so far: `failure` if the endpoint, `ignored` if this side made it end. */
  get outcome(): Outcome {
    return this.#outcome
  }

  /** When anything was last sent or received, in ms since 1970. */
  get lastActivityMs(): number {
    return this.#lastActivityMs
  }

  /** What went wrong on it. */
  get errors(): number {
    return this.#errors
  }

  /** 95 of 100 answers took no longer than this, in ms; 0 if there was none. */
  get p95LatencyMs(): number {
    return this.#latency.p95Ms
  }

  rotateLatency(): void {
    this.#latency.rotate()
  }

  /** Sends bytes; resolves, with their number, when there is room for more. @throws what {@link readExact} does */
  write(data: Uint8Array, options: OperationOptions = {}): Promise<number> {
    return this.#operate('writing', options, done => {
      if (this.#send(data)) done(data.length)
      else this.#socket.once('drain', () => done(data.length))
    })
  }

  /** Sends bytes; resolves when the last one was handed to the system. @throws what {@link readExact} does */
  writeAll(data: Uint8Array, options: OperationOptions = {}): Promise<void> {
    return this.#operate('writing', options, done => {
      this.#send(data, () => done(undefined))
    })
  }

  /**
   * Waits for bytes; resolves with those there are, up to `maxBytes`, or with nothing if the endpoint has ended.
   *
   * @throws what {@link readExact} does
   */
  read(options: OperationOptions & { readonly maxBytes?: number } = {}): Promise<Uint8Array | undefined> {
    const maxBytes = checkedCount(options.maxBytes ?? MAX_READ_AHEAD)
    return this.#readWhen(options, 1, () =>
      this.#received.size > 0 ? this.#received.takeSome(maxBytes) : undefined
    )
  }

  /**
   * Waits for exactly so many bytes.
   *
   * @throws ChannelClosedError; ChannelTimeoutError; IdentityError if the endpoint does not accept our certificate;
   * ChannelBusyError; InvalidOptionError; the signal's reason
   */
  async readExact(count: number, options: OperationOptions = {}): Promise<Uint8Array> {
    const bytes = await this.#readWhen(options, checkedCount(count), () =>
      this.#received.size >= count ? this.#received.take(count) : undefined
    )
    if (bytes === undefined) throw this.#fail(this.#closed('it ended before all was there'))
    return bytes
  }

  /** What comes, until the endpoint ends it. @throws what {@link readExact} does */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (let bytes = await this.read(); bytes !== undefined; bytes = await this.read()) yield bytes
  }

  /**
   * Nobody uses it any more, until it is woken: whatever comes meanwhile closes it.
   *
   * @returns whether it can be used again by somebody else; else it is closed
   */
  rest(): boolean {
    if (this.isClosed) return false
    if (this.#received.size > 0 || this.#waiters.size > 0 || this.#hasEnded) {
      this.close('it was given back in the middle of something')
      return false
    }
    this.#isIdle = true
    this.#askedAtMs = undefined
    this.#socket.resume()
    return true
  }

  /** Somebody uses it from now on. */
  wake(): void {
    this.#isIdle = false
    this.#outcome = 'success'
  }

  /** Closes it at once. What is under way fails. */
  close(detail = 'by this side'): void {
    this.#end(this.#closed(detail), 'ignored')
  }

  /** Hands bytes to the socket; returns whether there is room for more. */
  #send(data: Uint8Array, onSent?: () => void): boolean {
    this.#noteActivity()
    this.#askedAtMs ??= this.#context.clock.now()
    return this.#socket.write(data, onSent)
  }

  /** @param take - takes what is read, `undefined` if it is not there yet */
  #readWhen(
    options: OperationOptions,
    needed: number,
    take: () => Uint8Array | undefined
  ): Promise<Uint8Array | undefined> {
    if (this.#read !== undefined)
      return Promise.reject(new ChannelBusyError(this.id, 'it is being read already'))
    // What came before the end can be read after it.
    const isLast = this.isClosed || this.#hasEnded
    if (isLast && (this.#received.size >= needed || this.#hasEnded)) return Promise.resolve(take())
    return this.#operate('reading', options, done => {
      this.#read = () => {
        const taken = take()
        this.#makeRoom(taken === undefined ? needed : 0)
        if (taken === undefined && !this.#hasEnded) return
        // At once: more may come before whoever waits is told, and is for the next one.
        this.#read = undefined
        done(taken)
      }
      this.#read()
    })
  }

  /** Has the socket go on if less was received than may be ahead, or is waited for. */
  #makeRoom(needed: number): void {
    if (this.#received.size < Math.max(MAX_READ_AHEAD, needed)) this.#socket.resume()
  }

  /** Has something done within its limits; if it is not, the channel is closed. */
  #operate<Value>(
    name: string,
    { timeoutMs = this.#context.timeoutMs, signal }: OperationOptions,
    begin: (done: (value: Value) => void) => void
  ): Promise<Value> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy)
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        deadline?.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#waiters.delete(fail)
      }
      const fail = (error: Error): void => {
        settled()
        reject(error)
      }
      const onAbort = (): void => {
        fail(signal!.reason)
        this.close(`${name} was given up`)
      }
      const deadline = this.#limit(name, timeoutMs)
      signal?.addEventListener('abort', onAbort)
      this.#waiters.add(fail)
      begin(value => {
        settled()
        resolve(value)
      })
    })
  }

  /** `undefined` if there is none: to wait for one the time is looked at every few ms. */
  #limit(name: string, timeoutMs: number): Deadline | undefined {
    if (timeoutMs >= NO_LIMIT_MS) return undefined
    return this.#context.deadlines.add(timeoutMs, () =>
      this.#fail(new ChannelTimeoutError(this.id, name, timeoutMs))
    )
  }

  #onData(chunk: Uint8Array<ArrayBuffer>): void {
    this.#noteActivity()
    if (this.#isIdle) {
      this.#fail(new UnexpectedDataError(this.id, chunk.length))
      return
    }
    if (this.#askedAtMs !== undefined) this.#noteAnswer(this.#context.clock.now() - this.#askedAtMs)
    this.#askedAtMs = undefined
    // Callers are promised plain bytes, which a Buffer is not quite: its `slice` shares memory.
    this.#received.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
    if (this.#received.size >= MAX_READ_AHEAD) this.#socket.pause()
    this.#read?.()
  }

  #noteAnswer(tookMs: number): void {
    this.#latency.record(tookMs)
    this.#context.answerTimes?.record(tookMs)
  }

  #onEnd(): void {
    this.#hasEnded = true
    this.#read?.()
    // What is still being written nobody will answer.
    if (this.#waiters.size > 0) this.#fail(this.#closed('the endpoint ended it'))
    else if (this.#isIdle) this.close('the endpoint did not need it any more')
  }

  #onError(error: Error): void {
    const known = connectionError(this.#context.endpoint, error)
    this.#fail(known?.name === 'IdentityError' ? known : this.#closed('it broke off', error))
  }

  #onClose(): void {
    this.#end(this.#closed('the endpoint ended it'), this.#outcome)
  }

  /** It is the endpoint's fault. */
  #fail(error: Error): Error {
    if (!this.isClosed) this.#errors++
    this.#end(error, 'failure')
    return error
  }

  #end(error: Error, outcome: Outcome): void {
    if (this.#closedBy !== undefined) return
    this.#closedBy = error
    this.#outcome = outcome
    this.#read = undefined
    this.#socket.destroy()
    for (const fail of [...this.#waiters]) fail(error)
    this.#context.onClosed(this)
  }

  #closed(detail: string, cause?: unknown): ChannelClosedError {
    return new ChannelClosedError(this.id, detail, cause)
  }

  #noteActivity(): void {
    this.#lastActivityMs = this.#context.clock.wallTime()
  }
}

/** Node 24.21 takes how often to ask, and how many times; one that does not asks ten times a second apart. */
function keepAlive(socket: TLSSocket): void {
  const set = socket.setKeepAlive as (on: boolean, delayMs: number, intervalMs: number, count: number) => void
  set.call(socket, true, KEEP_ALIVE_MS, KEEP_ALIVE_MS, KEEP_ALIVE_PROBES)
}

function checkedCount(count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > MAX_READ_BYTES)
    throw new InvalidOptionError('count', count, `a whole number of bytes from 1 to ${MAX_READ_BYTES}`)
  return count
}
