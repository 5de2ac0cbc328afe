import type { RecoveryOptions } from 'bitswap-protection/core'
import { runInChild, type Settings, seededRandom } from '../harness.ts'
import type { Report } from '../report.ts'
import type { Group } from '../timed-group.ts'

/** What is admitted in any window may differ from the curve by this many calls. */
const MAX_DEVIATION = 1
/** Shares are counted in fractions of a call: this much is forgiven over all calls of a ramp. */
const ROUNDING = 1e-3

const KEY = 'recovering'
/** Every so many admitted calls one fails: too few for a relapse. */
const CALLS_PER_FAILURE = 10

const curves: ReadonlyArray<Partial<RecoveryOptions>> = [
  ...[0.01, 0.05, 0.1, 0.3].flatMap(recoveryIncrement =>
    (['LINEAR', 'EXPONENTIAL'] as const).flatMap(strategy =>
      [0.01, 0.1, 0.37].map(initialRecoveryRate => ({ strategy, initialRecoveryRate, recoveryIncrement }))
    )
  ),
  { strategy: 'STEP' },
  { strategy: 'STEP', recoverySteps: [0.03, 0.31, 0.32, 0.77, 0.99, 1] }
]

/** Mean ms between calls: from many calls per step of the curve to a few. */
const pacesMs = [3, 50, 1000]

interface Deviation {
  readonly strategy: string
  readonly ramps: number
  readonly calls: number
  readonly maxDeviation: number
}

async function deviations({ seed }: Settings): Promise<Deviation[]> {
  const random = seededRandom(seed)
  const found = new Map<string, Deviation>()
  for (const options of curves) {
    for (const paceMs of pacesMs) {
      const { calls, maxDeviation } = await offer(options, paceMs, random)
      const strategy = options.strategy!
      const sofar = found.get(strategy) ?? { strategy, ramps: 0, calls: 0, maxDeviation: 0 }
      found.set(strategy, {
        strategy,
        ramps: sofar.ramps + 1,
        calls: sofar.calls + calls,
        maxDeviation: Math.max(sofar.maxDeviation, maxDeviation)
      })
    }
  }
  return [...found.values()]
}

/**
 * Offers calls until recovery is complete. What was admitted less what the curve gives, up to each call, is a
 * walk; over the window between two calls it is the difference of the two, so the largest one of all windows is
 * the walk's highest point less its lowest.
 */
async function offer(
  options: Partial<RecoveryOptions>,
  paceMs: number,
  random: () => number
): Promise<{ calls: number; maxDeviation: number }> {
  const { ManualClock, RecoveryManager } = await import('bitswap-protection/core')
  const clock = new ManualClock()
  const recoveries = new RecoveryManager(options, { clock })
  let calls = 0
  let admitted = 0
  let walk = 0
  let highest = 0
  let lowest = 0
  recoveries.startRecovery(KEY)
  while (recoveries.isRecovering(KEY)) {
    walk -= recoveries.getRecoveryRate(KEY)
    if (recoveries.shouldAllowRequest(KEY)) {
      walk++
      if (++admitted % CALLS_PER_FAILURE === 0) recoveries.recordFailure(KEY)
      else recoveries.recordSuccess(KEY)
    }
    highest = Math.max(highest, walk)
    lowest = Math.min(lowest, walk)
    calls++
    clock.advance(random() * 2 * paceMs)
  }
  return { calls, maxDeviation: highest - lowest }
}

async function report(settings: Settings): Promise<Report> {
  const rows = await runInChild<Deviation[]>('share', 'deviations', settings)
  return {
    name: 'share',
    title: 'calls admitted in recovery less the share of the curve, over all windows of each ramp',
    columns: ['', 'ramps', 'calls', 'largest'],
    rows: rows.map(row => [row.strategy, row.ramps, row.calls, row.maxDeviation.toFixed(4)]),
    notes: [],
    checks: rows.map(({ strategy, maxDeviation }) => ({
      name: `share is exact: ${strategy}`,
      passed: maxDeviation <= MAX_DEVIATION + ROUNDING,
      detail: `off by ${maxDeviation.toFixed(4)} calls at worst, at most ${MAX_DEVIATION}`
    })),
    data: rows
  }
}

export const share: Group = { name: 'share', title: 'exactness of recovery', tasks: { deviations }, report }
