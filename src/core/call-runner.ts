import type { CircuitBreakerOptions } from './circuit-breaker.ts'
import type { Clock } from './clock.ts'
import { CallTimeoutError, InvalidOptionError, ProtectionClosedError, RejectedError } from './errors.ts'
import { durationMs } from './options.ts'
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

/** What is wrong with a call's own time limit; `undefined` if nothing is. */
export function timeoutError(timeoutMs: number | undefined): InvalidOptionError | undefined {
  if (timeoutMs === undefined || timeoutRule.accepts(timeoutMs)) return undefined
  return new InvalidOptionError('timeoutMs', timeoutMs, timeoutRule.allowed)
}

/** What a runner needs of the breaker's options: how an ending is judged, and when a call counts as hung. */
export type RunnerOptions = Pick<CircuitBreakerOptions, 'isSuccessful' | 'isExcluded' | 'hungCallMs'>

/** The receipt for an admitted call, by which it is settled once. */
export class Permit {
  readonly #settle: (outcome: number) => boolean

  constructor(settle: (outcome: number) => boolean) {
    this.#settle = settle
  }

  /**
   * Tells how the call ended.
   *
   * @returns whether that was news: not after the first time, nor after the call was out of time
   */
  settle(outcome: Outcome): boolean {
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
  async run<Value>(
    slot: number,
    token: number,
    key: string,
    fn: ProtectedFunction<Value>,
    options?: CallOptions
  ): Promise<Value> {
    const call = new RunningCall(this, token, key, options)
    let outcome = IGNORED
    try {
      const isBounded = options?.signal !== undefined || options?.timeoutMs !== undefined
      const value = await (isBounded ? call.bounded(fn) : fn(call))
      outcome = this.#judge(undefined)
      return value
    } catch (error) {
      if (options?.signal?.aborted !== true)
        outcome = this.#judge(error ?? new Error(`Nothing was thrown: ${error}`))
      throw error
    } finally {
      call.end()
      this.#table.settle(slot, token, outcome, this.#clock.now())
    }
  }

  permit(slot: number, token: number): Permit {
    return new Permit(outcome => this.#table.settle(slot, token, outcome, this.#clock.now()))
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
  #stopListening: (() => void) | undefined

  constructor(runner: CallRunner, token: number, key: string, options: CallOptions | undefined) {
    this.#runner = runner
    this.#token = token
    this.#key = key
    this.#options = options
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      this.#runner.watch(this.#token, this)
    }
    return this.#controller.signal
  }

  /** Runs `fn` so that it ends for the caller when the signal is aborted, whatever `fn` does. */
  bounded<Value>(fn: ProtectedFunction<Value>): Promise<Value> {
    const { signal } = this
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    const callerSignal = this.#options?.signal
    if (callerSignal !== undefined) {
      const abort = (): void => this.#controller?.abort(callerSignal.reason)
      callerSignal.addEventListener('abort', abort, { once: true })
      this.#stopListening = () => callerSignal.removeEventListener('abort', abort)
    }
    return Promise.race([new Promise<Value>(resolve => resolve(fn(this))), aborted])
  }

  timeOut(): void {
    const limitMs = this.#options?.timeoutMs ?? this.#runner.limitMs
    if (limitMs > 0) this.#controller?.abort(new CallTimeoutError(this.#key, limitMs))
  }

  end(): void {
    if (this.#controller === undefined) return
    this.#runner.unwatch(this.#token)
    this.#stopListening?.()
  }
}
