import type { Supplier } from './supplier.ts'

/** A block that is waited for, as far as relief goes. */
export interface Relievable {
  /** Whether nobody is waited for but who was only tried out, and has sent nothing since. */
  readonly isIdleTrial: boolean
  /** Asks a peer as well. Returns whether it was asked. */
  askAlso(supplier: Supplier): boolean
}

/**
 * While peers that are known have nothing to do, nobody waits for one that was only tried out: each of them is asked for one
 * such block as well. Otherwise a transfer would end by waiting for the worst (BitTorrent's endgame).
 */
export function relieve(fetches: Iterable<Relievable>, suppliers: Iterable<Supplier>): void {
  // Few are: with thousands of fetches nobody is.
  const idle = [...suppliers].filter(supplier => supplier.pace.isKnown && supplier.waiting === 0)
  if (idle.length === 0) return
  const waiting = [...fetches].filter(fetch => fetch.isIdleTrial)
  for (const supplier of idle) {
    // Who is told that a peer was asked may have ended another meanwhile.
    const relieved = waiting.findIndex(fetch => fetch.isIdleTrial && fetch.askAlso(supplier))
    if (relieved >= 0) waiting.splice(relieved, 1)
  }
}
