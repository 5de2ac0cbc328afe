/** Thrown when as many channels as allowed are in use, and whoever waited for one got none in time, or may not wait. */
export class PoolExhaustedError extends Error {
  static override readonly name = 'PoolExhaustedError'
  /** `host:port`. */
  readonly endpoint: string
  readonly maxConnections: number

  constructor(endpoint: string, maxConnections: number, detail: string) {
    super(`Connection pool exhausted: ${detail} for one of ${maxConnections} to ${endpoint}`)
    this.name = 'PoolExhaustedError'
    this.endpoint = endpoint
    this.maxConnections = maxConnections
  }
}

/** Thrown when a pool takes no more callers, since it is being closed. */
export class PoolClosedError extends Error {
  static override readonly name = 'PoolClosedError'
  /** `host:port`. */
  readonly endpoint: string

  constructor(endpoint: string) {
    super(`The pool of channels to ${endpoint} is closed`)
    this.name = 'PoolClosedError'
    this.endpoint = endpoint
  }
}
