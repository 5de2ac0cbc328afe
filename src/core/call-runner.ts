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

/**
 * A call's own time limit in ms; 0 when it has none.
 *
 * @throws InvalidOptionError
 */
export function checkTimeout(timeoutMs: number | undefined): number {
  if (timeoutMs === undefined) return 0
  if (!timeoutRule.accepts(timeoutMs))
    throw new InvalidOptionError('timeoutMs', timeoutMs, timeoutRule.allowed)
  return timeoutMs
}

/** Tells how a call ended from what it threw; `undefined` if it did not throw. */
export interface Classification {
  readonly isSuccessful: ((error: unknown) => boolean) | undefined
  readonly isExcluded: ((error: unknown) => boolean) | undefined
}

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
  readonly #classification: Classification
  /** Calls somebody waits on the signal of, by token. */
  readonly #abortable = new Map<number, RunningCall>()

  constructor(table: ProtectionTable, clock: Clock, classification: Classification) {
    this.#table = table
    this.#clock = clock
    this.#classification = classification
    table.onOverdue = token => this.#abortable.get(token)?.timeOut()
  }

  /** Runs `fn` as the call admitted with `token`, and settles it. */
  async run<Value>(
    slot: number,
    token: number,
    key: string,
    limitMs: number,
    fn: ProtectedFunction<Value>,
    options?: CallOptions
  ): Promise<Value> {
    const call = new RunningCall(this.#abortable, token, key, limitMs)
    let outcome = IGNORED
    try {
      const isBounded = options?.signal !== undefined || options?.timeoutMs !== undefined
      const value = await (isBounded ? call.bounded(fn, options.signal) : fn(call))
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

  #judge(error: unknown): number {
    // What we ourselves refused, here or for another target, is no fault of this one.
    if (error instanceof RejectedError || error instanceof ProtectionClosedError) return IGNORED
    const { isExcluded, isSuccessful } = this.#classification
    if (isExcluded?.(error)) return IGNORED
    const succeeded = isSuccessful === undefined ? error === undefined : isSuccessful(error)
    return succeeded ? SUCCESS : FAILURE
  }
}

/** A call that runs. Its signal costs nothing until somebody asks for it. */
class RunningCall implements CallContext {
  readonly #abortable: Map<number, RunningCall>
  readonly #token: number
  readonly #key: string
  readonly #limitMs: number
  #controller: AbortController | undefined
  #stopListening: (() => void) | undefined

  constructor(abortable: Map<number, RunningCall>, token: number, key: string, limitMs: number) {
    this.#abortable = abortable
    this.#token = token
    this.#key = key
    this.#limitMs = limitMs
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      this.#abortable.set(this.#token, this)
    }
    return this.#controller.signal
  }

  /** Runs `fn` so that it ends for the caller when the signal is aborted, whatever `fn` does. */
  bounded<Value>(fn: ProtectedFunction<Value>, callerSignal: AbortSignal | undefined): Promise<Value> {
    const { signal } = this
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    if (callerSignal !== undefined) {
      const abort = (): void => this.#controller?.abort(callerSignal.reason)
      callerSignal.addEventListener('abort', abort, { once: true })
      this.#stopListening = () => callerSignal.removeEventListener('abort', abort)
    }
    return Promise.race([new Promise<Value>(resolve => resolve(fn(this))), aborted])
  }

  timeOut(): void {
    this.#controller?.abort(new CallTimeoutError(this.#key, this.#limitMs))
  }

  end(): void {
    if (this.#controller === undefined) return
    this.#abortable.delete(this.#token)
    this.#stopListening?.()
  }
}
