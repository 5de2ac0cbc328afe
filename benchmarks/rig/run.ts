import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { BitswapProtectionInit, Evidence } from '../../src/bitswap/index.ts'
import { makeBlocks } from '../../src/cli/swarm/blocks.ts'
import { type Arm, type Client, startClient } from './arms.ts'
import { type Fetched, type FetchLimits, fetchBlocks } from './fetching.ts'
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

interface CircuitEvent {
  readonly type: (typeof eventTypes)[number]
  readonly peer: number
  /** By the clock of `performance`. */
  readonly atMs: number
}

/** What came of it. */
export interface Run extends Fetched {
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
}

/** Has a new client fetch all blocks of a scenario from peers that have begun it. */
export async function runScenario(rig: Rig, scenario: Scenario, plan: RunPlan): Promise<Run> {
  await Promise.all(rig.peers.map((peer, index) => peer.begin(scenario.tasks[index]!)))
  const blocks = await makeBlocks(scenario.blocks)
  await using client = await startClient(plan.arm, plan.protection)
  const events = listen(rig, client)
  const order = scenario.order.filter(peer => plan.isOracle !== true || !scenario.bad.has(peer))
  const get = await client.open(
    blocks[0]!.cid,
    order.map(peer => rig.peers[peer]!.multiaddr)
  )
  const fetched = await fetchBlocks(blocks, get, plan.limits, plan.onDelivered ?? (() => {}))
  const peers = await Promise.all(rig.peers.map(peer => peer.stats()))
  const sum = (figure: (stats: PeerStats) => number): number =>
    peers.reduce((total, stats) => total + figure(stats), 0)
  return {
    ...fetched,
    peers,
    bytesRatio: sum(({ sentBytes }) => sentBytes) / (blocks.length * scenario.blocks.sizeBytes),
    wantsPerBlock: sum(({ blockWants, haveWants }) => blockWants + haveWants) / blocks.length,
    events,
    faults: rig.peers.map(({ peerId }) => client.protection?.explain(peerIdFromString(peerId))?.faults ?? [])
  }
}

function listen(rig: Rig, { protection }: Client): CircuitEvent[] {
  const events: CircuitEvent[] = []
  for (const type of eventTypes) {
    protection?.addEventListener(type, ({ detail: { peer } }: CustomEvent<{ readonly peer: PeerId }>) => {
      const index = rig.peers.findIndex(({ peerId }) => peerId === peer.toString())
      events.push({ type, peer: index, atMs: performance.now() })
    })
  }
  return events
}

/** The latency that a share of the blocks that came did not exceed, in ms. */
export function percentile({ latenciesMs }: Fetched, share: number): number {
  return latenciesMs[Math.floor(share * (latenciesMs.length - 1))] ?? Number.POSITIVE_INFINITY
}
