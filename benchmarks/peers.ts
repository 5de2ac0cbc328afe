import { runBenchmark } from './benchmark.ts'
import { type Cell, type Check, figures, type Report } from './report.ts'
import { Rig } from './rig/rig.ts'
import { percentile, type Run, type RunPlan, runScenario } from './rig/run.ts'
import {
  fewHaveAll,
  firstAreBad,
  healthy,
  mixed,
  oneHolderEach,
  oscillating,
  type Scenario,
  type Size,
  someAreBad
} from './rig/scenarios.ts'
import { type Interval, median, medianInterval } from './service/interval.ts'

// Stock Helia and the protection against real peers with faults, each in a process and on a network of its own: the
// scenarios of the faulty-peer suite, all arms in turns with the same seeds.

const SIZE: Size = { peers: 10, blocks: 100, sizeBytes: 8_000 }

/** Seeds of each scenario. */
const SEEDS = { full: 30, quick: 1 }

/**
 * A block that does not come in time is lost; after this long in all no more are asked for. Stock sessions lose all that is
 * left when they lose one, so they are not given as long for each.
 */
const PATIENT = { blockMs: 15_000, totalMs: 15_000 }
const IMPATIENT = { blockMs: 3_000, totalMs: 4_000 }

const arms: Readonly<Record<string, Pick<RunPlan, 'arm' | 'limits' | 'isOracle'>>> = {
  'stock session': { arm: 'session', limits: IMPATIENT },
  'stock broadcast': { arm: 'broadcast', limits: PATIENT },
  'service only': { arm: 'service', limits: IMPATIENT },
  protected: { arm: 'protected', limits: PATIENT },
  'without the bad': { arm: 'protected', limits: PATIENT, isOracle: true }
}

const SESSION = 'stock session'
const PROTECTED = 'protected'

/** A scenario of the suite, and by how much the protection may be slower than a stock session, if it is judged by that. */
interface Entry {
  readonly name: string
  readonly title: string
  readonly make: (seed: number) => Scenario
  readonly maxRatio?: number
}

const suite: readonly Entry[] = [
  { name: 'S0', title: 'all are well', make: seed => healthy(seed, SIZE), maxRatio: 1.03 },
  { name: 'S1', title: 'six of ten are bad, each in its way', make: seed => mixed(seed, SIZE), maxRatio: 1 },
  {
    name: 'S2',
    title: 'the first five are silent',
    make: seed => firstAreBad(seed, SIZE, { kind: 'stall' })
  },
  {
    name: 'S3',
    title: 'the first five fall silent after a block',
    make: seed => firstAreBad(seed, SIZE, { kind: 'stall', afterBlocks: 1 })
  },
  {
    name: 'S3-corrupt',
    title: 'the first five send other bytes after a block',
    make: seed => firstAreBad(seed, SIZE, { kind: 'corrupt', afterBlocks: 1 })
  },
  {
    name: 'S3-disconnect',
    title: 'the first five break off after a block',
    make: seed => firstAreBad(seed, SIZE, { kind: 'disconnect', afterBlocks: 1 })
  },
  {
    name: 'S3-slow',
    title: 'the first five take 2 s after a block',
    make: seed => firstAreBad(seed, SIZE, { kind: 'slow', afterBlocks: 1 })
  },
  {
    name: 'S4',
    title: 'eight are good for a second and silent for five, in turns',
    make: seed => oscillating(seed, SIZE, 8, 1_000, 5_000)
  },
  {
    name: 'S5',
    title: 'five say they have it, and never send it',
    make: seed => someAreBad(seed, SIZE, 5, { kind: 'lie' })
  },
  {
    name: 'S6',
    title: 'five send other bytes, every tenth time',
    make: seed => someAreBad(seed, SIZE, 5, { kind: 'corrupt', every: 10 })
  },
  {
    name: 'S7',
    title: 'five send 64 B each 200 ms',
    make: seed => someAreBad(seed, SIZE, 5, { kind: 'drip' })
  },
  { name: 'S12', title: 'what two of ten have, the others are silent', make: seed => fewHaveAll(seed, SIZE) },
  { name: 'S13', title: 'each block is held by one peer', make: seed => oneHolderEach(seed, SIZE) }
]

const columns = [
  'arm',
  'leech_fails',
  'time_to_fetch',
  'of a stock session',
  'block p50',
  'p95',
  'p99',
  'max',
  'bytes',
  'wants per block',
  'good opened',
  'bad opened'
]

/** What came of one seed in each arm. */
type Round = Readonly<Record<string, Run>>

async function measure(rig: Rig, { make }: Entry, seeds: readonly number[]): Promise<Round[]> {
  const rounds: Round[] = []
  for (const [index, seed] of seeds.entries()) {
    const scenario = make(seed)
    const names = Object.keys(arms)
    // In another order each round.
    const order = names.map((_, at) => names[(at + index) % names.length]!)
    const runs: Record<string, Run> = {}
    for (const name of order) runs[name] = await runScenario(rig, scenario, arms[name]!)
    rounds.push(runs)
  }
  return rounds
}

function report(entry: Entry, seeds: readonly number[], rounds: readonly Round[], isQuick: boolean): Report {
  const bad = seeds.map(seed => entry.make(seed).bad)
  const ratio = ratioToSession(rounds, PROTECTED)
  const failed = rounds.reduce((sum, round) => sum + round[PROTECTED]!.failed, 0)
  const checks: Check[] = [
    { name: 'every block came', passed: failed === 0, detail: `${failed} did not` },
    { name: 'no good peer was refused', ...goodOpened(rounds, bad) }
  ]
  // A few rounds scatter by more than what is to be found out.
  if (entry.maxRatio !== undefined && ratio !== undefined && !isQuick)
    checks.push(atMost('as quick as a stock session', ratio, entry.maxRatio))
  return {
    name: entry.name,
    title: `${entry.title}: ${SIZE.blocks} blocks of ${figures(SIZE.sizeBytes)} B from ${SIZE.peers} peers, seeds ${seeds[0]} to ${seeds.at(-1)}`,
    columns,
    rows: Object.keys(arms).map(arm => row(arm, rounds, bad)),
    notes: [],
    checks,
    data: { seeds, rounds }
  }
}

function row(arm: string, rounds: readonly Round[], bad: ReadonlyArray<ReadonlySet<number>>): Cell[] {
  const runs = rounds.map(round => round[arm]!)
  const latenciesMs = runs.flatMap(run => run.latenciesMs).toSorted((one, other) => one - other)
  const all = { ...runs[0]!, latenciesMs }
  const complete = runs.filter(({ failed }) => failed === 0)
  const hasService = arms[arm]!.arm === 'service' || arms[arm]!.arm === 'protected'
  return [
    arm,
    runs.reduce((sum, { failed }) => sum + failed, 0),
    complete.length === 0 ? undefined : `${figures(median(complete.map(run => run.timeToFetchMs)))} ms`,
    arm === SESSION ? undefined : shown(ratioToSession(rounds, arm)),
    ...[0.5, 0.95, 0.99, 1].map(share =>
      latenciesMs.length === 0 ? undefined : `${figures(percentile(all, share))} ms`
    ),
    median(runs.map(({ bytesRatio }) => bytesRatio)),
    median(runs.map(({ wantsPerBlock }) => wantsPerBlock)),
    hasService ? opened(runs, (index, peer) => !bad[index]!.has(peer)) : undefined,
    hasService ? opened(runs, (index, peer) => bad[index]!.has(peer)) : undefined
  ]
}

/** How much longer than a stock session of the same seed it took, where neither lost a block. */
function ratioToSession(rounds: readonly Round[], arm: string): Interval | undefined {
  const both = rounds.filter(round => round[arm]!.failed === 0 && round[SESSION]!.failed === 0)
  if (both.length === 0) return undefined
  return medianInterval(
    both.map(round => round[arm]!.timeToFetchMs / round[SESSION]!.timeToFetchMs),
    1
  )
}

function opened(runs: readonly Run[], isMeant: (round: number, peer: number) => boolean): number {
  return runs.reduce(
    (sum, { events }, index) =>
      sum + events.filter(({ type, peer }) => type === 'circuit:open' && isMeant(index, peer)).length,
    0
  )
}

function goodOpened(
  rounds: readonly Round[],
  bad: ReadonlyArray<ReadonlySet<number>>
): Pick<Check, 'passed' | 'detail'> {
  const count = opened(
    rounds.map(round => round[PROTECTED]!),
    (index, peer) => !bad[index]!.has(peer)
  )
  return { passed: count === 0, detail: `${count} were` }
}

/** Judged by the interval: only one that lies wholly above the limit breaks it. */
function atMost(name: string, interval: Interval, limit: number): Check {
  return { name, passed: interval.low <= limit, detail: `${shown(interval)}, at most ${limit}` }
}

function shown(interval: Interval | undefined): string | undefined {
  if (interval === undefined) return undefined
  const { median: middle, low, high } = interval
  return `${middle.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`
}

await runBenchmark({
  name: 'peers',
  packages: ['helia', '@helia/bitswap', 'libp2p'],
  options: { scenario: { kind: 'list', help: 'one scenario', oneOf: suite.map(({ name }) => name) } },
  async *reports({ isQuick, isReplay, seed }, { scenario }) {
    const count = isQuick ? SEEDS.quick : SEEDS.full
    const seeds = isReplay ? [seed] : Array.from({ length: count }, (_, index) => index + 1)
    await using rig = await Rig.start(SIZE.peers)
    // The first ones warm up.
    for (const plan of Object.values(arms)) await runScenario(rig, healthy(0, SIZE), plan)
    for (const entry of suite.filter(({ name }) => scenario?.includes(name) ?? true))
      yield report(entry, seeds, await measure(rig, entry, seeds), seeds.length < SEEDS.full)
  }
})
