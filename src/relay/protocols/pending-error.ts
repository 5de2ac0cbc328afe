/**
 * Thrown when as many requests to a node are under way as may be: this side asks too much at once. The node has not heard of
 * the request, and is not to blame.
 */
export class TooManyPendingError extends Error {
  static override readonly name = 'TooManyPendingError'
  /** `host:port`. */
  readonly endpoint: string
  readonly maxPending: number

  constructor(endpoint: string, maxPending: number) {
    super(`${endpoint} is asked for too much at once: ${maxPending} requests may be under way`)
    this.name = 'TooManyPendingError'
    this.endpoint = endpoint
    this.maxPending = maxPending
  }
}
