import { type Cell, figures as number, type Report } from '../report.ts'
import { now } from '../rig/incidents.ts'
import type { Rig } from '../rig/rig.ts'
import { type Run, runScenario } from '../rig/run.ts'
import { cured, healthy, type Scenario } from '../rig/scenarios.ts'

// S10: a peer that falls silent for 20 s, and what becomes of it afterwards, with the options everybody has.

/** Ten blocks each tenth of a second, for as long as it takes. */
const WORKLOAD = { peers: 10, blocks: 14_000, sizeBytes: 1_000, pauseMs: 100 }

/** About 20 s after the beginning. */
const CURED_AFTER_BLOCKS = 1_700

/** Until nothing is asked for any more, in ms: with the cure in it, or without any fault. */
const WATCHED_MS = 150_000
const ORACLE_MS = 40_000

const BLOCK_LIMIT_MS = 15_000

/** How often peers are asked what they have sent, and over how long their share is taken. In ms. */
const SAMPLE_MS = 1_000
const WINDOW_MS = 10_000

/** A share that counts as what the peer would have if it had never been bad. */
const FULL = 0.95

/** What peers had sent in all at a time. */
interface Sample {
  readonly at: number
  readonly patient: number
  readonly all: number
}

/** How one seed went. Times are in ms: the first since the fault showed, the others since the cure. */
interface Comeback {
  readonly seed: number
  readonly lost: number
  readonly openMs: number | undefined
  readonly halfOpenMs: number | undefined
  readonly closeMs: number | undefined
  readonly fullShareMs: number | undefined
  /** The largest share after the cure, over that of a peer that was never bad. */
  readonly overshoot: number
  /** Times its circuit opened again after it was closed. */
  readonly flaps: number
}

export async function measureComeback(rig: Rig, seeds: readonly number[]): Promise<Report> {
  const comebacks: Comeback[] = []
  for (const seed of seeds) comebacks.push(await comeBack(rig, seed))
  return {
    name: 'S10',
    title: 'a peer that is silent for 20 s, and good again: about 80 blocks of 1 kB each second, ten peers',
    columns: [
      'seed',
      'lost',
      'time to open',
      'to half-open',
      'to close',
      'to 95 % share',
      'overshoot',
      'flaps'
    ],
    rows: comebacks.map(row),
    notes: ['Times are since the fault showed, and since the cure. Shares are of the last ten seconds.'],
    checks: [
      {
        name: 'every block came',
        passed: comebacks.every(({ lost }) => lost === 0),
        detail: `${comebacks.reduce((sum, { lost }) => sum + lost, 0)} did not`
      },
      {
        name: 'its circuit closed again, and stayed closed',
        passed: comebacks.every(
          ({ openMs, closeMs, flaps }) => openMs === undefined || (closeMs !== undefined && flaps === 0)
        ),
        detail: `${comebacks.filter(({ closeMs }) => closeMs !== undefined).length} of ${seeds.length}`
      }
    ],
    data: comebacks
  }
}

function row(comeback: Comeback): Cell[] {
  const { seed, lost, openMs, halfOpenMs, closeMs, fullShareMs, overshoot, flaps } = comeback
  const times = [openMs, halfOpenMs, closeMs, fullShareMs]
  return [`${seed}`, lost, ...times.map(timeMs => timeMs && `${number(timeMs / 1_000)} s`), overshoot, flaps]
}

async function comeBack(rig: Rig, seed: number): Promise<Comeback> {
  const scenario = cured(seed, WORKLOAD, { kind: 'stall' }, CURED_AFTER_BLOCKS)
  const [patient] = scenario.bad as Set<number>
  const asIfGood = await watch(rig, healthy(seed, WORKLOAD), patient!, ORACLE_MS)
  const { run, samples } = await watch(rig, scenario, patient!, WATCHED_MS)
  const usualShare = shareOver(asIfGood.samples[0]!, asIfGood.samples.at(-1)!)
  const curedAt = run.incidentEndedAt!
  const shares = sharesSince(samples, curedAt).map(({ at, share }) => ({ at, ofUsual: share / usualShare }))
  const first = (type: string, since: number): number | undefined =>
    run.events.find(event => event.peer === patient && event.type === type && event.at > since)?.at
  const closedAt = first('circuit:close', curedAt)
  return {
    seed,
    lost: run.failed,
    openMs: since(run.shownAt.get(patient!)!, first('circuit:open', 0)),
    halfOpenMs: since(curedAt, first('circuit:half-open', curedAt)),
    closeMs: since(curedAt, closedAt),
    fullShareMs: since(curedAt, shares.find(({ ofUsual }) => ofUsual >= FULL)?.at),
    overshoot: Math.max(0, ...shares.map(({ ofUsual }) => ofUsual)),
    flaps: run.events.filter(
      ({ peer, type, at }) => peer === patient && type === 'circuit:open' && at > (closedAt ?? Infinity)
    ).length
  }
}

function since(start: number, end: number | undefined): number | undefined {
  return end === undefined ? undefined : end - start
}

/** Has a scenario gone through for so long, and notes what peers have sent. */
async function watch(
  rig: Rig,
  scenario: Scenario,
  patient: number,
  lastsMs: number
): Promise<{ run: Run; samples: Sample[] }> {
  const samples: Sample[] = []
  const sample = async (): Promise<void> => {
    const sent = await Promise.all(rig.peers.map(async peer => (await peer.stats()).blocksSent))
    samples.push({ at: now(), patient: sent[patient]!, all: sent.reduce((sum, count) => sum + count, 0) })
  }
  const sampling = setInterval(() => void sample(), SAMPLE_MS)
  try {
    const limits = { blockMs: BLOCK_LIMIT_MS, totalMs: Infinity, enoughMs: lastsMs }
    const run = await runScenario(rig, scenario, { arm: 'protected', limits })
    return { run, samples }
  } finally {
    clearInterval(sampling)
  }
}

function shareOver(from: Sample, to: Sample): number {
  return (to.patient - from.patient) / (to.all - from.all)
}

/** The share of the last ten seconds, at each sample from ten seconds after a time. */
function sharesSince(samples: readonly Sample[], startAt: number): Array<{ at: number; share: number }> {
  return samples.flatMap(sample => {
    const before = samples.findLast(({ at }) => at <= sample.at - WINDOW_MS)
    if (before === undefined || before.at < startAt) return []
    return [{ at: sample.at, share: shareOver(before, sample) }]
  })
}
