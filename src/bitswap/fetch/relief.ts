import type { Deadlines } from '../../core/deadlines.ts'
import type { Clock } from '../../core/index.ts'
import type { Supplier } from './supplier.ts'

/** A block that is waited for, as far as relief goes. */
export interface Relievable {
  /** Since when nobody is waited for but who was only tried out, and has sent nothing since, in ms awake; else `undefined`. */
  readonly idleTrialSinceMs: number | undefined
  /** Asks a peer as well. Returns whether it was asked. */
  askAlso(supplier: Supplier): boolean
}

/** Who may relieve whom. */
export interface ReliefContext {
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly fetches: ReadonlyMap<string, Relievable>
  readonly suppliers: ReadonlyMap<string, Supplier>
}

/**
 * While peers that are known have nothing to do, nobody waits for one that was only tried out for longer than they would have
 * taken: each of them is asked for one such block as well. Otherwise a transfer would end by waiting for the worst (BitTorrent's
 * endgame).
 */
export class Relief {
  readonly #context: ReliefContext
  #atMs = Infinity
  #cancel: (() => void) | undefined

  constructor(context: ReliefContext) {
    this.#context = context
  }

  /** Somebody may have nothing to do any more. */
  plan(afterMs = 0): void {
    const { clock, deadlines, fetches } = this.#context
    const atMs = deadlines.awakeMs + afterMs
    if (fetches.size === 0 || this.#atMs <= atMs) return
    this.close()
    this.#atMs = atMs
    // What has come by then is read first: the next turn of the event loop looks at sockets before it looks at timers.
    this.#cancel = clock.schedule(() => {
      this.#cancel = clock.schedule(() => this.#relieve(), 0)
    }, afterMs)
  }

  close(): void {
    this.#cancel?.()
    this.#atMs = Infinity
  }

  #relieve(): void {
    const { deadlines, fetches, suppliers } = this.#context
    this.#atMs = Infinity
    const restMs = relieve(fetches.values(), suppliers.values(), deadlines.awakeMs)
    if (restMs < Infinity) this.plan(restMs)
  }
}

/** Returns after how long, in ms, there may be more to relieve. @param nowMs - awake */
function relieve(fetches: Iterable<Relievable>, suppliers: Iterable<Supplier>, nowMs: number): number {
  // Few are: with thousands of fetches nobody is.
  const idle = [...suppliers].filter(supplier => supplier.pace.isKnown && supplier.waiting === 0)
  if (idle.length === 0) return Infinity
  const waiting = [...fetches].filter(fetch => fetch.idleTrialSinceMs !== undefined)
  let leastMs = Infinity
  for (const supplier of idle) {
    const usualMs = supplier.pace.expectedMs(nowMs, Infinity)
    for (const fetch of waiting) {
      // It may have been relieved; or ended by who was told that a peer was asked for another.
      const { idleTrialSinceMs = Infinity } = fetch
      const restMs = idleTrialSinceMs + usualMs - nowMs
      // In whole ms, or what is left of it by rounding would never be over.
      if (restMs > 0) leastMs = Math.min(leastMs, Math.ceil(restMs))
      else if (fetch.askAlso(supplier)) break
    }
  }
  return leastMs
}
