import type { Settings } from '../harness.ts'
import type { Check, Report } from '../report.ts'
import { type Compared, compareArms } from './compare.ts'
import { percent } from './figures.ts'
import type { Group } from './group.ts'
import { Simulation } from './simulation.ts'
import { type Fault, faultWays, type Swarm, steadySwarm } from './swarm.ts'
import { answeredShare, type Counts } from './tally.ts'

/** Share of the requests that must be answered, by the first or second peer. */
const LEAST_ANSWERED = 0.999

const MINUTE_MS = 60_000
/** One peer in so many is bad at a time. */
const ONE_IN = 10

interface Script {
  readonly name: string
  /** Whether it is known that the protection by itself is not good enough for that many. */
  readonly isKnownToMiss?: boolean
  fault(peer: number, random: () => number): Fault | undefined
}

const scripts: readonly Script[] = [
  { name: 'nobody is bad', fault: () => undefined },
  { name: 'a tenth: 5 s bad, 1 s good', fault: oscillating },
  { name: 'a tenth turns bad after 20 to 80 calls', fault: turncoat },
  { name: 'one tenth after the other, 2 min each', isKnownToMiss: true, fault: rolling }
]

/** Peers that could answer a request. Of three, one in a thousand are all bad: then nobody can answer it. */
const CANDIDATES = [3, 5]
/** With so many the figure is asked for. */
const ENOUGH_CANDIDATES = 5

function anyWay(random: () => number): Fault['way'] {
  return faultWays[Math.floor(random() * faultWays.length)]!
}

function rolling(peer: number, random: () => number): Fault {
  const badMs = 2 * MINUTE_MS
  const turns = { badMs, goodMs: (ONE_IN - 1) * badMs }
  return { way: anyWay(random), fromMs: (peer % ONE_IN) * badMs, turns }
}

function oscillating(peer: number, random: () => number): Fault | undefined {
  if (peer % ONE_IN !== 0) return undefined
  return { way: anyWay(random), fromMs: -6_000 * random(), turns: { badMs: 5_000, goodMs: 1_000 } }
}

function turncoat(peer: number, random: () => number): Fault | undefined {
  if (peer % ONE_IN !== 0) return undefined
  return { way: anyWay(random), fromCall: 20 + Math.floor(60 * random()) }
}

interface Run {
  readonly script: Script
  readonly candidates: number
  readonly arms: Compared
  readonly withLastResort: Counts
}

function run(script: Script, candidates: number, { isQuick, seed }: Settings): Run {
  const peers = isQuick ? 100 : 1_000
  const swarm: Swarm = {
    ...steadySwarm,
    peers,
    active: peers,
    residents: peers,
    candidates,
    tries: 2,
    durationMs: (isQuick ? 40 : 60) * MINUTE_MS,
    fault: script.fault
  }
  const { counts } = new Simulation(swarm, seed, { usesLastResort: true }).run().tally
  return { script, candidates, arms: compareArms(swarm, seed), withLastResort: counts }
}

async function report(settings: Settings): Promise<Report> {
  const runs = scripts.flatMap(script => CANDIDATES.map(candidates => run(script, candidates, settings)))
  return {
    name: 'availability',
    title: 'requests that a few peers could answer, of which a second is called if the first fails',
    columns: [
      '',
      'peers',
      'requests',
      'answered',
      'with last resort',
      'unprotected',
      'at best',
      'by the first',
      'unprotected',
      'wasted',
      'unprotected',
      'well refused',
      'false opens',
      'false relapses'
    ],
    rows: runs.map(({ script, candidates, arms, withLastResort }) => [
      script.name,
      `of ${candidates}`,
      arms.protected.requests,
      percent(answeredShare(arms.protected), 3),
      percent(answeredShare(withLastResort), 3),
      percent(answeredShare(arms.unprotected), 3),
      percent(answeredShare(arms.oracle), 3),
      percent(firstShare(arms.protected)),
      percent(firstShare(arms.unprotected)),
      arms.protected.wastedCalls,
      arms.unprotected.wastedCalls,
      percent(arms.protected.wellRefused / arms.protected.wellAsked),
      arms.protected.falseOpens,
      arms.protected.falseRelapses
    ]),
    notes: [
      'One call in a hundred fails by chance. At best: somebody decides who knows who is bad.',
      'False relapses: a probe, or three calls in a row while a peer recovered, failed by chance.',
      'With last resort: if all are refused, one is called all the same, best one that is recovering.',
      ...runs.filter(({ script }) => script.isKnownToMiss).map(missNote)
    ],
    checks: runs.flatMap(checks),
    data: runs
  }
}

function firstShare({ answeredFirst, requests }: Counts): number {
  return answeredFirst / requests
}

function missNote({ script, candidates, arms }: Run): string {
  const share = answeredShare(arms.protected)
  const verdict = share < LEAST_ANSWERED ? 'below' : 'not below'
  return `${nameOf(script, candidates)}: ${percent(share, 3)} answered without last resort, ${verdict} ${percent(LEAST_ANSWERED, 1)}.`
}

function nameOf({ name }: Script, candidates: number): string {
  return `${name}, ${candidates} peers`
}

function checks({ script, candidates, arms, withLastResort }: Run): Check[] {
  if (candidates < ENOUGH_CANDIDATES) return []
  const name = nameOf(script, candidates)
  const all = [check(`${name}, with last resort`, withLastResort)]
  if (!script.isKnownToMiss) all.push(check(name, arms.protected))
  return all
}

/** Fails only for what cannot be chance: three times the standard error. */
function check(name: string, counts: Counts): Check {
  const share = answeredShare(counts)
  const error = Math.sqrt((share * (1 - share)) / counts.requests)
  return {
    name: `${name}: requests are answered`,
    passed: share + 3 * error >= LEAST_ANSWERED,
    detail: `${percent(share, 3)}, at least ${percent(LEAST_ANSWERED, 1)}`
  }
}

export const availability: Group = { name: 'availability', report }
