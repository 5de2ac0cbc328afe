import type { Supplier } from './supplier.ts'

/** How much less likely a peer is to have a block if others said they have it. */
const UNPROMISED_SHARE = 0.1

/** Peers up to this many times slower than the best are as good: load is spread over them. */
const AS_GOOD = 2

/** What is expected of who is not known if nobody is, or nobody is quicker, in ms. */
const MAX_UNKNOWN_MS = 1_000

/**
 * How a peer stands: asked as any other; not known, since it never delivered anything; let in to find out whether it does
 * better now (its circuit is HALF_OPEN); or only let in because too many others are refused.
 */
export type Standing = 'ORDINARY' | 'UNKNOWN' | 'PROBATION' | 'LAST_RESORT'

/** Best first. */
const standings: readonly Standing[] = ['ORDINARY', 'UNKNOWN', 'PROBATION', 'LAST_RESORT']

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
  const best = ofBestStanding(suppliers, standingOf)
  let quickestMs = MAX_UNKNOWN_MS
  let isPromised = false
  for (const supplier of best) {
    const { pace } = supplier
    if (pace.isKnown) quickestMs = Math.min(quickestMs, pace.expectedMs(nowMs, 0))
    isPromised ||= supplier.hasPromised(multihash)
  }
  // Of who is not known yet the best is expected.
  const unknownMs = Math.max(1, quickestMs)
  const costOf = (supplier: Supplier): number => {
    const { pace, waiting } = supplier
    const share = supplier.hasPromised(multihash) ? 1 : isPromised ? UNPROMISED_SHARE : pace.hitShare
    return (Math.max(1, pace.expectedMs(nowMs, unknownMs)) * (1 + waiting)) / share
  }
  return best
    .map(supplier => ({ supplier, costMs: costOf(supplier) }))
    .sort((one, other) => one.costMs - other.costMs)
}

function ofBestStanding(
  suppliers: readonly Supplier[],
  standingOf: (supplier: Supplier) => Standing
): readonly Supplier[] {
  const byStanding = Map.groupBy(suppliers, standingOf)
  for (const standing of standings) {
    const best = byStanding.get(standing)
    if (best !== undefined) return best
  }
  return []
}

/** One of those that are as good as the first: the better of two taken by chance, so that not all ask the same one. */
export function pickAmongBest(ranked: readonly Ranked[], random: () => number): Supplier | undefined {
  const best = ranked[0]
  if (best === undefined) return undefined
  const asGood = ranked.filter(({ costMs }) => isAsGood(costMs, best.costMs))
  const pick = (): number => Math.floor(random() * asGood.length)
  return asGood[Math.min(pick(), pick())]!.supplier
}

/** Whether what takes `ms` is as good as what takes `bestMs`. */
export function isAsGood(ms: number, bestMs: number): boolean {
  return ms <= AS_GOOD * bestMs
}
