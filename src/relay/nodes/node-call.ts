import { type Clock, InvalidOptionError, type Outcome, type Permit } from '../../core/index.ts'
import { TooManyPendingError } from '../protocols/pending-error.ts'
import { CredentialsError, NotAllowedError, RpcError } from '../protocols/rpc.ts'
import { ConnectError, IdentityError } from '../tls/connect-error.ts'
import type { NodeClient } from './node-client.ts'
import type { RelayNode, UnderWay } from './relay-node.ts'
import type { RequestLimit } from './request-limit.ts'
import { RateLimitError, RequestTimeoutError } from './secure-channel-error.ts'

/** Something asked of a node. */
export type Asking<Value> = (client: NodeClient, signal: AbortSignal) => Promise<Value>

/** What calls need besides the node. */
export interface CallContext {
  readonly clock: Clock
  /** How often each node may be asked; `undefined` for any number of times. */
  readonly limit: RequestLimit | undefined
  /** It failed, as one that is away or overloaded would. */
  readonly onFailed: (node: RelayNode, error: unknown) => void
  /** It does not do that for us; maybe nothing. */
  readonly onNotAllowed: (node: RelayNode) => void
  /** It says that it only starts. */
  readonly onWarmingUp: (node: RelayNode) => void
}

/** One request at one node, which the core admits, and learns the end of. */
export class NodeCall<Value> implements UnderWay {
  readonly node: RelayNode
  readonly isRepeatable: boolean
  readonly #context: CallContext
  readonly #asking: Asking<Value>
  readonly #ending = new AbortController()

  constructor(context: CallContext, node: RelayNode, asking: Asking<Value>, isRepeatable: boolean) {
    this.#context = context
    this.node = node
    this.#asking = asking
    this.isRepeatable = isRepeatable
  }

  /** Ends it, with this as its error. */
  abandon(reason: unknown): void {
    this.#ending.abort(reason)
  }

  /**
   * @param permit - the core's leave; `undefined` if it is made without
   * @throws what was asked throws; RateLimitError; what it was ended with
   */
  async run(permit: Permit | undefined): Promise<Value> {
    const { node } = this
    const startedAtMs = this.#context.clock.now()
    node.begin(this)
    try {
      await this.#context.limit?.take(node.key)
      const value = await this.#asking(node.client, this.#ending.signal)
      this.#settle(permit, 'success', undefined, startedAtMs)
      return value
    } catch (error) {
      this.#settle(permit, this.#outcomeOf(error), error, startedAtMs)
      throw error
    } finally {
      node.end(this)
    }
  }

  #settle(permit: Permit | undefined, outcome: Outcome, error: unknown, startedAtMs: number): void {
    const { node } = this
    permit?.settle(outcome)
    if (outcome === 'success') {
      node.answered(this.#context.clock.now() - startedAtMs)
      node.isThere()
    } else if (outcome === 'failure') this.#context.onFailed(node, error)
    else if (error instanceof NotAllowedError) this.#context.onNotAllowed(node)
    else if (isWarmingUp(error)) this.#context.onWarmingUp(node)
  }

  /** Whose fault it was. That it was ended is the node's only if it was for taking too long. */
  #outcomeOf(error: unknown): Outcome {
    if (this.#ending.signal.aborted)
      return this.#ending.signal.reason instanceof RequestTimeoutError ? 'failure' : 'ignored'
    if (isWarmingUp(error) || isOurs(error) || error instanceof NotAllowedError) return 'ignored'
    return error instanceof RpcError ? 'success' : 'failure'
  }
}

function isWarmingUp(error: unknown): boolean {
  return error instanceof RpcError && error.isWarmingUp
}

/** Whether it is a limit of this side, or a mistake, that kept a request from being made. */
function isOurs(error: unknown): boolean {
  return (
    error instanceof RateLimitError ||
    error instanceof TooManyPendingError ||
    error instanceof InvalidOptionError
  )
}

/** Whether a request that failed so was certainly not heard. */
export function isUnheard(error: unknown): boolean {
  return (
    error instanceof ConnectError ||
    error instanceof IdentityError ||
    error instanceof CredentialsError ||
    error instanceof NotAllowedError ||
    isOurs(error) ||
    isWarmingUp(error)
  )
}

/** Whether another node might answer a request that failed so. */
export function isNodesOwn(error: unknown): boolean {
  if (error instanceof RpcError) return error.isWarmingUp
  return !(error instanceof InvalidOptionError)
}
