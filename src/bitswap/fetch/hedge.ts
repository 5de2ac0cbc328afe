import type { Deadline, Deadlines } from '../../core/deadlines.ts'
import type { Ask } from './ask.ts'
import type { Supplier } from './supplier.ts'

/** Nobody else is asked for a block while the same peer sends others, for up to so many times of what most take. */
const MAX_QUEUED = 4

/** What a hedge needs of whoever runs it. */
export interface HedgeContext {
  readonly deadlines: Deadlines
  /** After how long most blocks are there, in ms. */
  hedgeAfterMs(): number
}

/**
 * When a block takes so long that another peer is to be asked as well. Not so while who was asked sends other blocks: then it
 * only waits its turn, what it takes is the line, and on that a second copy would only be in the way.
 */
export class Hedge {
  readonly #context: HedgeContext
  readonly #live: ReadonlyMap<Supplier, Ask>
  readonly #onLate: (isFree: boolean) => void
  #deadline: Deadline | undefined

  /**
   * @param live - who is waited for; while that is nobody, nothing is late
   * @param onLate - called when another is to be asked, with what was said in {@link plan}
   */
  constructor(context: HedgeContext, live: ReadonlyMap<Supplier, Ask>, onLate: (isFree: boolean) => void) {
    this.#context = context
    this.#live = live
    this.#onLate = onLate
  }

  /** The block is late if it is not there by then, whatever was planned before. @param isFree - whether that is no matter of the budget */
  plan(afterMs: number, isFree: boolean): void {
    this.#deadline?.cancel()
    this.#deadline = this.#context.deadlines.add(afterMs, () => this.#reached(isFree))
  }

  cancel(): void {
    this.#deadline?.cancel()
  }

  #reached(isFree: boolean): void {
    if (this.#live.size === 0) return
    const restMs = this.#queuedForMs()
    if (restMs > 0) this.plan(restMs, isFree)
    else this.#onLate(isFree)
  }

  /** How much longer the block may be expected to wait for others that the same peer is sending, in ms. */
  #queuedForMs(): number {
    const now = this.#context.deadlines.awakeMs
    const usualMs = this.#context.hedgeAfterMs()
    let askedAtMs = Infinity
    let deliveredMs = -Infinity
    for (const [{ lastDeliveredMs }, ask] of this.#live) {
      askedAtMs = Math.min(askedAtMs, ask.askedAtMs)
      deliveredMs = Math.max(deliveredMs, lastDeliveredMs)
    }
    return now - askedAtMs >= MAX_QUEUED * usualMs ? 0 : deliveredMs + usualMs - now
  }
}
