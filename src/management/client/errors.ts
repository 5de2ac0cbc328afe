/** The server does not do what it is asked: it says that nothing is known of that peer, or that the token is wrong. */
export class ManagementRequestError extends Error {
  static override readonly name = 'ManagementRequestError'
  override readonly name = 'ManagementRequestError'
  /** Why, in a word: `NOT_FOUND`, `UNAUTHORIZED`. */
  readonly code: string
  /** Of the answer: 404, 401. */
  readonly status: number

  constructor(code: string, status: number, message: string) {
    super(message)
    this.code = code
    this.status = status
  }
}

/** The server does not answer, or has too much to do, however often it was asked. The cause says why. */
export class ManagementUnavailableError extends Error {
  static override readonly name = 'ManagementUnavailableError'
  override readonly name = 'ManagementUnavailableError'
  readonly url: string
  /** How often it was asked. */
  readonly attempts: number

  constructor(url: string, attempts: number, cause: Error) {
    super(`${url} does not answer: ${cause.message}`, { cause })
    this.url = url
    this.attempts = attempts
  }
}
