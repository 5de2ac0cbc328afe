import { systemRandom } from '../../core/clock.ts'
import { Deadlines } from '../../core/deadlines.ts'
import { type Clock, Protection, RejectedError, systemClock } from '../../core/index.ts'
import { LatencyBuckets } from '../../core/latency-buckets.ts'
import { LatencyHistogram } from '../../core/latency-histogram.ts'
import { Ring } from '../../core/ring.ts'
import type { Channel } from '../channel/channel.ts'
import { type Endpoint, parseEndpoint } from '../endpoint.ts'
import type { HandshakeLimit } from '../tls/handshake-limit.ts'
import { setUpTls, type TlsSetup } from '../tls/tls-options.ts'
import { ChannelOpener } from './channel-opener.ts'
import { Member } from './member.ts'
import { SecureChannelPoolBuilder } from './pool-builder.ts'
import { PoolClosedError, PoolExhaustedError } from './pool-error.ts'
import { type PoolEvent, PoolEvents } from './pool-events.ts'
import { type PoolOptions, resolvePoolOptions } from './pool-options.ts'
import type { PoolStatus, PoolSummary } from './pool-status.ts'
import { PooledChannel } from './pooled-channel.ts'
import { Reconnecting } from './reconnecting.ts'
import { WaitingLine } from './waiting-line.ts'

/** What a pool can be given instead of what it makes or takes itself. */
export interface PoolComponents {
  readonly clock?: Clock
  readonly random?: () => number
  /** Of handshakes at once; that of all pools of this process if not given. */
  readonly handshakes?: HandshakeLimit
}

/** What one caller wants. */
export interface AcquireOptions {
  /** Gives up waiting. */
  readonly signal?: AbortSignal | undefined
  /** How long to wait, in ms, instead of `acquireTimeoutMs`. */
  readonly timeoutMs?: number | undefined
}

/** A channel is replaced up to this share of its greatest age earlier, by chance, so that not all are at once. */
const AGE_JITTER = 0.1

/** A channel that does not last longer than this, in ms, was of no use. */
const SHORT_LIVED_MS = 1_000

/** How long channels in use are waited for when a pool is drained, in ms. */
const DRAIN_TIMEOUT_MS = 60_000

/**
 * Channels to one endpoint, kept open and lent out. The core's breaker guards connecting: nobody waits for a connection to
 * an endpoint that fails.
 *
 * Nothing runs until it is told to. Without {@link start} channels are opened when they are asked for, and an endpoint whose
 * circuit is OPEN is tried on the side when somebody had to be sent away; without
 * {@link startCleanup} they are looked at when they are given back.
 */
export class SecureChannelPool implements AsyncDisposable {
  readonly #endpoint: Endpoint
  readonly #options: Readonly<PoolOptions>
  readonly #clock: Clock
  readonly #random: () => number
  readonly #tls: TlsSetup
  readonly #protection: Protection
  readonly #deadlines: Deadlines
  readonly #establishment: LatencyHistogram
  readonly #answerTimes = new LatencyBuckets()
  readonly #opener: ChannelOpener
  readonly #events: PoolEvents
  readonly #waiting: WaitingLine<PooledChannel>
  readonly #reconnecting: Reconnecting
  readonly #members = new Map<Channel, Member>()
  /** Longest idle first. */
  readonly #idle = new Ring<Member>()
  #idleCount = 0
  /** Channels that are being opened. Each has a signal of its own: one signal is slow with ten thousand who listen to it. */
  readonly #opening = new Set<AbortController>()
  /** Of the places that were lost, how often each was. Whoever is opened next takes one of them. */
  readonly #lost: number[] = []
  #reconnects = 0
  #errorsOfGone = 0
  /** Whether `minIdle` channels are kept ready. */
  #isStarted = false
  #isDraining = false
  #isClosed = false
  /** Told when a channel is given back, or gone. */
  #onLess: (() => void) | undefined
  #cancelCleanup: (() => void) | undefined
  #rotatedAtMs: number

  /** A pool by fluent calls: `SecureChannelPool.builder('relay.example:443').withMinIdle(5).build()`. */
  static builder(endpoint: string): SecureChannelPoolBuilder {
    return new SecureChannelPoolBuilder(
      (options, components) => new SecureChannelPool(endpoint, options, components)
    )
  }

  /**
   * @param endpoint - `host:port`
   * @throws InvalidOptionError
   */
  constructor(endpoint: string, options?: Partial<PoolOptions>, components: PoolComponents = {}) {
    const { clock = systemClock, random = systemRandom, handshakes } = components
    this.#endpoint = parseEndpoint(endpoint)
    this.#options = resolvePoolOptions(options)
    this.#clock = clock
    this.#random = random
    this.#rotatedAtMs = clock.now()
    this.#tls = setUpTls(this.#options.tls)
    this.#protection = new Protection(
      {
        preset: 'relay',
        breaker: this.#options.breaker,
        // Once it can be connected to again, whoever is sent away for its sake has nobody else to turn to; and if it fails
        // again, nobody is sent away for longer than the breaker says.
        recovery: { initialRecoveryRate: 1, cooldownPeriodMs: 0 },
        maxEjectedShare: 1
      },
      { clock, random }
    )
    this.#events = new PoolEvents(this.#endpoint.key, clock)
    this.#protection.onEvent(({ type }) => this.#events.tell(type))
    this.#deadlines = new Deadlines(clock)
    this.#establishment = new LatencyHistogram(this.#options.histogramRotationIntervalMs, clock.now())
    this.#opener = new ChannelOpener({
      endpoint: this.#endpoint,
      options: this.#options,
      tls: this.#tls,
      clock,
      deadlines: this.#deadlines,
      protection: this.#protection,
      establishment: this.#establishment,
      answerTimes: this.#answerTimes,
      handshakes,
      onClosed: channel => this.#onClosed(channel)
    })
    this.#waiting = new WaitingLine(this.#deadlines)
    this.#reconnecting = new Reconnecting(clock, random, () => void this.#open(true))
  }

  /** `host:port`. */
  get endpoint(): string {
    return this.#endpoint.key
  }

  /** What the names of its metrics begin with. */
  get namespace(): string {
    return this.#options.namespace
  }

  /** Where it is to be seen, as it was told: options of a `ManagementServer` of it. */
  get metricsOptions(): {
    readonly host: string
    readonly port: number
    readonly authToken: string | undefined
  } {
    const { metricsHost: host, metricsPort: port, metricsAuthToken: authToken } = this.#options
    return { host, port, authToken }
  }

  /**
   * Opens `minIdle` channels, and keeps as many ready from now on. Resolves when each attempt has ended, also if the endpoint is
   * away: it is tried again then, until it is back.
   *
   * @throws PoolClosedError
   */
  async start(): Promise<void> {
    this.#throwIfClosed()
    this.#isStarted = true
    await Promise.all(Array.from({ length: this.#missing }, () => this.#open(false)))
  }

  /** Has channels looked after every `cleanupIntervalMs`. @throws PoolClosedError */
  startCleanup(): void {
    this.#throwIfClosed()
    this.#cancelCleanup ??= this.#clock.schedule(() => {
      this.#cancelCleanup = undefined
      this.cleanUp()
      this.startCleanup()
    }, this.#options.cleanupIntervalMs)
  }

  stopCleanup(): void {
    this.#cancelCleanup?.()
    this.#cancelCleanup = undefined
  }

  /**
   * A channel to use and to give back, as with `await using channel = await pool.getConnection()`.
   *
   * @throws PoolExhaustedError; PoolClosedError; RejectedError if the circuit is open and no channel is; ConnectError;
   * IdentityError; what the probe throws; the signal's reason
   */
  async getConnection({ signal, timeoutMs }: AcquireOptions = {}): Promise<PooledChannel> {
    this.#throwIfClosed()
    signal?.throwIfAborted()
    const idle = this.#takeIdle()
    if (idle !== undefined) {
      this.#openMore()
      return this.#lend(idle)
    }
    const { maxConnections, maxWaiting, acquireTimeoutMs } = this.#options
    if (this.#waiting.length >= maxWaiting)
      throw new PoolExhaustedError(this.endpoint, maxConnections, `${maxWaiting} callers wait already`)
    const limitMs = timeoutMs ?? acquireTimeoutMs
    const lent = this.#waiting.join({
      timeoutMs: limitMs,
      timeoutError: () => new PoolExhaustedError(this.endpoint, maxConnections, `waited ${limitMs} ms`),
      signal
    })
    this.#openMore()
    return lent
  }

  /** Closes idle channels that are too old, too slow or too many, opens others in their place, and forgets old latencies. */
  cleanUp(): void {
    const now = this.#clock.now()
    for (const member of this.#idle) {
      const problem = member.problem(this.#options, now) ?? this.#surplus(member, now)
      if (problem !== undefined) member.channel.close(problem)
    }
    if (now - this.#rotatedAtMs >= this.#options.histogramRotationIntervalMs) {
      this.#rotatedAtMs = now
      for (const channel of this.#members.keys()) channel.rotateLatency()
    }
    this.#openMore()
  }

  /** Adds a listener for all events; the function returned removes it. What it throws changes nothing. */
  onEvent(listener: (event: PoolEvent) => void): () => void {
    return this.#events.subscribe(listener)
  }

  getStatus(): PoolStatus {
    const connections = Array.from(this.#members.values(), member => member.status(this.#options))
    return Object.freeze({
      ...this.getSummary(),
      poolP95LatencyMs: connections.reduce((most, { p95LatencyMs }) => Math.max(most, p95LatencyMs), 0),
      connections: Object.freeze(connections)
    })
  }

  /** The same, but for what there is of each channel: quick to be had, however many there are. */
  getSummary(): PoolSummary {
    const circuit = this.#protection.getPeerStatus(this.endpoint)
    let errors = this.#errorsOfGone + this.#opener.failures
    for (const channel of this.#members.keys()) errors += channel.errors
    return Object.freeze({
      endpoint: this.endpoint,
      isHealthy: this.#members.size > 0 && circuit?.circuitState !== 'OPEN',
      isDraining: this.#isDraining,
      maxConnections: this.#options.maxConnections,
      activeConnections: this.#members.size,
      idleConnections: this.#idleCount,
      opening: this.#opening.size,
      waiting: this.#waiting.length,
      totalReconnects: this.#reconnects,
      totalErrors: errors,
      establishment: this.#establishment.summary(this.#clock.now()),
      answerTimes: this.#answerTimes.read(),
      circuit,
      trustedRoots: this.#tls.roots.certificates.length,
      unreadableRoots: this.#tls.roots.unreadable,
      lastUpdated: this.#clock.wallTime()
    })
  }

  /**
   * Takes no more callers, waits until all who are here have had a channel and given it back, and closes.
   *
   * @returns how many channels were in use to the last, and had to be closed
   */
  async drain(drainTimeoutMs = DRAIN_TIMEOUT_MS): Promise<number> {
    this.#isDraining = true
    this.#isStarted = false
    await this.#untilUnused(drainTimeoutMs)
    const inUse = this.#members.size - this.#idleCount
    this.close()
    return inUse
  }

  /** Closes all at once. */
  close(): void {
    if (this.#isClosed) return
    const error = new PoolClosedError(this.endpoint)
    this.#isClosed = true
    this.#isDraining = true
    this.#isStarted = false
    this.stopCleanup()
    this.#reconnecting.stop()
    for (const opening of this.#opening) opening.abort(error)
    this.#waiting.rejectAll(error)
    for (const channel of [...this.#members.keys()]) channel.close('its pool is closed')
    this.#protection.close()
    this.#deadlines.clear()
    this.#onLess?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain()
  }

  #throwIfClosed(): void {
    if (this.#isDraining) throw new PoolClosedError(this.endpoint)
  }

  /** How many channels are to be opened: as many as are waited for, or wanted in reserve. */
  get #missing(): number {
    const { maxConnections, minIdle } = this.#options
    const isFilling = this.#isStarted && !this.#reconnecting.isWaiting
    const reserve = isFilling ? Math.max(0, minIdle - this.#idleCount) : 0
    const free = maxConnections - this.#members.size - this.#opening.size
    return Math.max(0, Math.min(this.#waiting.length + reserve - this.#opening.size, free))
  }

  #openMore(): void {
    for (let missing = this.#missing; missing > 0; missing--) void this.#open(false)
  }

  /** Opens a channel for whoever has waited longest, or for later. @param isTrial - whether to try even if that is refused */
  async #open(isTrial: boolean): Promise<void> {
    const opening = new AbortController()
    this.#opening.add(opening)
    try {
      const channel = await this.#opener.open(this.#opener.admit(isTrial), opening.signal)
      this.#opening.delete(opening)
      this.#add(channel)
    } catch (error) {
      this.#opening.delete(opening)
      this.#onOpenFailed(error)
    }
  }

  #onOpenFailed(error: unknown): void {
    if (this.#isClosed) return
    const isRefused = error instanceof RejectedError
    // Also if nothing is kept ready: whoever asks again shall not be sent away for as long as the circuit may be OPEN.
    if (this.#isStarted || isRefused) this.#reconnecting.failed()
    if (!isRefused) {
      this.#events.tell('connection:fail', undefined, error)
      this.#waiting.reject(error)
      this.#openMore()
    } else if (this.#members.size + this.#opening.size === 0) {
      // There is nothing that anybody could wait for.
      this.#waiting.rejectAll(error)
    }
  }

  #add(channel: Channel): void {
    if (this.#isClosed) {
      channel.close('its pool is closed')
      return
    }
    const reconnects = this.#lost.pop()
    if (reconnects !== undefined) this.#reconnects++
    const member = new Member(channel, (reconnects ?? -1) + 1, this.#clock.now(), this.#maxAgeMs())
    this.#members.set(channel, member)
    this.#events.tell('connection:open', channel.id)
    this.#offer(member)
    this.#openMore()
  }

  #maxAgeMs(): number {
    return this.#options.maxAgeMs * (1 - AGE_JITTER * this.#random())
  }

  /** Gives a channel to whoever has waited longest; if that is nobody, it is idle. */
  #offer(member: Member): void {
    if (this.#waiting.serve(() => this.#lend(member))) return
    member.idleSinceMs = this.#clock.now()
    this.#idle.add(member)
    this.#idleCount++
  }

  #lend(member: Member): PooledChannel {
    member.channel.wake()
    return new PooledChannel(member.channel, () => this.#onGivenBack(member))
  }

  /** The one that was used last: others can be closed if they are too many. */
  #takeIdle(): Member | undefined {
    for (let member = this.#idle.last; member !== undefined; member = this.#idle.last) {
      this.#leaveIdle(member)
      const problem = member.problem(this.#options, this.#clock.now())
      if (problem === undefined) return member
      member.channel.close(problem)
    }
    return undefined
  }

  #leaveIdle(member: Member): void {
    if (member.remove()) this.#idleCount--
    member.idleSinceMs = undefined
  }

  #onGivenBack(member: Member): void {
    const { channel } = member
    const problem = member.problem(this.#options, this.#clock.now())
    if (problem !== undefined) channel.close(problem)
    else if (channel.rest()) this.#offer(member)
    this.#openMore()
    this.#onLess?.()
  }

  #onClosed(channel: Channel): void {
    const member = this.#members.get(channel)
    if (member === undefined) return
    this.#members.delete(channel)
    this.#leaveIdle(member)
    this.#events.tell('connection:close', channel.id, channel.closedBy)
    this.#errorsOfGone += channel.errors
    if (channel.outcome === 'failure') this.#opener.noteFailure()
    if (!member.isSurplus) this.#lost.push(member.reconnects)
    // One that lets everybody in and throws them out again is not run at.
    if (this.#isStarted && member.ageMs(this.#clock.now()) < SHORT_LIVED_MS) this.#reconnecting.failed()
    this.#openMore()
    this.#onLess?.()
  }

  /** Why an idle channel is one too many; `undefined` if it is not. */
  #surplus(member: Member, nowMs: number): string | undefined {
    const isLong = nowMs - member.idleSinceMs! >= this.#options.idleTimeoutMs
    if (!isLong || this.#idleCount <= this.#options.minIdle) return undefined
    member.isSurplus = true
    return 'nobody needed it'
  }

  async #untilUnused(timeoutMs: number): Promise<void> {
    const isUnused = (): boolean => this.#members.size === this.#idleCount && this.#waiting.length === 0
    if (isUnused() || this.#isClosed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancelLimit = this.#clock.schedule(resolve, timeoutMs)
    this.#onLess = () => {
      if (isUnused()) resolve()
    }
    await promise
    cancelLimit()
    this.#onLess = undefined
  }
}
