import { Execution, type ExecutionContext, type Job } from './execution.ts'
import type { RelayNode } from './relay-node.ts'

/**
 * Has so many different nodes do the same, as far as they can; one that has is enough.
 *
 * @throws what the first one failed with, if all have
 */
export class Copies<Value> {
  readonly #executions: ReadonlyArray<Execution<Value>>

  constructor(context: ExecutionContext, job: Job<Value>, count: number) {
    const tried = new Set<RelayNode>()
    this.#executions = Array.from({ length: count }, () => new Execution(context, { ...job, tried }))
  }

  /** Gives up what is not done yet, with this as its error. */
  abort(reason: unknown): void {
    for (const execution of this.#executions) execution.abort(reason)
  }

  /** What came of those that were done. */
  async run(signal: AbortSignal | undefined): Promise<Value[]> {
    const settled = await Promise.allSettled(this.#executions.map(execution => execution.run(signal)))
    const done = settled.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
    if (done.length > 0) return done
    throw (settled[0] as PromiseRejectedResult).reason
  }
}
