import type { Clock } from '../../core/index.ts'
import type { RpcRequest } from '../protocols/rpc.ts'
import type { RequestKind } from './request-kind.ts'

/** Something under way that can be given up. */
export interface Abortable {
  abort(reason: unknown): void
}

/** A request that was accepted, and has not ended. */
interface Accepted {
  readonly kind: RequestKind
  readonly requests: readonly RpcRequest[]
}

/** All that was accepted and has not ended: so that a channel can be closed without losing any of it. */
export class Unfinished {
  readonly #underWay = new Map<Abortable, Accepted>()
  #onNone: (() => void) | undefined

  get size(): number {
    return this.#underWay.size
  }

  /** What is to be broadcast, and was not yet. */
  get broadcasts(): RpcRequest[] {
    return [...this.#underWay.values()].flatMap(({ kind, requests }) =>
      kind === 'broadcast' ? requests : []
    )
  }

  /** Follows something to its end. */
  async follow<Value>(abortable: Abortable, accepted: Accepted, run: () => Promise<Value>): Promise<Value> {
    this.#underWay.set(abortable, accepted)
    try {
      return await run()
    } finally {
      this.#underWay.delete(abortable)
      if (this.size === 0) this.#onNone?.()
    }
  }

  /** Gives up what is of one of these kinds. Returns how many that are. */
  abort(kinds: readonly RequestKind[], reason: unknown): number {
    const given = [...this.#underWay].filter(([, { kind }]) => kinds.includes(kind))
    for (const [abortable] of given) abortable.abort(reason)
    return given.length
  }

  /** Resolves when nothing is under way any more, or after that time. */
  async ended(clock: Clock, timeoutMs: number): Promise<void> {
    if (this.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = clock.schedule(resolve, timeoutMs)
    this.#onNone = resolve
    await promise
    cancel()
  }
}
