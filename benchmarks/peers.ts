import { runBenchmark } from './benchmark.ts'
import type { Settings } from './harness.ts'
import { measureComeback } from './peers/comeback.ts'
import { armNames, compare, QUICK_ARMS } from './peers/comparison.ts'
import { measureFlood } from './peers/flood.ts'
import { type Entry, type NamedWorkload, patienceOf, suite, TELLING, workloads } from './peers/suite.ts'
import { measureSybils } from './peers/sybils.ts'
import { tabulate } from './peers/tables.ts'
import type { Report } from './report.ts'
import { Rig } from './rig/rig.ts'
import { healthy } from './rig/scenarios.ts'

// Stock Helia and the protection against real peers with faults, each in a process and on a network of its own: the
// scenarios of the faulty-peer suite, all arms in turns with the same seeds.

const [base] = workloads

/** Seeds of each scenario. */
const SEEDS = { base: 30, others: 5, quick: 1 }

/** Scenarios of which each is measured in its own way, with its own workload. */
const COMEBACK = 'S10'
const SYBILS = 'S11'
const FLOOD = 'S14'

const names = (list: ReadonlyArray<{ readonly name: string }>): string[] => list.map(({ name }) => name)

await runBenchmark({
  name: 'peers',
  packages: ['helia', '@helia/bitswap', 'libp2p'],
  options: {
    scenario: { kind: 'list', help: 'one scenario', oneOf: [...names(suite), COMEBACK, SYBILS, FLOOD] },
    workload: { kind: 'list', help: 'instead of the first', oneOf: names(workloads) },
    full: { kind: 'flag', help: 'all workloads' }
  },
  async *reports(settings, { scenario, workload, full }) {
    const chosen = full ? workloads : workloads.filter(({ name }) => (workload ?? [base.name]).includes(name))
    for (const each of chosen) {
      await using rig = await Rig.start(each.peers)
      const isMeant = ({ name }: Entry): boolean =>
        scenario?.includes(name) ?? (each === base || TELLING.includes(name))
      const arms = settings.isQuick ? QUICK_ARMS : armNames
      // The first ones warm up.
      await compare(rig, seed => healthy(seed, each), [0], arms, patienceOf(suite[0]!, each))
      for (const entry of suite.filter(isMeant)) yield* measure(rig, entry, each, settings)
      // It takes minutes.
      if (each === base && (scenario?.includes(COMEBACK) ?? !settings.isQuick))
        yield await measureComeback(rig, seedsOf(settings, SEEDS.others))
    }
    if (scenario?.includes(SYBILS) ?? workload === undefined) yield await measureSybils(settings.isQuick)
    if (scenario?.includes(FLOOD) ?? (workload === undefined && !settings.isQuick))
      yield await measureFlood(settings.isQuick)
  }
})

async function* measure(
  rig: Rig,
  entry: Entry,
  workload: NamedWorkload,
  settings: Settings
): AsyncGenerator<Report> {
  const usual = workload === base ? SEEDS.base : SEEDS.others
  const seeds = seedsOf(settings, usual)
  const arms = settings.isQuick ? QUICK_ARMS : armNames
  const make = (seed: number) => entry.make(seed, workload)
  const rounds = await compare(rig, make, seeds, arms, patienceOf(entry, workload))
  yield* tabulate(
    {
      name: workload === base ? entry.name : `${entry.name}, ${workload.name}`,
      title: `${entry.title}: ${workload.title}`,
      maxRatio: entry.maxRatio,
      isJudged: seeds.length === usual
    },
    rounds
  )
}

function seedsOf({ isQuick, isReplay, seed }: Settings, usual: number): number[] {
  if (isReplay) return [seed]
  return Array.from({ length: isQuick ? SEEDS.quick : usual }, (_, index) => index + 1)
}
