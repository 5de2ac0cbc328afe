import { parseArgs } from 'node:util'
import { runBenchmark } from './benchmark.ts'
import { UsageError } from './command-line.ts'
import type { Settings } from './harness.ts'
import { measureComeback } from './peers/comeback.ts'
import { armNames, compare, type Patience, QUICK_ARMS } from './peers/comparison.ts'
import { measureFlood } from './peers/flood.ts'
import { type Entry, type NamedWorkload, patienceOf, suite, TELLING, workloads } from './peers/suite.ts'
import { measureSybils } from './peers/sybils.ts'
import { tabulate } from './peers/tables.ts'
import type { Report } from './report.ts'
import type { FetchLimits } from './rig/fetching.ts'
import { describeNetwork, enterOwnNamespace, type NetworkName, netem, networks } from './rig/network.ts'
import { Rig } from './rig/rig.ts'
import { healthy } from './rig/scenarios.ts'

// Stock Helia and the protection against real peers with faults, each in a process and on a network of its own: the
// scenarios of the faulty-peer suite, all arms in turns with the same seeds. They are on loopback, or on links with delay, loss
// and a limited rate.

const [base] = workloads

/** Seeds of each scenario; `base` are those of the first workload on loopback. */
const SEEDS = { base: 30, others: 5, quick: 1 }

/** Scenarios of which each is measured in its own way, with its own workload. */
const COMEBACK = 'S10'
const SYBILS = 'S11'
const FLOOD = 'S14'

/** Where packets are lost, a batch of ten blocks takes TCP ten to 15 round trips. */
const ROUND_TRIPS_PER_BLOCK = 2

const names = (list: ReadonlyArray<{ readonly name: string }>): string[] => list.map(({ name }) => name)

const network = networkAsked()

// Before anything is measured or printed: the program begins anew in there.
const lack = network && enterOwnNamespace()

await runBenchmark({
  // What is found on a network is kept apart from what is found on another.
  name: network === undefined || lack !== undefined ? 'peers' : `peers-${network}`,
  packages: ['helia', '@helia/bitswap', 'libp2p'],
  options: {
    scenario: { kind: 'list', help: 'one scenario', oneOf: [...names(suite), COMEBACK, SYBILS, FLOOD] },
    workload: { kind: 'list', help: 'instead of the first', oneOf: names(workloads) },
    full: { kind: 'flag', help: 'all workloads' },
    network: { kind: 'text', help: 'instead of loopback', oneOf: Object.keys(networks) }
  },
  async *reports(settings, { scenario, workload, full }) {
    if (lack !== undefined) throw new UsageError(`--network needs ${lack}`)
    const unlinked = scenario?.find(name => name === SYBILS || name === FLOOD)
    if (network !== undefined && unlinked !== undefined)
      throw new UsageError(`${unlinked} is not measured with --network`)
    const chosen = full ? workloads : workloads.filter(({ name }) => (workload ?? [base.name]).includes(name))
    for (const each of chosen) {
      await using rig = await Rig.start(each.peers, network && netem(networks[network]))
      const isMeant = ({ name }: Entry): boolean =>
        scenario?.includes(name) ?? (each === base || TELLING.includes(name))
      const arms = settings.isQuick ? QUICK_ARMS : armNames
      // The first ones warm up.
      await compare(rig, seed => healthy(seed, each), [0], arms, patienceWith(suite[0]!, each))
      for (const entry of suite.filter(isMeant)) yield* measure(rig, entry, each, settings)
      // It takes minutes.
      if (each === base && (scenario?.includes(COMEBACK) ?? !settings.isQuick))
        yield named(await measureComeback(rig, seedsOf(settings, SEEDS.others)))
    }
    const isAll = workload === undefined && network === undefined
    if (scenario?.includes(SYBILS) ?? isAll) yield await measureSybils(settings.isQuick)
    if (scenario?.includes(FLOOD) ?? (isAll && !settings.isQuick)) yield await measureFlood(settings.isQuick)
  }
})

async function* measure(
  rig: Rig,
  entry: Entry,
  workload: NamedWorkload,
  settings: Settings
): AsyncGenerator<Report> {
  const usual = workload === base && network === undefined ? SEEDS.base : SEEDS.others
  const seeds = seedsOf(settings, usual)
  const arms = settings.isQuick ? QUICK_ARMS : armNames
  const make = (seed: number) => entry.make(seed, workload)
  const rounds = await compare(rig, make, seeds, arms, patienceWith(entry, workload))
  const reports = tabulate(
    {
      name: workload === base ? entry.name : `${entry.name}, ${workload.name}`,
      title: `${entry.title}: ${workload.title}`,
      maxRatio: entry.maxRatio,
      isJudged: seeds.length === usual
    },
    rounds
  )
  yield* reports.map(named)
}

/** What the command line asks for; that it is wrong is said later. */
function networkAsked(): NetworkName | undefined {
  const { network: asked } = parseArgs({ strict: false, options: { network: { type: 'string' } } }).values
  return (Object.keys(networks) as NetworkName[]).find(name => name === asked)
}

/** What links take is not held against who fetches. */
function patienceWith(entry: Entry, workload: NamedWorkload): Patience {
  const { patient, ofSessions } = patienceOf(entry, workload)
  const roundTripMs = network === undefined ? 0 : 2 * networks[network].delayMs
  const linksMs = workload.blocks * ROUND_TRIPS_PER_BLOCK * roundTripMs
  const longer = (limits: FetchLimits): FetchLimits => ({ ...limits, totalMs: limits.totalMs + linksMs })
  return { patient: longer(patient), ofSessions: longer(ofSessions) }
}

function named(report: Report): Report {
  if (network === undefined) return report
  const { name, title } = report
  return { ...report, name: `${name}, ${network}`, title: `${title}; ${describeNetwork(network)}` }
}

function seedsOf({ isQuick, isReplay, seed }: Settings, usual: number): number[] {
  if (isReplay) return [seed]
  return Array.from({ length: isQuick ? SEEDS.quick : usual }, (_, index) => index + 1)
}
