/** What can go wrong, by its code, with the status it is answered with. */
const statuses = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  CONFLICT: 409,
  BODY_TOO_LARGE: 413,
  URI_TOO_LONG: 414,
  UNSUPPORTED_MEDIA_TYPE: 415,
  WRONG_HOST: 421,
  TOO_MANY_REQUESTS: 429,
  INTERNAL_ERROR: 500,
  UNAVAILABLE: 503,
  NOT_FETCHED: 504
} as const

export type ProblemCode = keyof typeof statuses

/** How errors are answered. */
export interface ProblemBody {
  readonly error: { readonly code: ProblemCode; readonly message: string; readonly [detail: string]: unknown }
}

/** Something that is answered with an error. */
export class Problem extends Error {
  static override readonly name = 'Problem'
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly statusCode: number
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ProblemCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.code = code
    this.statusCode = statuses[code]
    this.details = details
  }

  get body(): ProblemBody {
    return { error: { code: this.code, message: this.message, ...this.details } }
  }
}

/** The problem that an error of the HTTP server is. What is not the client's doing is not told. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { statusCode = 500, message = '' } = Object(error) as { statusCode?: number; message?: string }
  const code = (Object.keys(statuses) as ProblemCode[]).find(each => statuses[each] === statusCode)
  if (code === undefined || statusCode >= 500)
    return statusCode === 503
      ? new Problem('UNAVAILABLE', 'The server has too much to do')
      : new Problem('INTERNAL_ERROR', 'Something went wrong in the server')
  return new Problem(code, message)
}
