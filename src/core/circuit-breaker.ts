import { Alarm } from './alarm.ts'
import { circuitStates, MAX_BUCKETS } from './breaker-table.ts'
import {
  type CallOptions,
  CallRunner,
  type Permit,
  type ProtectedFunction,
  timeoutError
} from './call-runner.ts'
import { MAX_IN_FLIGHT } from './call-table.ts'
import { type Clock, systemClock, systemRandom } from './clock.ts'
import { InvalidOptionError, type RejectedError, rejectionError } from './errors.ts'
import type { Mode } from './mode.ts'
import { Notifier } from './notifier.ts'
import {
  anyObject,
  durationMs,
  numberBetween,
  optionalFunction,
  type Rules,
  resolveOptions,
  text,
  wholeNumber
} from './options.ts'
import { ProtectionTable } from './protection-table.ts'
import { readRejection } from './rejections.ts'
import type { ProtectionEventType } from './slot-events.ts'

/** CLOSED: calls pass. OPEN: calls are rejected. HALF_OPEN: some calls pass as probes. */
export type CircuitState = 'CLOSED' | 'OPEN' | 'HALF_OPEN'

/** What was counted since the present state, or window, began. */
export interface Counts {
  /** Calls admitted. */
  requests: number
  totalSuccesses: number
  totalFailures: number
  /** Calls that ended as `ignored`. */
  totalExclusions: number
  consecutiveSuccesses: number
  consecutiveFailures: number
}

/** Options of a circuit breaker: gobreaker v2's settings, and below them what goes beyond, off by default. */
export interface CircuitBreakerOptions {
  /** Shown in errors and changes. */
  name: string

  /** Probes admitted in HALF_OPEN in all, 1 to 2^31-1. They must end well for the circuit to close. 0 means 1. */
  maxRequests: number

  /** Window of the counts in CLOSED, in ms; 0 keeps counting for as long as the circuit is CLOSED. */
  intervalMs: number

  /**
   * Makes the window roll in steps of this many ms (`intervalMs` is rounded up to whole steps), instead of
   * starting afresh at its end. 0 for a fixed window.
   */
  bucketPeriodMs: number

  /** Time the circuit stays OPEN before probes may go, in ms. 0 means 60 s. */
  timeoutMs: number

  /**
   * Whether to open; asked after each failure in CLOSED. By default at more than 5 consecutive failures.
   * The counts handed in are reused: do not keep them.
   */
  readyToTrip: (counts: Readonly<Counts>) => boolean

  /** Whether a call that ended with `error` (`undefined` if it did not throw) is a success. By default: no error. */
  isSuccessful: ((error: unknown) => boolean) | undefined

  /** Whether a call that ended with `error` counts for nothing. Asked before `isSuccessful`. By default none. */
  isExcluded: ((error: unknown) => boolean) | undefined

  /** Successes in a row, in HALF_OPEN, that close the circuit: 1 to `maxRequests`. 0 means `maxRequests`. */
  successThreshold: number

  /** Time in ms that probes under way may go without one of them ending, before they count as failed. 0: forever. */
  halfOpenTimeoutMs: number

  /** Factor by which each further trip lengthens the OPEN time, 1 (off) to 10. */
  timeoutGrowth: number

  /** The longest OPEN time growth may lead to, in ms. */
  maxTimeoutMs: number

  /** Random share added to each OPEN time, 0 (off) to 1, so that many circuits are not probed at once. */
  timeoutJitter: number

  /**
   * Factor by which each relapse, a trip out of CLOSED while one before is remembered, multiplies the successes asked
   * for, 1 (off) to 10: in HALF_OPEN up to `maxRequests`, in each step of a recovery and in all of it up to 8 times as
   * many.
   */
  proofGrowth: number

  /** Time CLOSED, in ms, after which one trip is forgotten by `timeoutGrowth` and `proofGrowth`. */
  timeoutDecayMs: number

  /** A success that took longer than this, in ms, counts as a failure. 0: never. */
  slowCallMs: number

  /** A call in flight for this long, in ms, counts as a failure there and then; its end counts for nothing. 0: never. */
  hungCallMs: number
}

const DEFAULT_TIMEOUT_MS = 60_000

/** gobreaker's defaults, everything beyond it off. */
export const defaultCircuitBreakerOptions: Readonly<CircuitBreakerOptions> = Object.freeze({
  name: 'circuit',
  maxRequests: 1,
  intervalMs: 0,
  bucketPeriodMs: 0,
  timeoutMs: DEFAULT_TIMEOUT_MS,
  readyToTrip: (counts: Readonly<Counts>) => counts.consecutiveFailures > 5,
  isSuccessful: undefined,
  isExcluded: undefined,
  successThreshold: 0,
  halfOpenTimeoutMs: 0,
  timeoutGrowth: 1,
  maxTimeoutMs: 600_000,
  timeoutJitter: 0,
  proofGrowth: 1,
  timeoutDecayMs: 60_000,
  slowCallMs: 0,
  hungCallMs: 0
})

const MAX_COUNT = 2 ** 31 - 1

const rules: Rules<CircuitBreakerOptions> = {
  name: text,
  maxRequests: wholeNumber(0, MAX_COUNT),
  intervalMs: durationMs(0),
  bucketPeriodMs: durationMs(0),
  timeoutMs: durationMs(0),
  readyToTrip: optionalFunction,
  isSuccessful: optionalFunction,
  isExcluded: optionalFunction,
  successThreshold: wholeNumber(0, MAX_COUNT),
  halfOpenTimeoutMs: durationMs(0),
  timeoutGrowth: numberBetween(1, 10),
  maxTimeoutMs: durationMs(1),
  timeoutJitter: numberBetween(0, 1),
  proofGrowth: numberBetween(1, 10),
  timeoutDecayMs: durationMs(1),
  slowCallMs: durationMs(0),
  hungCallMs: durationMs(0)
}

/**
 * Defaults filled in, gobreaker's zero values replaced by what they stand for.
 *
 * @param preset - goes before the defaults
 * @throws InvalidOptionError
 */
export function resolveCircuitBreakerOptions(
  given?: Partial<CircuitBreakerOptions>,
  preset?: Readonly<Partial<CircuitBreakerOptions>>
): Readonly<CircuitBreakerOptions> {
  const options = resolveOptions('breaker', { ...defaultCircuitBreakerOptions, ...preset }, given, rules)
  const maxRequests = options.maxRequests === 0 ? 1 : options.maxRequests
  // A preset's threshold gives way to fewer probes; one that was asked for does not.
  const wanted = given?.successThreshold ?? Math.min(options.successThreshold, maxRequests)
  const successThreshold = wanted === 0 ? maxRequests : wanted
  if (successThreshold > maxRequests) {
    throw new InvalidOptionError(
      'breaker.successThreshold',
      successThreshold,
      `0 to maxRequests (${maxRequests})`
    )
  }
  if (options.bucketPeriodMs > 0 && options.intervalMs / options.bucketPeriodMs > MAX_BUCKETS) {
    throw new InvalidOptionError(
      'breaker.bucketPeriodMs',
      options.bucketPeriodMs,
      `0, or at least ${options.intervalMs / MAX_BUCKETS} (a ${MAX_BUCKETS}th of intervalMs)`
    )
  }
  const timeoutMs = options.timeoutMs === 0 ? DEFAULT_TIMEOUT_MS : options.timeoutMs
  return Object.freeze({ ...options, maxRequests, successThreshold, timeoutMs })
}

/** What a {@link CircuitBreaker} takes: the breaker's options, and how it shows and enforces them. */
export interface CircuitBreakerInit extends Partial<CircuitBreakerOptions> {
  /** `enforce` if left out. */
  mode?: Mode
  /** Told of each change of state, after it, never inside another. */
  onStateChange?: (name: string, from: CircuitState, to: CircuitState) => void
}

/** Where a breaker gets time and chance from, and puts what listeners throw. */
export interface CoreComponents {
  clock?: Clock
  /** A number from 0 up to, not including, 1. */
  random?: () => number
  /** Told of errors that listeners throw. */
  onListenerError?: (error: unknown) => void
}

function checkInit(init: CircuitBreakerInit): CircuitBreakerInit {
  if (!anyObject.accepts(init)) throw new InvalidOptionError('breaker', init, anyObject.allowed)
  if (!optionalFunction.accepts(init.onStateChange)) {
    throw new InvalidOptionError('breaker.onStateChange', init.onStateChange, optionalFunction.allowed)
  }
  return init
}

/** The one slot of a breaker that guards one target. */
const SLOT = 0

/**
 * Guards one target: gobreaker v2's circuit breaker for asynchronous calls, and what its options add to that.
 * For many targets, with health and gradual recovery, see {@link Protection}.
 */
export class CircuitBreaker {
  readonly name: string
  readonly #clock: Clock
  readonly #options: Readonly<CircuitBreakerOptions>
  readonly #table: ProtectionTable
  readonly #runner: CallRunner

  /** @throws InvalidOptionError */
  constructor(init: CircuitBreakerInit = {}, components: CoreComponents = {}) {
    const { mode = 'enforce', onStateChange, ...options } = checkInit(init)
    this.#options = resolveCircuitBreakerOptions(options)
    this.name = this.#options.name
    this.#clock = components.clock ?? systemClock
    const changes = new Notifier<[from: CircuitState, to: CircuitState]>(
      components.onListenerError ?? (() => {})
    )
    if (onStateChange !== undefined) changes.subscribe(([from, to]) => onStateChange(this.name, from, to))
    this.#table = new ProtectionTable(
      {
        breaker: this.#options,
        health: undefined,
        recovery: undefined,
        maxInFlight: MAX_IN_FLIGHT,
        maxEjectedShare: 1
      },
      mode,
      components.random ?? systemRandom,
      this.#clock.now(),
      { known: () => 1, mayEject: () => true },
      (type, _slot, from, to) => {
        const changed = this.#shownChange(type, from, to)
        if (changed !== undefined) changes.tell(changed)
      }
    )
    this.#table.resize(1)
    this.#table.reset(SLOT, this.#clock.now())
    this.#runner = new CallRunner(this.#table, this.#clock, this.#options)
    // Only calls out of time need an alarm; a change of state happens when somebody asks, as in gobreaker.
    const alarm = new Alarm(
      this.#clock,
      () => this.#table.nextDeadline,
      nowMs => this.#table.catchUp(nowMs)
    )
    this.#table.onEarlierWake = () => alarm.check()
  }

  /** The state now. An isolated breaker is OPEN. */
  get state(): CircuitState {
    const now = this.#clock.now()
    this.#table.catchUp(now)
    return this.#table.isIsolated(SLOT) ? 'OPEN' : circuitStates[this.#table.state(SLOT, now)]!
  }

  /** The counts as of the last call or look at the state. */
  get counts(): Counts {
    return this.#table.breakers.counts(SLOT)
  }

  get mode(): Mode {
    return this.#table.mode
  }

  /** @throws InvalidOptionError */
  set mode(mode: Mode) {
    this.#table.mode = mode
  }

  /**
   * Calls `fn` if the circuit admits it, and lets its end count.
   *
   * A call with `signal` or `timeoutMs` ends with that, even if `fn` does not heed it. Without them the promise
   * lasts as long as that of `fn`, which is handed a signal that is aborted after `hungCallMs`.
   *
   * @throws RejectedError when it is not admitted; what `fn` throws; the signal's reason; CallTimeoutError
   */
  execute<Value>(fn: ProtectedFunction<Value>, options?: CallOptions): Promise<Value> {
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason)
    const invalid = timeoutError(options?.timeoutMs)
    if (invalid !== undefined) return Promise.reject(invalid)
    const now = this.#clock.now()
    const token = this.#table.admit(SLOT, now, options?.timeoutMs)
    if (token < 0) return Promise.reject(this.#rejection(token, now))
    return this.#runner.run(SLOT, token, this.name, fn, options)
  }

  /**
   * The two-step form of {@link execute}: admits a call, to be settled by the permit.
   *
   * @throws RejectedError when it is not admitted
   */
  admit(): Permit {
    const now = this.#clock.now()
    const token = this.#table.admit(SLOT, now)
    if (token < 0) throw this.#rejection(token, now)
    return this.#runner.permit(SLOT, token)
  }

  /** Whether a call would be admitted now. */
  canAdmit(): boolean {
    return this.#table.wouldAdmit(SLOT, this.#clock.now()) === 0
  }

  /** Keeps the circuit OPEN until {@link release}. */
  isolate(): void {
    this.#table.isolate(SLOT, this.#clock.now())
  }

  /** Ends {@link isolate}: the circuit is again in the state it would be in without it. */
  release(): void {
    this.#table.release(SLOT, this.#clock.now())
  }

  /** What an event of the table changes in the state shown, in which isolation hides all else. */
  #shownChange(
    type: ProtectionEventType,
    from: number,
    to: number
  ): [CircuitState, CircuitState] | undefined {
    if (type === 'isolate' || type === 'release') {
      const state = circuitStates[this.#table.state(SLOT, this.#clock.now())]!
      if (state === 'OPEN') return undefined
      return type === 'isolate' ? [state, 'OPEN'] : ['OPEN', state]
    }
    return this.#table.isIsolated(SLOT) ? undefined : [circuitStates[from]!, circuitStates[to]!]
  }

  #rejection(answer: number, nowMs: number): RejectedError {
    return rejectionError(readRejection(this.#table, SLOT, this.name, answer, nowMs))
  }
}
