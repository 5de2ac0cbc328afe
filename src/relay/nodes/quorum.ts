import { RpcError } from '../protocols/rpc.ts'
import { Execution, type ExecutionContext, type Job } from './execution.ts'
import type { RelayNode } from './relay-node.ts'
import { DisagreementError, NoNodeError } from './secure-channel-error.ts'

/** What a node said: a result, or that it refuses. */
type Answer<Value> = { readonly value: Value } | { readonly error: RpcError }

/**
 * Asks different nodes the same until as many give the same answer. One that fails is none of them.
 *
 * @throws what the answer they agree on is, if that is an RpcError; DisagreementError; NoNodeError if too few answer; the
 * signal's reason
 */
export class Quorum<Value> {
  readonly #context: ExecutionContext
  readonly #job: Job<Value>
  readonly #needed: number
  readonly #stopping = new AbortController()
  readonly #tried = new Set<RelayNode>()
  readonly #answers = new Map<string, Answer<Value>>()
  readonly #votes = new Map<string, number>()

  constructor(context: ExecutionContext, job: Job<Value>, needed: number) {
    this.#context = context
    this.#job = job
    this.#needed = needed
  }

  /** Gives it up, with this as its error. */
  abort(reason: unknown): void {
    this.#stopping.abort(reason)
  }

  async run(signal: AbortSignal | undefined): Promise<Value> {
    const either =
      signal === undefined ? this.#stopping.signal : AbortSignal.any([signal, this.#stopping.signal])
    try {
      // Those who would have to agree at best are asked at once; one more for each that leaves it open.
      const asking = new Set<Promise<Answer<Value> | undefined>>()
      for (let missing = this.#needed; missing > 0; missing--) this.#askOne(asking, either)
      for (;;) {
        const [asked, answer] = await Promise.race([...asking].map(async each => [each, await each] as const))
        asking.delete(asked)
        const agreed = answer && this.#agreed(answer)
        if (agreed !== undefined) return resultOf(agreed)
        if (answer !== undefined) this.#askMore(asking, either)
        if (asking.size === 0) throw this.#failure()
      }
    } finally {
      this.#stopping.abort()
    }
  }

  /** As many as are needed for the answer that most have given. */
  #askMore(asking: Set<Promise<Answer<Value> | undefined>>, signal: AbortSignal): void {
    const most = Math.max(...this.#votes.values())
    for (let missing = this.#needed - most - asking.size; missing > 0; missing--) this.#askOne(asking, signal)
  }

  #askOne(asking: Set<Promise<Answer<Value> | undefined>>, signal: AbortSignal): void {
    const execution = new Execution(this.#context, { ...this.#job, tried: this.#tried })
    const asked = this.#answerOf(execution, signal)
    asking.add(asked)
  }

  /** `undefined` if nobody is left who could answer. */
  async #answerOf(execution: Execution<Value>, signal: AbortSignal): Promise<Answer<Value> | undefined> {
    let answer: Answer<Value>
    try {
      answer = { value: await execution.run(signal) }
    } catch (error) {
      if (error instanceof NoNodeError) return undefined
      if (!(error instanceof RpcError)) throw error
      answer = { error }
    }
    this.#answers.set(execution.answeredBy!.key, answer)
    return answer
  }

  /** The answer, if it is one that as many have given. */
  #agreed(answer: Answer<Value>): Answer<Value> | undefined {
    const text = 'error' in answer ? `error ${answer.error.code}` : canonical(answer.value)
    const votes = (this.#votes.get(text) ?? 0) + 1
    this.#votes.set(text, votes)
    return votes >= this.#needed ? answer : undefined
  }

  #failure(): Error {
    const { method } = this.#job
    if (this.#answers.size < this.#needed)
      return new NoNodeError(method, [
        new Error(`${this.#answers.size} of ${this.#needed} nodes have answered`)
      ])
    return new DisagreementError(method, this.#needed, this.#answers)
  }
}

function resultOf<Value>(answer: Answer<Value>): Value {
  if ('error' in answer) throw answer.error
  return answer.value
}

/** The same text for the same JSON, in whatever order its fields are. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part
  )
}
