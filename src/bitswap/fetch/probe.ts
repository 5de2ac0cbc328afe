import type { Deadlines } from '../../core/deadlines.ts'
import { isAsGood, type Standing } from './ranking.ts'
import type { Supplier } from './supplier.ts'

/** A peer that does worse than others is asked again after this long, in ms: it may do better by now, and would not be seen to. */
const FORGOTTEN_MS = 2_000

/** What has to be known to pick whom to probe. */
export interface ProbeContext {
  readonly deadlines: Deadlines
  /** Whether a peer may be tried out now. */
  takeTrial(): boolean
}

/**
 * Whom to ask besides for a block, so that it is known how it does without anybody waiting for it: one on probation, else one
 * that is new, else one that does badly as far as is known, which is not asked otherwise. But for the first, that is a trial.
 *
 * @param suppliers - who can be asked
 * @param live - who is waited for
 */
export function pickProbe(
  suppliers: readonly Supplier[],
  live: ReadonlyMap<Supplier, unknown>,
  standingOf: (supplier: Supplier) => Standing,
  context: ProbeContext
): Supplier | undefined {
  const onProbation = suppliers.find(supplier => standingOf(supplier) === 'PROBATION')
  if (onProbation !== undefined) return onProbation
  const idle = suppliers.filter(({ asks }) => asks.size === 0)
  const picked =
    idle.find(supplier => standingOf(supplier) === 'UNKNOWN') ??
    idle.find(supplier => isForgotten(supplier, live, context.deadlines.awakeMs))
  return picked !== undefined && context.takeTrial() ? picked : undefined
}

/** Whether a peer was left alone for a while since others are better, which may be over. */
function isForgotten(
  { pace, lastAskedMs }: Supplier,
  live: ReadonlyMap<Supplier, unknown>,
  nowMs: number
): boolean {
  if (nowMs - lastAskedMs < FORGOTTEN_MS) return false
  let bestMs = Infinity
  for (const supplier of live.keys()) bestMs = Math.min(bestMs, supplier.pace.expectedMs(nowMs, 0))
  return !isAsGood(pace.expectedMs(nowMs, 0), bestMs)
}
