/** What a node is asked for. */
export interface RpcRequest {
  readonly method: string
  readonly params?: readonly unknown[] | undefined
}

/** What it answers: a result, or why there is none. */
export type RpcReply = { readonly result: unknown } | { readonly error: RpcError }

/** JSON-RPC 2.0, section 5.1: there is no such method. */
const METHOD_NOT_FOUND = -32_601

/** Bitcoin Core, `rpc/protocol.h`, `RPC_IN_WARMUP`: the node has started, and answers nothing yet. */
const IN_WARMUP = -28

/**
 * Thrown when a node answers that it will not, or cannot, do what it was asked for. The node is well: it has answered.
 */
export class RpcError extends Error {
  static override readonly name = 'RpcError'
  /** `host:port`. */
  readonly endpoint: string
  readonly method: string
  readonly code: number
  readonly data: unknown

  constructor(endpoint: string, method: string, code: number, message: string, data?: unknown) {
    super(`${endpoint} refuses ${method}: ${message} (${code})`)
    this.name = 'RpcError'
    this.endpoint = endpoint
    this.method = method
    this.code = code
    this.data = data
  }

  /** Whether the node only starts, and could answer later. */
  get isWarmingUp(): boolean {
    return this.code === IN_WARMUP
  }

  get isMethodUnknown(): boolean {
    return this.code === METHOD_NOT_FOUND
  }
}

/** Thrown when what a node sends is no answer: not of its protocol, too long, or from something in front of it. */
export class BadReplyError extends Error {
  static override readonly name = 'BadReplyError'
  /** `host:port`. */
  readonly endpoint: string
  /** Of HTTP, where that is spoken. */
  readonly status: number | undefined

  constructor(endpoint: string, detail: string, options: { status?: number; cause?: unknown } = {}) {
    super(`${endpoint} gives no answer: ${detail}`, { cause: options.cause })
    this.name = 'BadReplyError'
    this.endpoint = endpoint
    this.status = options.status
  }
}

/** Thrown when a node does not let us in: wrong, or missing, user name and password. That is for people to mend. */
export class CredentialsError extends Error {
  static override readonly name = 'CredentialsError'
  /** `host:port`. */
  readonly endpoint: string

  /** @param cause - if there are none to give */
  constructor(endpoint: string, cause?: Error) {
    const detail =
      cause === undefined
        ? 'does not accept our user name and password'
        : `cannot be told who we are: ${cause.message}`
    super(`${endpoint} ${detail}`, { cause })
    this.name = 'CredentialsError'
    this.endpoint = endpoint
  }
}

/**
 * Thrown when a node does not do for us what it was asked for: status 403 of HTTP. So Bitcoin Core answers for methods that
 * `rpcwhitelist` does not name for our user, and to all that comes from where `rpcallowip` does not name (`httprpc.cpp`,
 * `httpserver.cpp`). That is for people to mend.
 */
export class NotAllowedError extends Error {
  static override readonly name = 'NotAllowedError'
  /** `host:port`. */
  readonly endpoint: string

  /** @param what - was asked for: a method, or several */
  constructor(endpoint: string, what: string) {
    super(`${endpoint} does not allow us ${what}`)
    this.name = 'NotAllowedError'
    this.endpoint = endpoint
  }
}

/** Whether what a request failed with says that the node has no such method, or not for us. */
export function isMethodMissing(error: unknown): boolean {
  return error instanceof NotAllowedError || (error instanceof RpcError && error.isMethodUnknown)
}
