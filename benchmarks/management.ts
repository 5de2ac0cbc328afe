import { setTimeout as sleep } from 'node:timers/promises'
import { ChildProgram } from '../src/cli/swarm/child-program.ts'
import type { CommandMap } from '../src/cli/swarm/serve-commands.ts'
import { Swarm } from '../src/cli/swarm/swarm.ts'
import { Authority } from '../test/relay/support/certificates.ts'
import { runBenchmark } from './benchmark.ts'
import { seededRandom, shuffled } from './harness.ts'
import { type Interval, median, medianInterval } from './interval.ts'
import type {
  ManagedCommands,
  Memory,
  NodeCommands,
  Visited,
  VisitorCommands,
  Worked
} from './management/commands.ts'
import { type Check, figures, type Report } from './report.ts'

// What it costs a node to be looked at by a thousand clients at once: how long its own fetches and reads take beside that, in turns
// with nobody looking, and with the same clients looking at another process, since they take their share of the cores either way.

const TOKEN = 'something-nobody-guesses'
const PEERS = ['a', 'b', 'c', 'd']
const THINKING_MS = 10
const SIZE_BYTES = 1_000

/** Clients must be there before it is measured, and gone after. */
const SETTLE_MS = 4_500

/** For adding blocks, with many of them. */
const ANSWER_LIMIT_MS = 120_000

const MAX_RATIO = 1.1
const MAX_GROWTH_MB = 5

interface Plan {
  readonly clients: number
  readonly knownPeers: number
  readonly rounds: number
  readonly durationMs: number
  /** More than can be fetched in that time. */
  readonly blocks: number
}

const plans: Readonly<Record<'full' | 'quick', Plan>> = {
  full: { clients: 1_000, knownPeers: 1_000, rounds: 8, durationMs: 20_000, blocks: 1_200 },
  quick: { clients: 1_000, knownPeers: 1_000, rounds: 1, durationMs: 2_000, blocks: 200 }
}

/** What is done while nobody looks, while all look at another process beside it, and while all look at it. */
const arms = ['alone', 'beside', 'watched'] as const

type Arm = (typeof arms)[number]

/** One turn of each arm. */
interface Round extends Readonly<Record<Arm, Worked>> {
  readonly visited: Visited
  readonly memory: Memory
}

function child<Commands extends CommandMap<Commands>>(name: string, program: URL): ChildProgram<Commands> {
  return new ChildProgram({
    name,
    program,
    execArgv: ['--conditions=bitswap-protection-source', '--expose-gc'],
    answerLimitMs: ANSWER_LIMIT_MS
  })
}

async function measure(plan: Plan, seed: number): Promise<{ rounds: Round[]; before: Memory }> {
  await using swarm = await Swarm.start(PEERS.map(name => ({ name, answerDelayMs: THINKING_MS })))
  await using node = child<NodeCommands>('A node', new URL('./management/node-program.ts', import.meta.url))
  await using managed = child<ManagedCommands>(
    'What is managed',
    new URL('./management/managed-program.ts', import.meta.url)
  )
  await using visitors = child<VisitorCommands>(
    'Those who look',
    new URL('./management/visitors-program.ts', import.meta.url)
  )
  const authority = await Authority.create()
  const endpoint = await node.call('start', await authority.issue({ addresses: ['127.0.0.1'] }))
  const setup = {
    peers: swarm.peers.map(({ multiaddr }) => multiaddr),
    endpoint,
    root: authority.certificate,
    knownPeers: plan.knownPeers,
    authToken: TOKEN
  }
  await using other = child<ManagedCommands>(
    'Another',
    new URL('./management/managed-program.ts', import.meta.url)
  )
  const urls = { watched: await managed.call('start', setup), beside: await other.call('start', setup) }
  let turns = 0
  const work = async (): Promise<Worked> => {
    const blocks = { seed: seed + turns++, count: plan.blocks, sizeBytes: SIZE_BYTES }
    await Promise.all(swarm.peers.map(peer => peer.addBlocks(blocks)))
    return managed.call('work', blocks, plan.durationMs)
  }
  const workWhile = async (arm: Arm): Promise<{ worked: Worked; visited?: Visited }> => {
    if (arm === 'alone') return { worked: await work() }
    await visitors.call('start', urls[arm], TOKEN, plan.clients)
    await sleep(SETTLE_MS)
    const worked = await work()
    const visited = await visitors.call('stop')
    await sleep(SETTLE_MS)
    return { worked, visited }
  }
  // The first turns warm up.
  for (const arm of arms) await workWhile(arm)
  const before = await managed.call('memory')
  const random = seededRandom(seed)
  const rounds: Round[] = []
  for (let round = 0; round < plan.rounds; round++) {
    const done: Partial<Record<Arm, Awaited<ReturnType<typeof workWhile>>>> = {}
    for (const index of shuffled(arms.length, random)) done[arms[index]!] = await workWhile(arms[index]!)
    const { alone, beside, watched } = done as Required<typeof done>
    const memory = await managed.call('memory')
    rounds.push({
      alone: alone.worked,
      beside: beside.worked,
      watched: watched.worked,
      visited: watched.visited!,
      memory
    })
  }
  return { rounds, before }
}

const names: Readonly<Record<Arm, string>> = {
  alone: 'nobody looks',
  beside: 'all look at another',
  watched: 'all look at it'
}

/** What being looked at is compared with. The second tells what answering costs, apart from the cores that clients take. */
const bases = ['alone', 'beside'] as const

type Kind = 'fetchesMs' | 'readsMs'

function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((one, other) => one - other)
  return sorted[Math.floor(share * (sorted.length - 1))]!
}

/** The 99th percentile while all look at it over that of another arm, in each round. */
function ratio(rounds: readonly Round[], kind: Kind, base: Arm, seed: number): Interval {
  return medianInterval(
    rounds.map(round => percentile(round.watched[kind], 0.99) / percentile(round[base][kind], 0.99)),
    seed
  )
}

function rows(rounds: readonly Round[], seed: number) {
  const kinds: ReadonlyArray<[Kind, string]> = [
    ['fetchesMs', 'blocks fetched'],
    ['readsMs', 'reads of a node']
  ]
  return kinds.flatMap(([kind, name]) =>
    arms.map(when => {
      const each = (share: number): string =>
        `${figures(median(rounds.map(round => percentile(round[when][kind], share))))} ms`
      const count = median(rounds.map(round => round[when][kind].length))
      const of = bases.map(base => (when === 'watched' ? shown(ratio(rounds, kind, base, seed)) : undefined))
      return [`${name}, ${names[when]}`, count, each(0.5), each(0.99), each(1), ...of]
    })
  )
}

function shown({ median, low, high }: Interval): string {
  return `${median.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`
}

function checks(
  rounds: readonly Round[],
  before: Memory,
  plan: Plan,
  isQuick: boolean,
  seed: number
): Check[] {
  const visits = rounds.map(({ visited }) => visited)
  const wrong = visits.reduce((sum, visited) => sum + visited.wrong, 0)
  const firstWrong = visits.find(visited => visited.firstWrong !== undefined)?.firstWrong ?? 'none'
  const failed = rounds.reduce(
    (sum, round) => sum + arms.reduce((count, arm) => count + round[arm].failed, 0),
    0
  )
  const fewest = Math.min(...visits.map(({ connections }) => connections))
  const growthMb = rounds.at(-1)!.memory.heapMb - before.heapMb
  const right: Check[] = [
    {
      name: 'every answer was right',
      passed: wrong === 0,
      detail: `${wrong} were not; the first: ${firstWrong}`
    },
    { name: 'nothing failed beside it', passed: failed === 0, detail: `${failed} fetches and reads did` },
    {
      name: 'all clients were there at once',
      passed: fewest >= plan.clients,
      detail: `${fewest} connections at least in each round`
    },
    {
      name: 'memory is flat',
      passed: growthMb < MAX_GROWTH_MB,
      detail: `heap grew by ${figures(growthMb)} MB`
    }
  ]
  // One round scatters by more than what is to be found out.
  const kinds = isQuick ? [] : (['fetchesMs', 'readsMs'] as const)
  return [
    ...right,
    ...kinds.flatMap(kind =>
      bases.map(base => {
        const interval = ratio(rounds, kind, base, seed)
        const passed = interval.low <= MAX_RATIO
        const detail = `${shown(interval)} of when ${names[base]}, at most ${MAX_RATIO}`
        return { name: `p99 of ${kind}`, passed, detail }
      })
    )
  ]
}

function statusesOf(rounds: readonly Round[]): string {
  const sums = new Map<string, number>()
  for (const { visited } of rounds)
    for (const [status, count] of Object.entries(visited.statuses))
      sums.set(status, (sums.get(status) ?? 0) + count)
  return [...sums].map(([status, count]) => `${count} with ${status}`).join(', ')
}

await runBenchmark({
  name: 'management',
  packages: ['fastify', 'helia', 'libp2p'],
  options: {},
  async *reports({ isQuick, seed }) {
    const plan = isQuick ? plans.quick : plans.full
    const { rounds, before } = await measure(plan, seed)
    yield {
      name: 'clients',
      title: `${plan.clients} clients look every 4 s, and 50 of them at events; ${plan.knownPeers} peers are known`,
      columns: ['what', 'count', 'p50', 'p99', 'max', ...bases.map(base => `p99, of when ${names[base]}`)],
      rows: rows(rounds, seed),
      notes: [
        `answers: ${statusesOf(rounds)}`,
        `memory: heap ${figures(before.heapMb)} MB before, ${figures(rounds.at(-1)!.memory.heapMb)} MB after`
      ],
      checks: checks(rounds, before, plan, isQuick, seed),
      data: { rounds: rounds.map(({ visited, memory }) => ({ visited, memory })), before }
    } satisfies Report
  }
})
