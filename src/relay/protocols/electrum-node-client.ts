import type { TLSSocket } from 'node:tls'
import { Deadlines, NO_LIMIT_MS } from '../../core/deadlines.ts'
import { type Clock, systemClock } from '../../core/index.ts'
import { Channel } from '../channel/channel.ts'
import { ChannelClosedError } from '../channel/channel-error.ts'
import { type Endpoint, parseEndpoint } from '../endpoint.ts'
import type { NodeClient } from '../nodes/node-client.ts'
import { ConnectError, IdentityError } from '../tls/connect-error.ts'
import { HandshakeLimit } from '../tls/handshake-limit.ts'
import { TlsDialer } from '../tls/tls-dialer.ts'
import { setUpTls, type TlsOptions, type TlsSetup } from '../tls/tls-options.ts'
import { ElectrumConnection } from './electrum-connection.ts'
import { type ElectrumListener, ElectrumSubscriptions } from './electrum-subscriptions.ts'
import { TooManyPendingError } from './pending-error.ts'
import { BadReplyError, type RpcReply, type RpcRequest } from './rpc.ts'

/**
 * The first message on a connection: who we are, and the versions of the protocol we speak, from and to. 1.4.3 is the last before
 * 1.6, in which servers may ask clients for things (Electrum protocol, "Protocol Changes"; there is no 1.5).
 */
const GREETING: RpcRequest = { method: 'server.version', params: ['bitswap-protection', ['1.4', '1.4.3']] }
const SPOKEN_VERSION = /^1\.4(\.\d+)?$/

/** Requests under way over the one connection, and the longest answer in bytes, unless told otherwise. */
export const MAX_PENDING = 1_000
export const MAX_REPLY_BYTES = 64 * 2 ** 20

const PING: RpcRequest = { method: 'server.ping' }

/** Its answer is the last block's header; a server answers it as often as it is asked. */
const LAST_HEADER: RpcRequest = { method: 'blockchain.headers.subscribe' }

/** What an {@link ElectrumNodeClient} is made with. */
export interface ElectrumNodeClientContext {
  readonly tls: TlsSetup
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly handshakes: HandshakeLimit
  /** Requests under way at once, from 1. As many may be given up before they are answered, or the connection is closed. */
  readonly maxPending: number
  /** Longest message a server may send, in bytes, from 1. */
  readonly maxReplyBytes: number
}

/** A subscription that stands. */
export interface ElectrumSubscription {
  /** What it was answered with first. */
  readonly result: unknown
  /** Ends it on this side. The server is not told: what it goes on to notify of is ignored. */
  unsubscribe(): void
}

/** A connection that does not stand yet. */
interface Opening {
  readonly connection: Promise<ElectrumConnection>
  readonly giveUp: AbortController
}

/**
 * Talks to an Electrum server, JSON-RPC in lines over TLS, on one connection. That is opened when something is asked for, and no
 * sooner; once it stands it is kept until it is lost. ElectrumX closes one on which nothing was asked for in ten minutes
 * (`SESSION_TIMEOUT`).
 */
export class ElectrumNodeClient implements NodeClient {
  readonly endpoint: string
  readonly #endpoint: Endpoint
  readonly #context: ElectrumNodeClientContext
  readonly #dialer: TlsDialer
  readonly #subscriptions = new ElectrumSubscriptions()
  #opening: Opening | undefined
  #connection: ElectrumConnection | undefined
  #pending = 0
  #lastChannel = 0
  #isClosed = false

  /**
   * A client by itself, with limits as `SecureChannel` has them: for subscriptions.
   *
   * @param endpoint - `host:port`
   * @throws InvalidOptionError
   */
  static to(endpoint: string, tls: Partial<TlsOptions> = {}): ElectrumNodeClient {
    return new ElectrumNodeClient(parseEndpoint(endpoint), {
      tls: setUpTls(tls),
      clock: systemClock,
      deadlines: new Deadlines(systemClock),
      handshakes: new HandshakeLimit(),
      maxPending: MAX_PENDING,
      maxReplyBytes: MAX_REPLY_BYTES
    })
  }

  constructor(endpoint: Endpoint, context: ElectrumNodeClientContext) {
    this.endpoint = endpoint.key
    this.#endpoint = endpoint
    this.#context = context
    this.#dialer = new TlsDialer(endpoint, context.tls, context.handshakes, context.clock)
  }

  get connections(): number {
    return this.#connection === undefined ? 0 : 1
  }

  /** Notifications that nobody had subscribed to, or nobody any more. */
  get ignoredNotifications(): number {
    return this.#subscriptions.ignored
  }

  /** Subscriptions the server does not know of at the moment: no connection stands, or it has not taken them again. */
  get lapsedSubscriptions(): number {
    return this.#subscriptions.lapsed
  }

  /** @throws as `NodeClient`; TooManyPendingError */
  async call(request: RpcRequest, signal: AbortSignal): Promise<unknown> {
    const reply = await this.#ask(request, signal)
    if ('error' in reply) throw reply.error
    return reply.result
  }

  /** @throws as `call`; TooManyPendingError before anything is sent if there is no room for all */
  async callAll(requests: readonly RpcRequest[], signal: AbortSignal): Promise<RpcReply[]> {
    this.#throwIfTooMany(requests.length)
    return Promise.all(requests.map(request => this.#ask(request, signal)))
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.call(PING, signal)
  }

  async height(signal: AbortSignal): Promise<number> {
    const header = (await this.call(LAST_HEADER, signal)) as { height?: unknown } | null
    const height = header?.height
    if (typeof height !== 'number' || !Number.isSafeInteger(height) || height < 0)
      throw new BadReplyError(this.endpoint, 'its last header has no height')
    return height
  }

  /**
   * Asks to be notified. When the connection is lost, the subscription is made anew on the next one, which is opened when
   * something is asked for.
   *
   * @param listener - told each notification, in the order they come; before the first one what the subscription was answered
   * with, in the form of a notification, and that again each time it is made anew
   * @param signal - gives up waiting for the first answer
   * @throws as `call`
   */
  async subscribe(
    request: RpcRequest,
    listener: ElectrumListener,
    signal: AbortSignal
  ): Promise<ElectrumSubscription> {
    let unsubscribe = (): void => {}
    const reply = await this.#ask(request, signal, result => {
      unsubscribe = this.#subscriptions.begin(request, listener, result)
    })
    if ('error' in reply) throw reply.error
    return { result: reply.result, unsubscribe }
  }

  /** Subscriptions are kept. */
  disconnect(): void {
    this.#opening?.giveUp.abort(this.#unreached('this side has given it up'))
    this.#opening = undefined
    this.#connection?.close()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.disconnect()
    this.#subscriptions.clear()
  }

  async #ask(
    request: RpcRequest,
    signal: AbortSignal,
    onResult?: (result: unknown) => void
  ): Promise<RpcReply> {
    signal.throwIfAborted()
    this.#throwIfTooMany(1)
    this.#pending++
    try {
      const connection = this.#connection ?? (await unlessAborted(this.#opened(), signal))
      return await connection.ask(request, signal, onResult)
    } finally {
      this.#pending--
    }
  }

  #throwIfTooMany(more: number): void {
    const { maxPending } = this.#context
    if (this.#pending + more > maxPending) throw new TooManyPendingError(this.endpoint, maxPending)
  }

  /** The connection that is being opened: one for all who wait for it. */
  #opened(): Promise<ElectrumConnection> {
    if (this.#isClosed) return Promise.reject(this.#unreached('its client is closed'))
    this.#opening ??= this.#open()
    return this.#opening.connection
  }

  #open(): Opening {
    const giveUp = new AbortController()
    const connection = this.#connect(giveUp).finally(() => {
      if (this.#opening === opening) this.#opening = undefined
    })
    const opening: Opening = { connection, giveUp }
    return opening
  }

  async #connect(giveUp: AbortController): Promise<ElectrumConnection> {
    const { socket } = await this.#dialer.dial(giveUp.signal)
    const connection = this.#connectionOver(socket)
    try {
      await this.#greet(connection, giveUp)
      connection.throwIfClosed()
    } catch (error) {
      connection.close()
      throw this.#unheard(error)
    }
    return connection
  }

  #connectionOver(socket: TLSSocket): ElectrumConnection {
    const { clock, deadlines, maxPending, maxReplyBytes } = this.#context
    const channel = new Channel(socket, {
      id: `electrum-${this.endpoint}-${++this.#lastChannel}`,
      endpoint: this.#endpoint,
      clock,
      deadlines,
      timeoutMs: NO_LIMIT_MS,
      onClosed: () => {}
    })
    return new ElectrumConnection(channel, {
      endpoint: this.endpoint,
      maxReplyBytes,
      maxGivenUp: maxPending,
      onNotification: notification => this.#subscriptions.tell(notification),
      onClosed: () => this.#onClosed()
    })
  }

  /** Agrees on a version. It is part of connecting, and may take as long again. */
  async #greet(connection: ElectrumConnection, giveUp: AbortController): Promise<void> {
    const { deadlines, tls } = this.#context
    const limit = deadlines.add(tls.connectTimeoutMs, () =>
      giveUp.abort(
        new ConnectError(
          this.#endpoint,
          'TIMEOUT',
          `it has not answered ${GREETING.method} within ${tls.connectTimeoutMs} ms`
        )
      )
    )
    try {
      const reply = await connection.ask(GREETING, giveUp.signal, result => {
        // At once: whatever happens to it after that happens to one that is in use.
        if (isSpoken(result)) this.#begin(connection)
      })
      if ('error' in reply) throw reply.error
      if (!isSpoken(reply.result)) throw new BadReplyError(this.endpoint, 'it speaks another version')
    } finally {
      limit.cancel()
    }
  }

  /** It is of use now. */
  #begin(connection: ElectrumConnection): void {
    this.#connection = connection
    this.#subscriptions.renew(connection)
  }

  /** What has gone wrong before anything was asked for. */
  #unheard(error: unknown): unknown {
    if (error instanceof ConnectError || error instanceof IdentityError) return error
    return error instanceof ChannelClosedError
      ? new ConnectError(this.#endpoint, 'RESET', 'it broke off', error)
      : new ConnectError(
          this.#endpoint,
          'PROTOCOL',
          'it does not speak version 1.4 of the Electrum protocol',
          error
        )
  }

  #unreached(detail: string): ConnectError {
    return new ConnectError(this.#endpoint, 'OTHER', detail)
  }

  /** There is never more than one: whichever was closed, none stands. */
  #onClosed(): void {
    this.#connection = undefined
    this.#subscriptions.lapse()
  }
}

/** Whether a server has answered the greeting with its name, and a version that is spoken here. */
function isSpoken(result: unknown): boolean {
  return Array.isArray(result) && typeof result[1] === 'string' && SPOKEN_VERSION.test(result[1])
}

/** The result of `work`, or the signal's reason as soon as it is aborted; what becomes of the work then is for others. */
async function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([aborted, work])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
