/** Thrown when no node answers: none may be asked, or all that were asked failed. */
export class NoNodeError extends Error {
  static override readonly name = 'NoNodeError'
  /** What each one that was asked failed with, in that order. */
  readonly errors: readonly unknown[]

  constructor(method: string, errors: readonly unknown[]) {
    const last = errors.at(-1)
    const detail =
      last instanceof Error ? `the last of ${errors.length}: ${last.message}` : 'none may be asked now'
    super(`No node answers ${method}: ${detail}`, { cause: last })
    this.name = 'NoNodeError'
    this.errors = Object.freeze([...errors])
  }
}

/** Thrown when a request takes longer than it may, wherever it was made. */
export class RequestTimeoutError extends Error {
  static override readonly name = 'RequestTimeoutError'
  readonly method: string
  readonly timeoutMs: number

  constructor(method: string, timeoutMs: number) {
    super(`${method} took longer than ${timeoutMs} ms`)
    this.name = 'RequestTimeoutError'
    this.method = method
    this.timeoutMs = timeoutMs
  }
}

/**
 * Thrown when nobody knows whether something was done that must not be done twice: the request was sent, and no answer came.
 * See `cause`.
 */
export class OutcomeUnknownError extends Error {
  static override readonly name = 'OutcomeUnknownError'
  /** `host:port` of the node it was sent to. */
  readonly endpoint: string
  readonly method: string

  constructor(endpoint: string, method: string, cause: unknown) {
    super(`${method} was sent to ${endpoint}, and may or may not have been done`, { cause })
    this.name = 'OutcomeUnknownError'
    this.endpoint = endpoint
    this.method = method
  }
}

/** Thrown when nodes that have to agree give different answers. */
export class DisagreementError extends Error {
  static override readonly name = 'DisagreementError'
  readonly method: string
  /** What each node answered, by its `host:port`. */
  readonly answers: ReadonlyMap<string, unknown>

  constructor(method: string, needed: number, answers: ReadonlyMap<string, unknown>) {
    super(`No ${needed} nodes agree on ${method}; asked were ${[...answers.keys()].join(', ')}`)
    this.name = 'DisagreementError'
    this.method = method
    this.answers = answers
  }
}

/** Thrown when more requests are made than are allowed by a limit of this side. */
export class RateLimitError extends Error {
  static override readonly name = 'RateLimitError'
  /** When there is room again, in ms from now. */
  readonly retryAfterMs: number

  constructor(maxRequestsPerS: number, retryAfterMs: number) {
    super(`More than ${maxRequestsPerS} requests per second; there is room in ${Math.ceil(retryAfterMs)} ms`)
    this.name = 'RateLimitError'
    this.retryAfterMs = retryAfterMs
  }
}

/** Thrown when a secure channel takes no more requests, since it is being closed, or ends those it has. */
export class SecureChannelClosedError extends Error {
  static override readonly name = 'SecureChannelClosedError'

  constructor() {
    super('The secure channel is closed')
    this.name = 'SecureChannelClosedError'
  }
}

/** What ends a request at a node that was found to be away; it is made of another one then. */
export class NodeDownError extends Error {
  static override readonly name = 'NodeDownError'
  /** `host:port`. */
  readonly endpoint: string

  constructor(endpoint: string, cause: unknown) {
    super(`${endpoint} does not answer any more`, { cause })
    this.name = 'NodeDownError'
    this.endpoint = endpoint
  }
}

/** Thrown when something was sent before, by an earlier process, that must not be sent twice; what came of it is not known. */
export class DuplicateRequestError extends Error {
  static override readonly name = 'DuplicateRequestError'
  readonly idempotencyKey: string

  constructor(idempotencyKey: string) {
    super('It was sent before this process started, and is not sent twice')
    this.name = 'DuplicateRequestError'
    this.idempotencyKey = idempotencyKey
  }
}
