import type { BlockRange } from './block-transfer.ts'
import type { Cost } from './cost.ts'
import type { Guard } from './stream-node.ts'
import type { Traces } from './traces.ts'
import type { Visits } from './visitor.ts'

/** What a node is to be. */
export interface NodeSetup {
  readonly guard: Guard
  /** Of the blocks, and of what else is sent. */
  readonly seed: number
  /** Of the blocks it serves, by number. */
  readonly names: readonly string[]
  /** Of how many chunks a download consists. */
  readonly chunks: number
  /** How long protocols of streams may be negotiated, in ms; as long as libp2p has it if not given. */
  readonly negotiationLimitMs?: number
  /** Peers the service keeps a record of at most. If it is given, the timers of the service are counted, too. */
  readonly maxTargets?: number
}

export interface Memory {
  /** The most this process ever had, in bytes. */
  readonly peakBytes: number
  /** What is in use after garbage was collected, of the heap and of buffers, in bytes. */
  readonly usedBytes: number
}

/** What the process of a node can be told to do, and what it answers. */
export interface NodeCommands {
  /** Comes first, and once. Answers where the node can be dialled, with its peer id. */
  start(setup: NodeSetup): string
  /** Dials a peer, to get things from. */
  connect(address: string): void
  transferBlocks(range: BlockRange): Cost
  download(): Cost
  exchangeEchoes(count: number): Cost
  /** Collects garbage. Answers the CPU time that the process has taken so far, in ms. */
  settle(): number
  /** Answers the CPU time that the process has taken so far, in ms. */
  cpuTakenMs(): number
  /** Connections over which no stream is opened but through the service. */
  guardedConnections(): number
  memory(): Memory
  /** Asks all who connect for a block that nobody has, from now on. */
  wantInVain(name: string): void
  /** Answers how many are open. */
  connections(): number
  traces(): Traces
  /** Peers that the service has not forgotten to be connected. Takes half a second. */
  watchedPeers(): number
  /** Needs no `start`. */
  makeVisits(visits: Visits): void
}
