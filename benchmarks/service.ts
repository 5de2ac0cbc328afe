import { Swarm } from '../src/cli/swarm/swarm.ts'
import { runBenchmark } from './benchmark.ts'
import { seededRandom, shuffled } from './harness.ts'
import { type Interval, median, medianInterval } from './interval.ts'
import { type Check, figures, type Report } from './report.ts'
import { type Fetch, type Fetched, fetchBlocks } from './service/fetching.ts'

// What the service is worth when one peer freezes, and what it costs when none does: stock Helia with and without it,
// against the same real peers in processes of their own, in turns.

const PEERS = ['a', 'b', 'c', 'd', 'e', 'f']
const FROZEN = 'c'
const SIZE_BYTES = 20_000
const FROZEN_BLOCKS = 60
const HEALTHY_BLOCKS = 300

/** Rounds of each group; stock Helia with a frozen peer takes so long that it takes part in the first ones only. */
const rounds = {
  full: { frozen: 15, stockFrozen: 3, healthy: 40 },
  quick: { frozen: 3, stockFrozen: 1, healthy: 3 }
}

interface Arm {
  readonly name: string
  readonly isProtected: boolean
  readonly frozen: string | undefined
  /** In how many of the rounds it takes part. */
  readonly rounds: number
}

/** Runs the arms in turns, in another order each round. */
async function compare(
  swarm: Swarm,
  arms: readonly Arm[],
  blockCount: number,
  random: () => number
): Promise<Fetched[][]> {
  const results: Fetched[][] = arms.map(() => [])
  const most = Math.max(...arms.map(arm => arm.rounds))
  // The first round warms up.
  for (let round = -1; round < most; round++) {
    for (const index of shuffled(arms.length, random)) {
      const arm = arms[index]!
      if (round >= arm.rounds || (round < 0 && arm.frozen !== undefined)) continue
      // Fresh blocks each time: a Helia peer does not send one connection the same block twice.
      const seed = Math.floor(random() * 2 ** 31)
      const fetch: Fetch = { ...arm, blocks: { seed, count: blockCount, sizeBytes: SIZE_BYTES } }
      const fetched = await fetchBlocks(swarm, fetch)
      if (round >= 0) results[index]!.push(fetched)
    }
  }
  return results
}

/** Latencies of single blocks are too much to keep. */
function totals(fetched: readonly Fetched[]): Array<Omit<Fetched, 'latenciesMs'>> {
  return fetched.map(({ totalMs, restMs }) => ({ totalMs, restMs }))
}

/** One figure of an arm in each round, over that of another in the same round. */
function ratios(
  above: readonly Fetched[],
  below: readonly Fetched[],
  figure: (fetched: Fetched) => number
): number[] {
  return above.map((fetched, round) => figure(fetched) / figure(below[round]!))
}

function row(name: string, fetched: readonly Fetched[], ratio?: Interval) {
  const latencies = fetched.flatMap(({ latenciesMs }) => latenciesMs).toSorted((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))]!
  return [
    name,
    fetched.length,
    `${figures(median(fetched.map(({ totalMs }) => totalMs)))} ms`,
    ...[0.5, 0.95, 1].map(share => `${figures(at(share))} ms`),
    ratio && shown(ratio)
  ]
}

function shown({ median, low, high }: Interval): string {
  return `${median.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
}

const columns = ['arm', 'runs', 'total', 'block p50', 'p95', 'max', 'total, of stock healthy']

async function frozenReport(swarm: Swarm, isQuick: boolean, seed: number): Promise<Report> {
  const count = isQuick ? rounds.quick : rounds.full
  const arms: Arm[] = [
    { name: 'stock, all healthy', isProtected: false, frozen: undefined, rounds: count.frozen },
    { name: 'service, all healthy', isProtected: true, frozen: undefined, rounds: count.frozen },
    { name: 'service, one frozen', isProtected: true, frozen: FROZEN, rounds: count.frozen },
    { name: 'stock, one frozen', isProtected: false, frozen: FROZEN, rounds: count.stockFrozen }
  ]
  const results = await compare(swarm, arms, FROZEN_BLOCKS, seededRandom(seed))
  const [healthy, , frozen] = results as [Fetched[], Fetched[], Fetched[]]
  const ofHealthy = results.map(fetched =>
    medianInterval(
      ratios(fetched, healthy, ({ totalMs }) => totalMs),
      seed
    )
  )
  const afterwards = medianInterval(
    ratios(frozen, healthy, ({ restMs }) => restMs),
    seed
  )
  return {
    name: 'frozen',
    title: `${FROZEN_BLOCKS} blocks of ${figures(SIZE_BYTES)} B, 6 at once, from 6 peers`,
    columns,
    rows: results.map((fetched, index) => row(arms[index]!.name, fetched, ofHealthy[index])),
    notes: [`service, one frozen, per block after the first 6: ${shown(afterwards)} of stock healthy`],
    checks: [
      atMost('one frozen with the service, of all healthy', ofHealthy[2]!, 2),
      atMost('the same per block after the first detection', afterwards, 1.2)
    ],
    data: { arms, results: results.map(totals) }
  }
}

async function healthyReport(swarm: Swarm, isQuick: boolean, seed: number): Promise<Report> {
  const count = (isQuick ? rounds.quick : rounds.full).healthy
  const arms: Arm[] = [
    { name: 'stock, all healthy', isProtected: false, frozen: undefined, rounds: count },
    { name: 'service, all healthy', isProtected: true, frozen: undefined, rounds: count }
  ]
  const results = await compare(swarm, arms, HEALTHY_BLOCKS, seededRandom(seed))
  const [stock, service] = results as [Fetched[], Fetched[]]
  const ratio = medianInterval(
    ratios(service, stock, ({ totalMs }) => totalMs),
    seed
  )
  return {
    name: 'healthy',
    title: `${HEALTHY_BLOCKS} blocks of ${figures(SIZE_BYTES)} B, 6 at once, from 6 healthy peers`,
    columns,
    rows: [row('stock', stock), row('service', service, ratio)],
    notes: [],
    // A few rounds scatter by more than what is to be found out.
    checks: isQuick ? [] : [atMost('with the service, of without', ratio, 1.03)],
    data: { arms, results: results.map(totals) }
  }
}

/** Judged by the interval: only one that lies wholly above the limit breaks it. */
function atMost(name: string, interval: Interval, limit: number): Check {
  return { name, passed: interval.low <= limit, detail: `${shown(interval)}, at most ${limit}` }
}

await runBenchmark({
  name: 'service',
  packages: ['helia', '@helia/bitswap', 'libp2p', '@chainsafe/libp2p-noise', '@chainsafe/libp2p-yamux'],
  options: {},
  async *reports({ isQuick, seed }) {
    await using swarm = await Swarm.start(PEERS.map(name => ({ name })))
    for (const report of [frozenReport, healthyReport]) yield await report(swarm, isQuick, seed)
  }
})
