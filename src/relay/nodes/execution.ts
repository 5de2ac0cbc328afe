import type { Deadline, Deadlines } from '../../core/deadlines.ts'
import type { Clock } from '../../core/index.ts'
import { type Asking, type CallContext, isNodesOwn, isUnheard, NodeCall } from './node-call.ts'
import type { Choice, NodeChoice } from './node-choice.ts'
import type { RelayNode } from './relay-node.ts'
import type { RequestKind } from './request-kind.ts'
import type { RetryBudget } from './retry-budget.ts'
import {
  NodeDownError,
  NoNodeError,
  OutcomeUnknownError,
  RequestTimeoutError
} from './secure-channel-error.ts'

/** The first wait before nodes that were tried are tried again, in ms, at most; the longest. */
const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 2_000

/** An answer of a node that is slow by nature is waited for this many times as long as usual. */
const PATIENCE = 2

/** What becomes of requests. */
interface ExecutionTally {
  retries: number
  hedges: number
}

/** What all executions of a secure channel have in common. */
export interface ExecutionContext extends CallContext {
  readonly deadlines: Deadlines
  readonly clock: Clock
  readonly random: () => number
  readonly choice: NodeChoice
  readonly budget: RetryBudget
  readonly maxRetries: number
  /** After how long, in ms, what can be repeated is asked of another node too. */
  readonly hedgeAfterMs: number
  readonly tally: ExecutionTally
  /** A node is slower than it should be. */
  readonly onSlow: (node: RelayNode) => void
}

/** What is executed. */
export interface Job<Value> {
  /** What it is called in errors. */
  readonly method: string
  readonly kind: RequestKind
  readonly timeoutMs: number
  readonly asking: Asking<Value>
  /** Nodes that are not to be asked; those that are asked are added. Shared by jobs that need different nodes. */
  readonly tried?: Set<RelayNode>
}

/**
 * Has one request answered, by whichever node can: another one is asked at once if a node fails, and also if it is slow.
 * Nodes are asked again after a wait, of which the whole is chance ("full jitter": Brooker, "Exponential Backoff And Jitter").
 */
export class Execution<Value> {
  readonly #context: ExecutionContext
  readonly #job: Job<Value>
  readonly #tried: Set<RelayNode>
  /** Whether nodes may be asked again. */
  readonly #mayComeBack: boolean
  readonly #result = Promise.withResolvers<Value>()
  readonly #calls = new Set<NodeCall<Value>>()
  readonly #errors: unknown[] = []
  #attempts = 0
  #rounds = 0
  #isOver = false
  #timeout: Deadline | undefined
  #hedge: Deadline | undefined
  #cancelBackoff: (() => void) | undefined

  constructor(context: ExecutionContext, job: Job<Value>) {
    this.#context = context
    this.#job = job
    this.#tried = job.tried ?? new Set()
    this.#mayComeBack = job.tried === undefined
  }

  /** The node that has answered. */
  answeredBy: RelayNode | undefined

  /** @throws RpcError; NoNodeError; OutcomeUnknownError; RequestTimeoutError; the signal's reason */
  run(signal: AbortSignal | undefined): Promise<Value> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const { timeoutMs, method } = this.#job
    const onAbort = (): void => this.#fail(signal!.reason)
    signal?.addEventListener('abort', onAbort)
    this.#timeout = this.#context.deadlines.add(timeoutMs, () =>
      this.#timeOut(new RequestTimeoutError(method, timeoutMs))
    )
    this.#context.budget.earn()
    this.#ask()
    return this.#result.promise.finally(() => signal?.removeEventListener('abort', onAbort))
  }

  /** Gives it up, with this as its error. */
  abort(reason: unknown): void {
    this.#fail(reason)
  }

  /** Asks the best node not tried yet; if there is none, all of them again after a while. */
  #ask(): void {
    const { choice } = this.#context
    const next = choice.next(this.#tried) ?? choice.lastResort(this.#tried)
    if (next === undefined) this.#comeBack()
    else this.#call(next)
  }

  #call({ node, permit }: Choice): void {
    this.#tried.add(node)
    this.#attempts++
    const call = new NodeCall(this.#context, node, this.#job.asking, this.#job.kind !== 'write')
    this.#calls.add(call)
    call.run(permit).then(
      value => this.#succeed(call, value),
      error => this.#onFailed(call, error)
    )
    this.#planHedge(node)
  }

  /** Another one is asked too if the node takes longer than usual; as soon as there is one. */
  #planHedge(node: RelayNode): void {
    this.#hedge?.cancel()
    if (this.#job.kind === 'write') return
    const { deadlines, hedgeAfterMs } = this.#context
    this.#hedge = deadlines.add(Math.max(hedgeAfterMs, PATIENCE * node.responseTimeMs), () => {
      this.#context.onSlow(node)
      const next = this.#another()
      if (next === undefined) {
        this.#planHedge(node)
        return
      }
      this.#context.budget.spend()
      this.#context.tally.hedges++
      this.#call(next)
    })
  }

  /** Who can be asked besides; `undefined` if nobody can, or none more may be. */
  #another(): Choice | undefined {
    const { budget, choice } = this.#context
    if (!this.#mayComeBack || !this.#mayAskMore() || !budget.hasCredit) return undefined
    return choice.next(this.#tried) ?? choice.lastResort(this.#tried)
  }

  #mayAskMore(): boolean {
    return this.#attempts <= this.#context.maxRetries
  }

  #onFailed(call: NodeCall<Value>, error: unknown): void {
    this.#calls.delete(call)
    if (this.#isOver) return
    if (!isNodesOwn(error)) {
      this.answeredBy = call.node
      this.#fail(error)
      return
    }
    this.#errors.push(error)
    // It was not answered for no fault of its own.
    if (error instanceof NodeDownError) this.#attempts--
    if (this.#job.kind === 'write' && !isUnheard(error))
      this.#fail(new OutcomeUnknownError(call.node.key, this.#job.method, error))
    // Another one may be answering already.
    else if (this.#calls.size === 0) this.#retry(error)
  }

  /**
   * What a node does not work on any more is no additional work. And the first failure is always made up for: a node that fails
   * must not use up what the others need, and all together are asked no more than twice as much.
   */
  #retry(error: unknown): void {
    const isFree = error instanceof NodeDownError || this.#attempts === 1
    const isAllowed = isFree || this.#context.budget.spend()
    if (!this.#mayAskMore() || !isAllowed) {
      this.#fail(new NoNodeError(this.#job.method, this.#errors))
      return
    }
    this.#context.tally.retries++
    this.#ask()
  }

  #comeBack(): void {
    if (this.#calls.size > 0) return
    if (!this.#mayComeBack || this.#rounds >= this.#context.maxRetries) {
      this.#fail(new NoNodeError(this.#job.method, this.#errors))
      return
    }
    const mostMs = Math.min(FIRST_BACKOFF_MS * 2 ** this.#rounds++, LONGEST_BACKOFF_MS)
    const again = (): void => {
      this.#tried.clear()
      this.#ask()
    }
    // No connection keeps the process alive meanwhile.
    this.#cancelBackoff = this.#context.clock.schedule(again, this.#context.random() * mostMs, true)
  }

  #succeed(call: NodeCall<Value>, value: Value): void {
    this.#calls.delete(call)
    if (this.#isOver) return
    this.answeredBy = call.node
    this.#end(new Error('another node has answered'))
    this.#result.resolve(value)
  }

  #timeOut(error: RequestTimeoutError): void {
    const [sent] = this.#calls
    const isUnknown = this.#job.kind === 'write' && sent !== undefined
    this.#fail(isUnknown ? new OutcomeUnknownError(sent.node.key, this.#job.method, error) : error, error)
  }

  #fail(error: unknown, reason = error): void {
    if (this.#isOver) return
    this.#end(reason)
    this.#result.reject(error)
  }

  /** What is still under way is given up, for this reason. */
  #end(reason: unknown): void {
    this.#isOver = true
    this.#timeout?.cancel()
    this.#hedge?.cancel()
    this.#cancelBackoff?.()
    for (const call of this.#calls) call.abandon(reason)
  }
}
