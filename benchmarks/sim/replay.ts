import type { ProtectionOptions } from 'bitswap-protection/core'
import type { Settings } from '../harness.ts'
import type { Report } from '../report.ts'
import { figures } from '../report.ts'
import type { Group } from './group.ts'
import { Simulation } from './simulation.ts'
import { type Fault, faultWays, type Swarm, steadySwarm } from './swarm.ts'

const RUNS = 10_000
const QUICK_RUNS = 150
const MINUTE_MS = 60_000
/** Failing seeds that are named. */
const MOST_NAMED = 5

/** Of twelve peers one is bad, one comes and goes, one turns bad, one recovers; the others are well. */
const swarm: Swarm = {
  ...steadySwarm,
  peers: 12,
  active: 12,
  residents: 12,
  candidates: 3,
  durationMs: 4 * MINUTE_MS,
  fault(peer, random): Fault | undefined {
    const way = faultWays[Math.floor(random() * faultWays.length)]!
    if (peer === 0) return { way }
    if (peer === 1) return { way, fromMs: -6_000 * random(), turns: { badMs: 5_000, goodMs: 1_000 } }
    if (peer === 2) return { way, fromCall: 20 + Math.floor(60 * random()) }
    if (peer === 3) return { way, fromMs: 20_000, untilMs: 30_000 + 10_000 * random() }
    return undefined
  }
}

/** What went wrong in a run; nothing if all was right. */
export function faultsOf(seed: number, protection: Partial<ProtectionOptions> = {}): string[] {
  const simulation = new Simulation(swarm, seed, { protection }).run()
  const { requests, answeredFirst, wastedCalls, falseOpens, missed } = simulation.tally.counts
  const faults: string[] = []
  if (falseOpens > 0) faults.push(`${falseOpens} circuits opened for nothing`)
  if (missed > 0) faults.push(`${missed} bad peers were not noticed`)
  if (wastedCalls > 0.1 * requests) faults.push(`${wastedCalls} calls were wasted`)
  if (answeredFirst < 0.85 * requests) faults.push(`${answeredFirst} of ${requests} requests were answered`)
  return faults
}

async function report({ isQuick, seed }: Settings): Promise<Report> {
  const runs = isQuick ? QUICK_RUNS : RUNS
  const start = performance.now()
  const failed: string[] = []
  for (let run = 0; run < runs; run++) {
    const faults = faultsOf(seed + run)
    if (faults.length > 0) failed.push(`--seed ${seed + run}: ${faults.join(', ')}`)
  }
  const minutes = (performance.now() - start) / MINUTE_MS
  return {
    name: 'replay',
    title:
      'twelve peers, four of them bad in ways of their own, for four minutes: again and again by other chances',
    columns: ['runs', 'failed', 'runs/min'],
    rows: [[runs, failed.length, runs / minutes]],
    notes: ['A run that failed is the first one of `--only replay` with its seed.'],
    checks: [
      {
        name: 'all is right in each run',
        passed: failed.length === 0,
        detail:
          failed.length === 0
            ? `${figures(runs)} runs`
            : `${failed.length} were wrong: ${failed.slice(0, MOST_NAMED).join('; ')}`
      }
    ],
    data: { runs, failed }
  }
}

export const replay: Group = { name: 'replay', report }
