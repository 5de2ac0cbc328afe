import type { Deadline, Deadlines } from '../../core/deadlines.ts'
import type { Ask } from './ask.ts'
import type { Supplier } from './supplier.ts'

/** A block waits for others that the same peer was asked for, for up to so many times of what most take. */
const MAX_QUEUED = 4

/** What a hedge needs of whoever runs it. */
export interface HedgeContext {
  readonly deadlines: Deadlines
  /** After how long most blocks are there, in ms. */
  hedgeAfterMs(): number
}

/**
 * When a block takes so long that another peer is to be asked as well. Not so while who was asked sends other blocks: then it
 * only waits its turn, what it takes is the line, and on that a second copy would only be in the way. Nor while another is
 * asked for one of those others: a peer that sends nothing yet of all it was asked for is late with one thing, not with each.
 */
export class Hedge {
  readonly #context: HedgeContext
  readonly #live: ReadonlyMap<Supplier, Ask>
  readonly #isWordDue: () => boolean
  readonly #onLate: (isFree: boolean) => void
  #deadline: Deadline | undefined
  /** While it waits for others: whether that it is late would be no matter of the budget. */
  #queued: { readonly isFree: boolean } | undefined

  /**
   * @param live - who is waited for
   * @param isWordDue - whether somebody has still to say whether he has the block; if so of nobody, and nobody is waited for,
   *   nothing is late
   * @param onLate - called when another is to be asked, with what was said in {@link plan}
   */
  constructor(
    context: HedgeContext,
    live: ReadonlyMap<Supplier, Ask>,
    isWordDue: () => boolean,
    onLate: (isFree: boolean) => void
  ) {
    this.#context = context
    this.#live = live
    this.#isWordDue = isWordDue
    this.#onLate = onLate
  }

  /** The block is late if it is not there by then, whatever was planned before. @param isFree - whether that is no matter of the budget */
  plan(afterMs: number, isFree: boolean): void {
    this.#deadline?.cancel()
    this.#queued = undefined
    this.#deadline = this.#context.deadlines.add(afterMs, () => this.#reached(isFree))
  }

  /** It waits for others no longer. @param isFree - whether that it is late is no matter of the budget, whatever was planned */
  hurry(isFree: boolean): void {
    if (this.#queued === undefined || this.#live.size === 0) return
    const wasFree = this.#queued.isFree
    this.cancel()
    this.#queued = undefined
    this.#onLate(isFree || wasFree)
  }

  cancel(): void {
    this.#deadline?.cancel()
  }

  #reached(isFree: boolean): void {
    if (this.#live.size === 0 && !this.#isWordDue()) return
    const restMs = this.#queuedForMs()
    if (restMs <= 0) {
      this.#onLate(isFree)
      return
    }
    this.plan(restMs, isFree)
    this.#queued = { isFree }
  }

  /** How much longer the block is to wait for others that the same peer was asked for, in ms. */
  #queuedForMs(): number {
    const now = this.#context.deadlines.awakeMs
    const usualMs = this.#context.hedgeAfterMs()
    let askedAtMs = Infinity
    let sinceMs = -Infinity
    for (const [{ promisingAtMs }, ask] of this.#live) {
      askedAtMs = Math.min(askedAtMs, ask.askedAtMs)
      sinceMs = Math.max(sinceMs, promisingAtMs)
    }
    return now - askedAtMs >= MAX_QUEUED * usualMs ? 0 : sinceMs + usualMs - now
  }
}
