import type { CircuitState } from './circuit-breaker.ts'

/** Thrown when an option is unknown or out of its range, before anything has started. */
export class InvalidOptionError extends Error {
  static override readonly name = 'InvalidOptionError'
  /** The option's name with the concept it belongs to, e.g. `breaker.timeoutMs`. */
  readonly option: string
  readonly value: unknown
  /** What would have been right, in words. */
  readonly allowed: string

  constructor(option: string, value: unknown, allowed: string) {
    super(`Invalid option ${option}: got ${describe(value)}, allowed: ${allowed}`)
    this.name = 'InvalidOptionError'
    this.option = option
    this.value = value
    this.allowed = allowed
  }
}

/** Why a call was not admitted. */
export type RejectionReason =
  | 'OPEN'
  | 'HALF_OPEN_FULL'
  | 'RECOVERING'
  | 'ISOLATED'
  | 'IN_FLIGHT_FULL'
  | 'SUSPECT'

/** What is known about a rejection. */
export interface Rejection {
  /** The target that was not called. */
  readonly key: string
  readonly reason: RejectionReason
  readonly state: CircuitState
  /** Ms until a call may be admitted again; 0 when it depends on calls under way, not on time. */
  readonly retryAfterMs: number
}

/**
 * A call was not admitted: it never started, and says nothing new about the target.
 *
 * The error carries no stack trace. Taking one costs many times what the rejection costs, and it would only
 * lead to the call that was rejected.
 */
export class RejectedError extends Error implements Rejection {
  static override readonly name: string = 'RejectedError'
  readonly key: string
  readonly reason: RejectionReason
  readonly state: CircuitState
  readonly retryAfterMs: number

  constructor(message: string, rejection: Rejection) {
    super(message)
    this.name = 'RejectedError'
    this.key = rejection.key
    this.reason = rejection.reason
    this.state = rejection.state
    this.retryAfterMs = rejection.retryAfterMs
  }
}

/** Thrown when the target's circuit is OPEN. */
export class CircuitOpenError extends RejectedError {
  static override readonly name = 'CircuitOpenError'

  constructor(rejection: Rejection) {
    super(`Circuit of ${rejection.key} is open, retry in ${Math.ceil(rejection.retryAfterMs)} ms`, rejection)
    this.name = 'CircuitOpenError'
  }
}

/** Thrown when the target's circuit is HALF_OPEN and as many probes as allowed were admitted. */
export class TooManyRequestsError extends RejectedError {
  static override readonly name = 'TooManyRequestsError'

  constructor(rejection: Rejection) {
    super(`Circuit of ${rejection.key} is half-open and all its probes are taken`, rejection)
    this.name = 'TooManyRequestsError'
  }
}

/** Thrown when the target is recovering and this call is beyond the share it is given. */
export class RecoverySheddingError extends RejectedError {
  static override readonly name = 'RecoverySheddingError'

  constructor(rejection: Rejection) {
    super(`${rejection.key} is recovering and gets only a share of the calls`, rejection)
    this.name = 'RecoverySheddingError'
  }
}

/** Thrown when the target was isolated by hand. */
export class IsolatedError extends RejectedError {
  static override readonly name = 'IsolatedError'

  constructor(rejection: Rejection) {
    super(`${rejection.key} is isolated until released by hand`, rejection)
    this.name = 'IsolatedError'
  }
}

/** Thrown when as many calls as allowed are in flight: a local limit, no fault of the target. */
export class TooManyInFlightError extends RejectedError {
  static override readonly name = 'TooManyInFlightError'

  constructor(rejection: Rejection) {
    super(`Too many calls in flight to start one to ${rejection.key}`, rejection)
    this.name = 'TooManyInFlightError'
  }
}

/** Thrown when the target gave a sign of trouble, and it is being found out whether it responds. */
export class SuspectError extends RejectedError {
  static override readonly name = 'SuspectError'

  constructor(rejection: Rejection) {
    super(`${rejection.key} is suspected not to respond, and is being probed`, rejection)
    this.name = 'SuspectError'
  }
}

/** Thrown when a call did not end within its time; it counts as a failure of the target. */
export class CallTimeoutError extends Error {
  static override readonly name = 'CallTimeoutError'
  readonly key: string
  /** The time the call had, in ms. */
  readonly timeoutMs: number

  constructor(key: string, timeoutMs: number) {
    super(`Call to ${key} did not end within ${Math.round(timeoutMs)} ms`)
    this.name = 'CallTimeoutError'
    this.key = key
    this.timeoutMs = timeoutMs
  }
}

/** Thrown when a target cannot get a record of its own, because every record there is must be kept. */
export class TableFullError extends Error {
  static override readonly name = 'TableFullError'
  readonly key: string

  constructor(key: string) {
    super(`No room for a record of ${key}: raise maxTargets`)
    this.name = 'TableFullError'
    this.key = key
  }
}

/** Thrown when the protection was closed. */
export class ProtectionClosedError extends Error {
  static override readonly name = 'ProtectionClosedError'

  constructor() {
    super('The protection is closed')
    this.name = 'ProtectionClosedError'
  }
}

const rejectionErrors: Record<RejectionReason, new (rejection: Rejection) => RejectedError> = {
  OPEN: CircuitOpenError,
  HALF_OPEN_FULL: TooManyRequestsError,
  RECOVERING: RecoverySheddingError,
  ISOLATED: IsolatedError,
  IN_FLIGHT_FULL: TooManyInFlightError,
  SUSPECT: SuspectError
}

/** The error for a rejection, made without the cost of a stack trace. */
export function rejectionError(rejection: Rejection): RejectedError {
  const v8 = Error as { stackTraceLimit?: number | undefined }
  const limit = v8.stackTraceLimit
  v8.stackTraceLimit = 0
  try {
    return new rejectionErrors[rejection.reason](rejection)
  } finally {
    v8.stackTraceLimit = limit
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 80)}'`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
