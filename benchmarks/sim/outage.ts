import type { Settings } from '../harness.ts'
import type { Check, Report } from '../report.ts'
import { percent } from './figures.ts'
import type { Group } from './group.ts'
import { Simulation, type SimulationOptions } from './simulation.ts'
import { type Swarm, steadySwarm } from './swarm.ts'
import { answeredShare, type Counts } from './tally.ts'

const FROM_MS = 60_000
const UNTIL_MS = 70_000
/** Moments up to which requests are looked at together, in ms after the outage. */
const WINDOW_ENDS_MS = [30_000, 60_000, 90_000, 120_000, 300_000, 600_000]

/** Share of the peers that must be as they were before, in the end. */
const LEAST_RECOVERED = 0.99

interface Window {
  readonly endMs: number
  /** Share of the requests that were answered. */
  readonly answered: number
  /** Share of the peers that are refused at the end of the window. */
  readonly ejected: number
}

interface Run {
  readonly windows: readonly Window[]
  readonly opens: number
  /** Share of the peers that are CLOSED, and get all calls, in the end. */
  readonly recovered: number
}

function swarmOf(peers: number): Swarm {
  return {
    ...steadySwarm,
    peers,
    active: peers,
    residents: peers,
    candidates: 3,
    outage: { fromMs: FROM_MS, untilMs: UNTIL_MS },
    durationMs: UNTIL_MS + WINDOW_ENDS_MS.at(-1)!,
    fault: () => undefined
  }
}

function run(peers: number, seed: number, options: SimulationOptions): Run {
  const simulation = new Simulation(swarmOf(peers), seed, options)
  const { counts } = simulation.tally
  simulation.runUntil(UNTIL_MS)
  let before = { ...counts }
  const windows = WINDOW_ENDS_MS.map((endMs): Window => {
    simulation.runUntil(UNTIL_MS + endMs)
    const answered = answeredShare(difference(counts, before))
    before = { ...counts }
    return { endMs, answered, ejected: (simulation.protection?.table.ejected ?? 0) / peers }
  })
  const status = simulation.protection?.getOverallStatus()
  const steady = status === undefined ? peers : status.circuitStates.CLOSED - status.recoveringPeers
  return { windows, opens: counts.opens, recovered: steady / peers }
}

function difference(counts: Counts, before: Counts): Counts {
  const names = Object.keys(counts) as Array<keyof Counts>
  return Object.fromEntries(names.map(name => [name, counts[name] - before[name]])) as unknown as Counts
}

async function report({ isQuick, seed }: Settings): Promise<Report> {
  const peers = isQuick ? 1_000 : 10_000
  const protectedRun = run(peers, seed, {})
  const lastResort = run(peers, seed, { usesLastResort: true })
  const unprotected = run(peers, seed, { arm: 'unprotected' })
  return {
    name: 'outage',
    title: `all ${peers.toLocaleString('en-US')} peers are silent for 10 s, as when this node loses its network; then all are well`,
    columns: ['after it', 'answered', 'with last resort', 'unprotected', 'peers refused'],
    rows: protectedRun.windows.map(({ endMs, answered, ejected }, index) => [
      `up to ${endMs / 1000} s`,
      percent(answered),
      percent(lastResort.windows[index]!.answered),
      percent(unprotected.windows[index]!.answered),
      percent(ejected)
    ]),
    notes: [
      'Each request goes to the first of three peers that may be called, and to no second one.',
      `${protectedRun.opens} circuits opened. The core alone cannot tell an outage; the Bitswap service can, and holds verdicts until it is over.`
    ],
    checks: checks(protectedRun, unprotected),
    data: { protected: protectedRun, lastResort, unprotected }
  }
}

function checks({ windows, recovered }: Run, unprotected: Run): Check[] {
  const ejected = Math.max(...windows.map(window => window.ejected))
  const last = windows.at(-1)!.answered / unprotected.windows.at(-1)!.answered
  return [
    {
      name: 'no more than half of the peers are refused',
      passed: ejected > 0 && ejected <= 0.5,
      detail: percent(ejected)
    },
    {
      name: 'peers come back by themselves',
      passed: recovered >= LEAST_RECOVERED,
      detail: `${percent(recovered)}, at least ${percent(LEAST_RECOVERED)}`
    },
    {
      name: 'in the end as much is answered as without protection',
      passed: last >= LEAST_RECOVERED,
      detail: `${percent(last)}, at least ${percent(LEAST_RECOVERED)}`
    }
  ]
}

export const outage: Group = { name: 'outage', report }
