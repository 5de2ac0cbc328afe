import type { Socket } from 'node:net'
import { type Dispatcher, errors, Pool } from 'undici'
import { InvalidOptionError } from '../../core/index.ts'
import { ChannelClosedError } from '../channel/channel-error.ts'
import type { Endpoint } from '../endpoint.ts'
import type { NodeClient } from '../nodes/node-client.ts'
import { ConnectError, connectionError, IdentityError } from '../tls/connect-error.ts'
import type { Dialer } from '../tls/dialer.ts'
import { encodeBatch, encodeRequest, readBatch, readMessage, readReplyTo } from './json-rpc.ts'
import { TooManyPendingError } from './pending-error.ts'
import {
  BadReplyError,
  CredentialsError,
  isMethodMissing,
  NotAllowedError,
  type RpcReply,
  type RpcRequest
} from './rpc.ts'

/** Requests in one batch. */
const MAX_BATCH = 1_000

/** Requests under way, or waiting for a connection. One that was given up while it waited counts until its turn. */
const MAX_PENDING = 1_000

/**
 * How long a connection is kept that nobody uses, in ms, unless the node says how long it keeps it. Bitcoin Core says nothing and
 * closes after 30 s (`httpserver.h`, `DEFAULT_HTTP_SERVER_TIMEOUT`).
 */
const KEEP_ALIVE_MS = 20_000

/** A connection is closed this long before the node would do so, in ms: what is sent meanwhile is lost. */
const KEEP_ALIVE_MARGIN_MS = 2_000

/** The cheapest request there is: it takes no locks (lnd issue 4913). Bitcoin Core and btcd have it, bcoin does not. */
const UPTIME = 'uptime'
const BLOCK_COUNT = 'getblockcount'

/** Longest part of what is no answer that is told in an error, in characters. */
const MAX_EXCERPT = 100

/** Statuses of HTTP (RFC 9110, section 15). */
const OK = 200
const UNAUTHORIZED = 401
const FORBIDDEN = 403

/** The name of what is spoken, for TLS (ALPN). */
export const HTTP_1_1 = 'http/1.1'

/** What a client over HTTP needs. */
export interface HttpNodeClientContext {
  /** Makes its connections: over TLS, or on this machine. */
  readonly dialer: Dialer
  /** Where requests are sent to: `/`, or `/wallet/…`. */
  readonly path: string
  /** The header that says who we are; asked for at each request, so that nobody needs to keep it. */
  readonly authorization?: (() => string | undefined) | undefined
  /** At once, from 1; others wait for one, as long as their signal lets them. */
  readonly maxConnections: number
  /** The longest body of a reply, in bytes, from 1. */
  readonly maxReplyBytes: number
}

/**
 * JSON-RPC over HTTP/1.1, as Bitcoin Core (behind something that ends TLS), btcd and bcoin speak it.
 *
 * Connections are undici's business, but for making them. Nothing is sent twice: undici 8 itself sends a request again only if
 * it was pipelined behind one that ended its connection, and nothing is pipelined here; a request on a kept connection that turns
 * out to be closed fails. Before it uses a connection that was idle, undici reads what has come on it, so that one closed before is
 * replaced and not used. It lets a turn of the event loop pass before it uses one again: whoever asks the next thing at once may
 * therefore get another connection, as long as they are not too many.
 */
export class HttpNodeClient implements NodeClient {
  readonly endpoint: string
  readonly #endpoint: Endpoint
  readonly #context: HttpNodeClientContext
  readonly #sockets = new Set<Socket>()
  #line: Line
  #isClosed = false
  #pending = 0
  #lastId = 0
  #pingMethod = UPTIME

  constructor(endpoint: Endpoint, context: HttpNodeClientContext) {
    this.endpoint = endpoint.key
    this.#endpoint = endpoint
    this.#context = context
    this.#line = this.#createLine()
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** @throws as in the interface; TooManyPendingError */
  async call(request: RpcRequest, signal: AbortSignal): Promise<unknown> {
    const id = ++this.#lastId
    const { method } = request
    const reply = await this.#ask(encodeRequest(id, request), method, signal, message =>
      readReplyTo(this.endpoint, id, method, message)
    )
    if ('error' in reply) throw reply.error
    return reply.result
  }

  /** @throws as in the interface; TooManyPendingError; InvalidOptionError if they are more than 1,000 */
  async callAll(requests: readonly RpcRequest[], signal: AbortSignal): Promise<RpcReply[]> {
    if (requests.length > MAX_BATCH)
      throw new InvalidOptionError('requests.length', requests.length, `up to ${MAX_BATCH}`)
    if (requests.length === 0) return []
    const firstId = this.#lastId + 1
    this.#lastId += requests.length
    const what = [...new Set(requests.map(({ method }) => method))].join(', ')
    return this.#ask(encodeBatch(firstId, requests), what, signal, message =>
      readBatch(this.endpoint, firstId, requests, message)
    )
  }

  async ping(signal: AbortSignal): Promise<void> {
    const method = this.#pingMethod
    try {
      await this.call({ method }, signal)
    } catch (error) {
      if (method !== UPTIME || !isMethodMissing(error)) throw error
      this.#pingMethod = BLOCK_COUNT
      await this.call({ method: BLOCK_COUNT }, signal)
    }
  }

  async height(signal: AbortSignal): Promise<number> {
    const height = await this.call({ method: BLOCK_COUNT }, signal)
    if (!isHeight(height)) throw new BadReplyError(this.endpoint, 'its number of blocks is none')
    return height
  }

  disconnect(): void {
    if (this.#isClosed) return
    void this.#hangUp()
    this.#line = this.#createLine()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#hangUp()
  }

  #hangUp(): Promise<void> {
    const reason = new ChannelClosedError(this.endpoint, 'by this side')
    this.#sockets.clear()
    this.#line.dialling.abort(reason)
    return this.#line.pool.destroy(reason)
  }

  #createLine(): Line {
    const { maxConnections, maxReplyBytes } = this.#context
    const dialling = new AbortController()
    // What connects knows whether there is TLS.
    const pool = new Pool(`http://${this.endpoint}`, {
      connections: maxConnections,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
      // Signals end requests.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: maxReplyBytes,
      connect: (_, done) => {
        this.#dial(dialling.signal).then(
          socket => done(null, socket),
          error => done(error, null)
        )
      }
    })
    return { pool, dialling }
  }

  async #dial(signal: AbortSignal): Promise<Socket> {
    const { socket } = await this.#context.dialer.dial(signal)
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    return socket
  }

  async #ask<Value>(
    body: string,
    what: string,
    signal: AbortSignal,
    read: (message: unknown) => Value
  ): Promise<Value> {
    signal.throwIfAborted()
    if (this.#pending === MAX_PENDING) throw new TooManyPendingError(this.endpoint, MAX_PENDING)
    const { path, authorization, maxReplyBytes } = this.#context
    const headers = { 'content-type': 'application/json', authorization: authorization?.() }
    const exchange = new Exchange(this.#endpoint, signal, maxReplyBytes, () => this.#pending--)
    this.#pending++
    this.#line.pool.dispatch({ method: 'POST', path, headers, body }, exchange)
    const reply = await exchange.reply
    // Whatever else it says: nodes do not, but what stands before them may.
    if (reply.status === UNAUTHORIZED) throw new CredentialsError(this.endpoint)
    if (reply.status === FORBIDDEN) throw new NotAllowedError(this.endpoint, what)
    return this.#read(reply, read)
  }

  /** Has a reply read. Its status counts only for one that is no answer: a node's errors have all kinds. */
  #read<Value>({ status, body }: HttpReply, read: (message: unknown) => Value): Value {
    try {
      return read(readMessage(this.endpoint, body))
    } catch (cause) {
      if (!(cause instanceof BadReplyError) || status === OK) throw cause
      throw new BadReplyError(this.endpoint, `HTTP status ${status}: ${excerptOf(body)}`, { status, cause })
    }
  }
}

/** Connections that end together. */
interface Line {
  readonly pool: Pool
  /** Ends the making of connections. */
  readonly dialling: AbortController
}

/** What came back. */
interface HttpReply {
  readonly status: number
  readonly body: Buffer
}

/** One request, as undici sees it, until its reply is there. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #endpoint: Endpoint
  readonly #signal: AbortSignal
  readonly #maxReplyBytes: number
  readonly #onOver: () => void
  readonly #reply = Promise.withResolvers<HttpReply>()
  readonly #chunks: Buffer[] = []
  /** Of the request, once it is sent. */
  #controller: Dispatcher.DispatchController | undefined
  #status: number | undefined

  /** @param onOver - undici has done with it */
  constructor(endpoint: Endpoint, signal: AbortSignal, maxReplyBytes: number, onOver: () => void) {
    this.#endpoint = endpoint
    this.#signal = signal
    this.#maxReplyBytes = maxReplyBytes
    this.#onOver = onOver
    signal.addEventListener('abort', this.#onAbort)
  }

  /** @throws ConnectError; IdentityError; BadReplyError; ChannelClosedError; the signal's reason */
  get reply(): Promise<HttpReply> {
    return this.#reply.promise
  }

  /** It is about to be sent. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    // One that was given up while it waited is not sent then, and the connection is left to others.
    this.#signal.throwIfAborted()
    this.#controller = controller
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#over()
    this.#reply.resolve({ status: this.#status!, body: Buffer.concat(this.#chunks) })
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#over()
    this.#reply.reject(this.#controller === undefined ? this.#unheard(error) : this.#unanswered(error))
  }

  #over(): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#onOver()
  }

  readonly #onAbort = (): void => {
    const { reason } = this.#signal
    this.#reply.reject(reason)
    // Its connection is closed: nobody can tell what comes next on it.
    this.#controller?.abort(reason)
  }

  /** Why it was not sent. */
  #unheard(error: Error): Error {
    if (error instanceof ConnectError || error instanceof IdentityError) return error
    const known = connectionError(this.#endpoint, error)
    return known ?? new ConnectError(this.#endpoint, 'OTHER', error.message, error)
  }

  /** Why there is no reply to what was sent, and maybe done. */
  #unanswered(cause: Error): Error {
    if (cause instanceof ChannelClosedError) return cause
    // What a node makes of our certificate comes after what is sent first.
    const known = connectionError(this.#endpoint, cause)
    if (known?.name === 'IdentityError') return known
    const isTooLong = cause instanceof errors.ResponseExceededMaxSizeError
    const detail = isTooLong ? `it is longer than ${this.#maxReplyBytes} bytes` : 'it broke off'
    return new BadReplyError(this.#endpoint.key, detail, { status: this.#status, cause })
  }
}

function isHeight(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** What people can read of a body, on one line. */
function excerptOf(body: Buffer): string {
  return body
    .toString('latin1', 0, MAX_EXCERPT)
    .replace(/[^\x21-\x7e]+/g, ' ')
    .trim()
}
