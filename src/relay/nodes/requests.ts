import { type Clock, InvalidOptionError } from '../../core/index.ts'
import { LatencyHistogram, type LatencySummary } from '../../core/latency-histogram.ts'
import { durationMs } from '../../core/options.ts'
import { RpcError, type RpcRequest } from '../protocols/rpc.ts'
import type { Job } from './execution.ts'
import { type RequestKind, requestKinds } from './request-kind.ts'
import type { RequestLimit } from './request-limit.ts'
import { SecureChannelClosedError } from './secure-channel-error.ts'
import { type Abortable, Unfinished } from './unfinished.ts'

/** How long response times are remembered, in ms. */
const LATENCY_ROTATION_MS = 5 * 60_000

/** The key under which all requests are counted. */
const ALL_NODES = 'all'

const timeoutRule = durationMs(1)

/** How one request is made. */
export interface ExecuteOptions {
  /** Gives it up. */
  readonly signal?: AbortSignal | undefined
  /** How long it may take altogether, in ms, instead of `requestTimeoutMs`. */
  readonly timeoutMs?: number | undefined
  /** What may be done with it, if its method does not tell: see {@link RequestKind}. */
  readonly kind?: RequestKind | undefined
}

/** A request under way, at one or several nodes. */
export interface Running<Result> extends Abortable {
  run(signal: AbortSignal | undefined): Promise<Result>
}

/** What was asked for in one go. */
export interface Asked<Value> extends Omit<Job<Value>, 'timeoutMs' | 'tried'> {
  readonly requests: readonly RpcRequest[]
}

/** All requests made of a secure channel, from when they are accepted until they end. */
export class Requests {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #limit: RequestLimit | undefined
  readonly #unfinished = new Unfinished()
  readonly #latency: LatencyHistogram
  #total = 0
  #errors = 0
  #isDraining = false

  /** @param timeoutMs - of those that have no other limit */
  constructor(clock: Clock, timeoutMs: number, limit: RequestLimit | undefined) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#limit = limit
    this.#latency = new LatencyHistogram(LATENCY_ROTATION_MS, clock.now())
  }

  /** Whether no more are accepted. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  get inFlight(): number {
    return this.#unfinished.size
  }

  get total(): number {
    return this.#total
  }

  /** Those that ended with an error that is not an answer of a node. */
  get errors(): number {
    return this.#errors
  }

  get latency(): LatencySummary {
    return this.#latency.summary(this.#clock.now())
  }

  /** What was accepted to be broadcast, and was not yet. */
  get broadcasts(): readonly RpcRequest[] {
    return this.#unfinished.broadcasts
  }

  /** @throws SecureChannelClosedError */
  throwIfClosed(): void {
    if (this.#isDraining) throw new SecureChannelClosedError()
  }

  /**
   * Accepts a request, and follows it to its end.
   *
   * @param create - makes what answers it
   * @throws SecureChannelClosedError; InvalidOptionError; RateLimitError; what `create` makes throws
   */
  async run<Value, Result>(
    { requests, ...job }: Asked<Value>,
    { signal, timeoutMs = this.#timeoutMs }: ExecuteOptions,
    create: (job: Job<Value>) => Running<Result>
  ): Promise<Result> {
    this.throwIfClosed()
    const running = create({ ...job, timeoutMs: checkedTimeoutMs(timeoutMs) })
    if (this.#limit !== undefined) {
      await this.#limit.take(ALL_NODES)
      this.throwIfClosed()
    }
    const startedAtMs = this.#clock.now()
    this.#total++
    try {
      const result = await this.#unfinished.follow(running, { kind: job.kind, requests }, () =>
        running.run(signal)
      )
      this.#latency.record(this.#clock.now() - startedAtMs, this.#clock.now())
      return result
    } catch (error) {
      if (!(error instanceof RpcError) && !signal?.aborted) this.#errors++
      throw error
    }
  }

  /**
   * Accepts no more, and waits until those that were have ended. After `drainTimeoutMs` what only reads is given up.
   *
   * @returns how many were given up, and are still under way after `forceTimeoutMs`
   */
  async drain(drainTimeoutMs: number, forceTimeoutMs: number): Promise<number> {
    this.#isDraining = true
    await this.#unfinished.ended(this.#clock, drainTimeoutMs)
    const givenUp = this.#unfinished.abort(['read'], new SecureChannelClosedError())
    await this.#unfinished.ended(this.#clock, Math.max(0, forceTimeoutMs - drainTimeoutMs))
    return givenUp + this.#unfinished.size
  }

  /** Accepts no more, and gives up those that were. */
  close(): void {
    this.#isDraining = true
    this.#unfinished.abort(requestKinds, new SecureChannelClosedError())
  }
}

/** @throws InvalidOptionError */
function checkedTimeoutMs(timeoutMs: number): number {
  if (!timeoutRule.accepts(timeoutMs))
    throw new InvalidOptionError('timeoutMs', timeoutMs, timeoutRule.allowed)
  return timeoutMs
}
