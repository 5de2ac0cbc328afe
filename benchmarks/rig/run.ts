import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { BitswapProtectionInit, Evidence } from '../../src/bitswap/index.ts'
import { type Arm, type Client, startClient } from './arms.ts'
import { makeContent } from './content.ts'
import { type Fetched, type FetchLimits, fetchContent } from './fetching.ts'
import { Incidents, now } from './incidents.ts'
import type { PeerStats } from './peer-commands.ts'
import type { Rig } from './rig.ts'
import type { Scenario } from './scenarios.ts'

/** How a scenario is gone through. */
export interface RunPlan {
  readonly arm: Arm
  readonly limits: FetchLimits
  /** Leaves the bad peers out: as good as it can get. */
  readonly isOracle?: boolean
  readonly protection?: BitswapProtectionInit
  /** Told how many blocks there are, each time there is one more. */
  readonly onDelivered?: (count: number) => void
}

const eventTypes = [
  'circuit:open',
  'circuit:half-open',
  'circuit:close',
  'recovery:relapse',
  'recovery:complete'
] as const

export interface CircuitEvent {
  readonly type: (typeof eventTypes)[number]
  readonly peer: number
  /** In ms since 1970. */
  readonly at: number
}

/** What came of it. */
export interface Run extends Fetched {
  /** When the first block was asked for, in ms since 1970. */
  readonly startedAt: number
  /** What each peer did. */
  readonly peers: readonly PeerStats[]
  /** Bytes peers sent, over those of the blocks that were wanted. What spoilt blocks contained is not counted. */
  readonly bytesRatio: number
  /** Times a block was asked for, and times somebody was asked whether he has it, for each block. */
  readonly wantsPerBlock: number
  /** What the protection told of the peers' circuits, in order. */
  readonly events: readonly CircuitEvent[]
  /** What was held against each peer. */
  readonly faults: ReadonlyArray<readonly Evidence[]>
  /** When each peer's fault first showed, by number of the peer, in ms since 1970. */
  readonly shownAt: ReadonlyMap<number, number>
  /** When the last incident was over, in ms since 1970. */
  readonly incidentEndedAt: number | undefined
}

/** Has a new client fetch all blocks of a scenario from peers that have begun it. */
export async function runScenario(rig: Rig, scenario: Scenario, plan: RunPlan): Promise<Run> {
  const { tasks, order, bystanders, isConnected, bad, content, workload } = scenario
  const addressOf = (peer: number): string => rig.peers[peer]!.multiaddr
  await Promise.all(tasks.map((task, index) => rig.peers[index]!.begin(task)))
  const blocks = await makeContent(content)
  const isAsked = (peer: number): boolean => plan.isOracle !== true || !bad.has(peer)
  await using incidents = new Incidents(
    rig,
    scenario.incidents.filter(incident => incident.peers.every(isAsked))
  )
  await using client = await startClient(plan.arm, plan.protection)
  const events = listen(rig, client)
  const get = await client.open(
    blocks[0]!.cid,
    order.filter(isAsked).map(addressOf),
    bystanders.filter(isAsked).map(addressOf),
    isConnected
  )
  incidents.pass(0)
  const startedAt = now()
  const fetched = await fetchContent(workload, blocks, get, plan.limits, count => {
    incidents.pass(count)
    plan.onDelivered?.(count)
  })
  const faults = tasks.map((_, peer) => client.protection?.explain(peerIdOf(rig, peer))?.faults ?? [])
  const peers = await statsOf(rig, tasks.length, client, incidents)
  return {
    ...fetched,
    startedAt,
    peers,
    bytesRatio: sum(peers, 'sentBytes') / blocks.reduce((bytes, block) => bytes + block.bytes.length, 0),
    wantsPerBlock: (sum(peers, 'blockWants') + sum(peers, 'haveWants')) / blocks.length,
    events,
    faults,
    shownAt: shownAt(peers, incidents),
    incidentEndedAt: incidents.endedAt
  }
}

/** What is done to those who cannot tell now is undone when nobody can ask them for anything any more. */
async function statsOf(rig: Rig, count: number, client: Client, incidents: Incidents): Promise<PeerStats[]> {
  const stats: PeerStats[] = []
  const { struck } = incidents
  const take = async (peer: number): Promise<void> => {
    stats[peer] = await rig.peers[peer]!.stats()
  }
  const numbers = Array.from({ length: count }, (_, peer) => peer)
  await Promise.all(numbers.filter(peer => !struck.has(peer)).map(take))
  await client[Symbol.asyncDispose]()
  await incidents[Symbol.asyncDispose]()
  await Promise.all(numbers.filter(peer => struck.has(peer)).map(take))
  return stats
}

function shownAt(peers: readonly PeerStats[], { struckAt }: Incidents): ReadonlyMap<number, number> {
  return new Map([
    ...peers.flatMap(({ faultShownAt }, peer) =>
      faultShownAt === undefined ? [] : [[peer, faultShownAt] as const]
    ),
    ...struckAt
  ])
}

function sum(peers: readonly PeerStats[], name: 'sentBytes' | 'blockWants' | 'haveWants'): number {
  return peers.reduce((total, stats) => total + stats[name], 0)
}

function peerIdOf(rig: Rig, peer: number): PeerId {
  return peerIdFromString(rig.peers[peer]!.peerId)
}

function listen(rig: Rig, { protection }: Client): CircuitEvent[] {
  const events: CircuitEvent[] = []
  for (const type of eventTypes) {
    protection?.addEventListener(type, ({ detail: { peer } }: CustomEvent<{ readonly peer: PeerId }>) => {
      const index = rig.peers.findIndex(({ peerId }) => peerId === peer.toString())
      events.push({ type, peer: index, at: now() })
    })
  }
  return events
}

/** The latency that a share of the blocks that came did not exceed, in ms. */
export function percentile({ latenciesMs }: Pick<Fetched, 'latenciesMs'>, share: number): number {
  return latenciesMs[Math.floor(share * (latenciesMs.length - 1))] ?? Number.POSITIVE_INFINITY
}
