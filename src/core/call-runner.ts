import type { CircuitBreakerOptions } from './circuit-breaker.ts'
import type { Clock } from './clock.ts'
import { CallTimeoutError, InvalidOptionError, ProtectionClosedError, RejectedError } from './errors.ts'
import { durationMs, oneOf } from './options.ts'
import { type Outcome, outcomeCodes } from './outcome.ts'
import type { ProtectionTable } from './protection-table.ts'

/** What a protected function is handed. */
export interface CallContext {
  /** Aborted when the caller's signal is, or when the call is out of time. */
  readonly signal: AbortSignal
}

/** A protected function. */
export type ProtectedFunction<Value> = (call: CallContext) => Value | Promise<Value>

/** How one call is made. With either of these the call ends when it is aborted, even if its function does not. */
export interface CallOptions {
  /** Aborts the call; that is never the target's fault. */
  signal?: AbortSignal | undefined
  /** Time the call may take, in ms, from 1; after that it is aborted and counts as failed. */
  timeoutMs?: number | undefined
}

const { success: SUCCESS, failure: FAILURE, ignored: IGNORED } = outcomeCodes

const timeoutRule = durationMs(1)
const outcomeRule = oneOf(Object.keys(outcomeCodes))

/** What is wrong with a call's own time limit; `undefined` if nothing is. */
export function timeoutError(timeoutMs: number | undefined): InvalidOptionError | undefined {
  if (timeoutMs === undefined || timeoutRule.accepts(timeoutMs)) return undefined
  return new InvalidOptionError('timeoutMs', timeoutMs, timeoutRule.allowed)
}

/** What a runner needs of the breaker's options: how an ending is judged, and when a call counts as hung. */
export type RunnerOptions = Pick<CircuitBreakerOptions, 'isSuccessful' | 'isExcluded' | 'hungCallMs'>

/** The receipt for an admitted call, by which it is settled once. */
export class Permit {
  /** Whether the call would have been rejected, and was let through only because the mode is `observe`. */
  readonly wasRefused: boolean
  readonly #settle: (outcome: number) => boolean

  constructor(settle: (outcome: number) => boolean, wasRefused: boolean) {
    this.#settle = settle
    this.wasRefused = wasRefused
  }

  /**
   * Tells how the call ended.
   *
   * @returns whether that was news: not after the first time, nor after the call was out of time
   * @throws InvalidOptionError
   */
  settle(outcome: Outcome): boolean {
    if (!outcomeRule.accepts(outcome)) throw new InvalidOptionError('outcome', outcome, outcomeRule.allowed)
    return this.#settle(outcomeCodes[outcome])
  }
}

/** Runs functions as admitted calls of a table. */
export class CallRunner {
  readonly #table: ProtectionTable
  readonly #clock: Clock
  readonly #options: Readonly<RunnerOptions>
  /** Calls somebody waits on the signal of, by token. */
  readonly #abortable = new Map<number, RunningCall>()

  constructor(table: ProtectionTable, clock: Clock, options: Readonly<RunnerOptions>) {
    this.#table = table
    this.#clock = clock
    this.#options = options
    table.onOverdue = token => this.#abortable.get(token)?.timeOut()
  }

  /** Runs `fn` as the call admitted with `token`, and settles it. */
  run<Value>(
    slot: number,
    token: number,
    key: string,
    fn: ProtectedFunction<Value>,
    options?: CallOptions
  ): Promise<Value> {
    const call = new RunningCall(this, token, key, options)
    // Cheaper than an async function, which keeps more for itself while it waits than these two functions.
    return call.start(fn).then(
      value => {
        this.#end(slot, token, call, undefined)
        return value
      },
      error => {
        this.#end(slot, token, call, error ?? new Error(`Nothing was thrown: ${error}`))
        throw error
      }
    )
  }

  #end(slot: number, token: number, call: RunningCall, error: unknown): void {
    let outcome = IGNORED
    try {
      const wasGivenUp = error !== undefined && call.isGivenUp
      if (!wasGivenUp) outcome = this.#judge(error)
    } finally {
      call.end()
      this.#table.settle(slot, token, outcome, this.#clock.now())
    }
  }

  permit(slot: number, token: number): Permit {
    const settle = (outcome: number): boolean => this.#table.settle(slot, token, outcome, this.#clock.now())
    return new Permit(settle, this.#table.wasRefused(token))
  }

  /** Has a call told when it is out of time, until {@link unwatch}. */
  watch(token: number, call: RunningCall): void {
    if (this.#table.isInFlight(token)) this.#abortable.set(token, call)
    else call.timeOut()
  }

  unwatch(token: number): void {
    this.#abortable.delete(token)
  }

  /** Time in ms after which a call without a limit of its own is aborted; 0 for never. */
  get limitMs(): number {
    return this.#table.mode === 'enforce' ? this.#options.hungCallMs : 0
  }

  #judge(error: unknown): number {
    if (isOurs(error)) return IGNORED
    const { isExcluded, isSuccessful } = this.#options
    if (isExcluded?.(error)) return IGNORED
    const succeeded = isSuccessful === undefined ? error === undefined : isSuccessful(error)
    return succeeded ? SUCCESS : FAILURE
  }
}

/** Whether a call ended for a reason on our side: somebody gave up on it, or what it needed was refused to it. */
function isOurs(error: unknown): boolean {
  if (error instanceof RejectedError || error instanceof ProtectionClosedError) return true
  return error instanceof Error && error.name === 'AbortError'
}

/** A call that runs. Its signal costs nothing until somebody asks for it. */
class RunningCall implements CallContext {
  readonly #runner: CallRunner
  readonly #token: number
  readonly #key: string
  readonly #options: CallOptions | undefined
  #controller: AbortController | undefined
  /** Ends the call for its caller; only a bounded call has it. */
  #reject: ((reason: unknown) => void) | undefined
  #isWatched = false
  #isAborted = false
  #abortReason: unknown

  constructor(runner: CallRunner, token: number, key: string, options: CallOptions | undefined) {
    this.#runner = runner
    this.#token = token
    this.#key = key
    this.#options = options
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isAborted) this.#controller.abort(this.#abortReason)
      else this.#watch()
    }
    return this.#controller.signal
  }

  /** Whether the caller no longer wants the result. */
  get isGivenUp(): boolean {
    return this.#options?.signal?.aborted === true
  }

  /** Calls `fn`, which throws only by way of the promise returned. */
  start<Value>(fn: ProtectedFunction<Value>): Promise<Value> {
    if (this.#options?.signal !== undefined || this.#options?.timeoutMs !== undefined) return this.#bound(fn)
    try {
      return Promise.resolve(fn(this))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Calls `fn` so that it ends for the caller when it is aborted, whatever `fn` does. */
  #bound<Value>(fn: ProtectedFunction<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      this.#watch()
      this.#options?.signal?.addEventListener('abort', this, { once: true })
      Promise.resolve(fn(this)).then(resolve, reject)
    })
  }

  /** Told by the caller's signal. */
  handleEvent(): void {
    this.#abort(this.#options?.signal?.reason)
  }

  timeOut(): void {
    const limitMs = this.#options?.timeoutMs ?? this.#runner.limitMs
    if (limitMs > 0) this.#abort(new CallTimeoutError(this.#key, limitMs))
  }

  end(): void {
    if (!this.#isWatched) return
    this.#runner.unwatch(this.#token)
    this.#options?.signal?.removeEventListener('abort', this)
  }

  #watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    this.#runner.watch(this.#token, this)
  }

  #abort(reason: unknown): void {
    if (this.#isAborted) return
    this.#isAborted = true
    this.#abortReason = reason
    this.#reject?.(reason)
    this.#controller?.abort(reason)
  }
}
