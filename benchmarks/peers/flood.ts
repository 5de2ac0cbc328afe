import { setTimeout as sleep } from 'node:timers/promises'
import { makeBlocks } from '../../src/cli/swarm/blocks.ts'
import { ChildProgram } from '../../src/cli/swarm/child-program.ts'
import { Client, type Reachable } from '../../test/integration/support/client.ts'
import { type FloodLoad, LoadChild } from '../../test/integration/support/load-child.ts'
import { type Interval, median, medianInterval } from '../interval.ts'
import { type Check, figures, type Report } from '../report.ts'

// S14: a node that serves by stock Bitswap, with the service, while 100 peers ask it for what it does not have. What an
// honest peer notices of that, against a flood of another node on the same machine, which takes as much of it.

const PEERS = 100
const WANTS = 1_024
const PAUSE_MS = 1_000

/** What the process of the other server can be told to do. */
export interface DecoyCommands {
  /** Comes first, and once. Answers where it can be dialled. */
  start(): Reachable
}

/** Blocks the honest peer fetches in each round, one after the other. */
const BLOCKS = { count: 200, sizeBytes: 20_000 }
const ROUNDS = { full: 9, quick: 3 }

/** A flood is under way for this long before anything is measured, in ms. */
const LEAD_MS = 3_000

/** Until the peers of a flood have been told often enough. In ms. */
const FIRST_LEAD_MS = 30_000

/** No flood lasts so long that it sends more. */
const MAX_LISTS = 10_000

const MAX_RATIO = 1.2

type Arm = 'quiet' | 'another is flooded' | 'flooded'
const arms: readonly Arm[] = ['quiet', 'another is flooded', 'flooded']

export function startServer(): Promise<Client> {
  return Client.start({
    libp2p: {
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      connectionManager: { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1_000 }
    }
  })
}

export function reachable({ libp2p }: Client): Reachable {
  return { peerId: libp2p.peerId.toString(), multiaddr: libp2p.getMultiaddrs()[0]!.toString() }
}

function percentile(valuesMs: readonly number[], share: number): number {
  return valuesMs.toSorted((one, other) => one - other)[Math.floor(share * (valuesMs.length - 1))]!
}

export async function measureFlood(isQuick: boolean): Promise<Report> {
  const rounds = isQuick ? ROUNDS.quick : ROUNDS.full
  await using server = await startServer()
  await using decoy = new ChildProgram<DecoyCommands>({
    name: 'The other server',
    program: new URL('./decoy-process.ts', import.meta.url)
  })
  await using honest = new LoadChild()
  await using ours = new LoadChild()
  await using theirs = new LoadChild()
  const loadOf = (target: Reachable): FloodLoad => ({
    server: target,
    peers: PEERS,
    wants: WANTS,
    lists: MAX_LISTS,
    pauseMs: PAUSE_MS
  })
  const address = reachable(server)
  const floods = {
    flooded: { child: ours, load: loadOf(address) },
    other: { child: theirs, load: loadOf(await decoy.call('start')) }
  }
  for (const { child, load } of Object.values(floods)) await child.call('connect', load)
  let seed = 1

  async function serve(): Promise<number[]> {
    const blocks = { ...BLOCKS, seed: ++seed }
    for (const { cid, bytes } of await makeBlocks(blocks)) await server.helia.blockstore.put(cid, bytes)
    return honest.call('fetch', { server: address, blocks, concurrency: 1 })
  }

  async function during(arm: Arm, leadMs: number): Promise<number[]> {
    if (arm === 'quiet') return serve()
    const { child, load } = arm === 'flooded' ? floods.flooded : floods.other
    const over = child.call('flood', load)
    await sleep(leadMs)
    const elapsedMs = await serve()
    await child.call('endFlood')
    await over
    return elapsedMs
  }

  await serve()
  // Both at their beginning: nobody has been refused yet.
  const first = {
    flooded: await during('flooded', LEAD_MS),
    other: await during('another is flooded', LEAD_MS)
  }
  for (const { child, load } of Object.values(floods)) {
    const over = child.call('flood', load)
    await sleep(FIRST_LEAD_MS)
    await child.call('endFlood')
    await over
  }
  const found: Record<Arm, number[][]> = { quiet: [], 'another is flooded': [], flooded: [] }
  for (let round = 0; round < rounds; round++) {
    for (const [at] of arms.entries()) {
      const arm = arms[(at + round) % arms.length]!
      found[arm].push(await during(arm, LEAD_MS))
    }
  }
  const ratioTo = (arm: Arm): Interval =>
    medianInterval(
      found.flooded.map(
        (elapsedMs, round) => percentile(elapsedMs, 0.99) / percentile(found[arm][round]!, 0.99)
      ),
      1
    )
  const row = (name: string, runs: readonly number[][], ratio?: Interval) => [
    name,
    ...[0.5, 0.9, 0.99].map(share => `${figures(median(runs.map(run => percentile(run, share))))} ms`),
    ratio && `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`
  ]
  const ratio = ratioTo('another is flooded')
  const checks: Check[] = [
    {
      name: 'as quick as while another is flooded',
      passed: ratio.low <= MAX_RATIO,
      detail: `p99 ${ratio.median.toFixed(2)} times, ${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}, at most ${MAX_RATIO}`
    }
  ]
  return {
    name: 'S14',
    title: `an honest peer, while ${PEERS} ask for ${figures(WANTS)} blocks that are not there each second: ${BLOCKS.count} blocks of ${figures(BLOCKS.sizeBytes)} B, ${rounds} rounds`,
    columns: ['', 'block p50', 'p90', 'p99', 'p99 flooded, times this'],
    rows: [
      row('quiet', found.quiet, ratioTo('quiet')),
      row('another is flooded', found['another is flooded'], ratio),
      row('flooded', found.flooded),
      row('another, first seconds', [first.other]),
      row('flooded, first seconds', [first.flooded])
    ],
    notes: [`connections of the ${PEERS} at the end: ${server.libp2p.getConnections().length}`],
    checks: rounds < ROUNDS.full ? [] : checks,
    data: { found, first }
  }
}
