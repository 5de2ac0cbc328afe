import { type Deadlines, NO_LIMIT_MS } from '../../core/deadlines.ts'
import { type Clock, FAILURE, type Permit, type Protection, RejectedError } from '../../core/index.ts'
import type { LatencyBuckets } from '../../core/latency-buckets.ts'
import type { LatencyHistogram } from '../../core/latency-histogram.ts'
import { Channel } from '../channel/channel.ts'
import { ChannelClosedError } from '../channel/channel-error.ts'
import type { Endpoint } from '../endpoint.ts'
import { HandshakeLimit } from '../tls/handshake-limit.ts'
import { TlsDialer } from '../tls/tls-dialer.ts'
import type { TlsSetup } from '../tls/tls-options.ts'
import type { PoolOptions } from './pool-options.ts'

/** Of all pools of this process, unless they are given a limit of their own. */
const allHandshakes = new HandshakeLimit()

/** What opening channels takes. */
export interface OpenerContext {
  readonly endpoint: Endpoint
  readonly options: Readonly<PoolOptions>
  readonly tls: TlsSetup
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly protection: Protection
  /** How long it takes until channels are of use. */
  readonly establishment: LatencyHistogram
  readonly answerTimes: LatencyBuckets
  readonly handshakes: HandshakeLimit | undefined
  readonly onClosed: (channel: Channel) => void
}

/** Opens channels. Each time is a call in the core, which may refuse it, and learns whether the endpoint answers. */
export class ChannelOpener {
  readonly #context: OpenerContext
  readonly #dialer: TlsDialer
  #lastId = 0
  #failures = 0

  constructor(context: OpenerContext) {
    const { endpoint, tls, handshakes = allHandshakes, clock } = context
    this.#context = context
    this.#dialer = new TlsDialer(endpoint, tls, handshakes, clock)
  }

  /** How often it was in vain. */
  get failures(): number {
    return this.#failures
  }

  /**
   * Leave to open a channel; none is needed to try an endpoint whose circuit is OPEN, to find out whether it should still be.
   *
   * @throws RejectedError
   */
  admit(isTrial: boolean): Permit | undefined {
    const { protection, endpoint } = this.#context
    try {
      // Each step of it has a limit of its own.
      return protection.admit(endpoint.key, { timeoutMs: NO_LIMIT_MS })
    } catch (error) {
      if (isTrial && error instanceof RejectedError && error.reason === 'OPEN') return undefined
      throw error
    }
  }

  /**
   * Opens a channel that can be used.
   *
   * @throws ConnectError; IdentityError; what the probe throws; the signal's reason
   */
  async open(permit: Permit | undefined, signal: AbortSignal): Promise<Channel> {
    const { protection, endpoint } = this.#context
    try {
      const channel = await this.#connect(signal)
      if (permit === undefined) protection.retryNow(endpoint.key)
      else permit.settle('success')
      return channel
    } catch (error) {
      permit?.settle(signal.aborted ? 'ignored' : 'failure')
      if (!signal.aborted) this.#failures++
      throw error
    }
  }

  /** A channel that stood was ended by the endpoint's fault. */
  noteFailure(): void {
    const { protection, endpoint } = this.#context
    const now = this.#context.clock.now()
    const slot = protection.slot(endpoint.key, now)
    const token = protection.table.follow(slot, now, NO_LIMIT_MS)
    protection.table.settle(slot, token, FAILURE, now)
  }

  async #connect(signal: AbortSignal): Promise<Channel> {
    const { endpoint, options, clock, deadlines, establishment, answerTimes, onClosed } = this.#context
    const { socket, elapsedMs } = await this.#dialer.dial(signal)
    const channel = new Channel(socket, {
      id: `${options.namespace}-${endpoint.key}-${++this.#lastId}`,
      endpoint,
      clock,
      deadlines,
      timeoutMs: options.operationTimeoutMs,
      answerTimes,
      onClosed
    })
    const probedAtMs = clock.now()
    await this.#probe(channel)
    establishment.record(elapsedMs + clock.now() - probedAtMs, clock.now())
    return channel
  }

  async #probe(channel: Channel): Promise<void> {
    const { probe } = this.#context.options
    try {
      await probe?.(channel)
    } catch (error) {
      channel.close('it did not pass its probe')
      throw error
    }
    if (!channel.rest()) throw new ChannelClosedError(channel.id, 'its probe has left something unread')
  }
}
