import type { Supplier } from './supplier.ts'

/** How much less likely a peer is to have a block if others said they have it. */
const UNPROMISED_SHARE = 0.1

/** Peers up to this many times slower than the best are as good: load is spread over them. */
const AS_GOOD = 2

/**
 * What is expected of who is not known, in ms: so much that quick blocks are left to those that are known, and so little that no
 * slow line is queued at while others are idle.
 */
const UNKNOWN_MS = 500

/**
 * How a peer stands: asked as any other; not known, since it never delivered anything; let in to find out whether it does
 * better now (its circuit is HALF_OPEN); or only let in because too many others are refused.
 */
export type Standing = 'ORDINARY' | 'UNKNOWN' | 'PROBATION' | 'LAST_RESORT'

/** Best first; those of one class are ranked together. */
const classes: readonly (readonly Standing[])[] = [['ORDINARY', 'UNKNOWN'], ['PROBATION'], ['LAST_RESORT']]

/** A peer that can be asked for a block, and what that is expected to cost: its time, in ms, over how likely it has it. */
export interface Ranked {
  readonly supplier: Supplier
  readonly costMs: number
}

/** Those that stand best, by what each is expected to cost: the cheapest first. Others are not asked while there are any. */
export function rank(
  suppliers: readonly Supplier[],
  multihash: string,
  standingOf: (supplier: Supplier) => Standing,
  nowMs: number
): Ranked[] {
  const standings = new Map(suppliers.map(supplier => [supplier, standingOf(supplier)]))
  const best = ofBestClass(standings)
  let quickestMs = UNKNOWN_MS
  let isPromised = false
  for (const supplier of best) {
    const { pace } = supplier
    if (pace.isKnown) quickestMs = Math.min(quickestMs, pace.expectedMs(nowMs, 0))
    isPromised ||= supplier.hasPromised(multihash)
  }
  // Of who is not known and has promised it, or is let in, the best is expected.
  const assumedMs = (supplier: Supplier): number =>
    standings.get(supplier) === 'UNKNOWN' ? UNKNOWN_MS : Math.max(1, quickestMs)
  const costOf = (supplier: Supplier): number => {
    const { pace, waiting } = supplier
    const share = supplier.hasPromised(multihash) ? 1 : isPromised ? UNPROMISED_SHARE : pace.hitShare
    return Math.max(1 + waiting, pace.expectedMs(nowMs, assumedMs(supplier), waiting)) / share
  }
  return best
    .map(supplier => ({ supplier, costMs: costOf(supplier) }))
    .sort((one, other) => one.costMs - other.costMs)
}

function ofBestClass(standings: ReadonlyMap<Supplier, Standing>): readonly Supplier[] {
  for (const standingsOfClass of classes) {
    const best = [...standings].filter(([, standing]) => standingsOfClass.includes(standing))
    if (best.length > 0) return best.map(([supplier]) => supplier)
  }
  return []
}

/**
 * One of those that are as good as the first: of those that are waited for least, the better of two taken by chance, so that not
 * all ask the same one.
 */
export function pickAmongBest(ranked: readonly Ranked[], random: () => number): Supplier | undefined {
  const best = ranked[0]
  if (best === undefined) return undefined
  const asGood = ranked.filter(({ costMs }) => isAsGood(costMs, best.costMs))
  const leastWaiting = Math.min(...asGood.map(({ supplier }) => supplier.waiting))
  const idlest = asGood.filter(({ supplier }) => supplier.waiting === leastWaiting)
  const pick = (): number => Math.floor(random() * idlest.length)
  return idlest[Math.min(pick(), pick())]!.supplier
}

/** Whether what takes `ms` is as good as what takes `bestMs`. */
export function isAsGood(ms: number, bestMs: number): boolean {
  return ms <= AS_GOOD * bestMs
}
