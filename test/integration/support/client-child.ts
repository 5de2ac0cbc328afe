import type { BitswapPeerStatus, BitswapProtectionInit } from '../../../src/bitswap/index.ts'
import { ChildProgram } from '../../../src/cli/swarm/child-program.ts'
import type { Reachable } from './client.ts'

/** What there is of a node and its protection at a moment, after garbage was collected. */
export interface Traces {
  readonly heapBytes: number
  /** Timers of the protection. */
  readonly timers: number
  /** What keeps the process alive. */
  readonly resources: readonly string[]
  /** How many listen to the node's events. */
  readonly listeners: Readonly<Record<string, number>>
  /** How many listen for the end of each connection. */
  readonly connectionListeners: readonly number[]
  /** Methods they have themselves, not by their class, and what these call themselves. */
  readonly ownMethods: {
    readonly connectionManager: Readonly<Record<string, string>>
    readonly registrar: Readonly<Record<string, string>>
    readonly connections: ReadonlyArray<Readonly<Record<string, string>>>
  }
  /** How many want to know of Bitswap peers. */
  readonly topologies: number
  readonly protocols: readonly string[]
  /** Peers the protection has a record of. */
  readonly records: number
}

/** How many objects of the protection there are: one for each peer, method replaced, and direction of a stream. */
export type Census = Readonly<Record<'links' | 'overrides' | 'readers' | 'deferredStreams', number>>

export interface ClientCommands {
  /** Comes first, and once. Answers where it listens. */
  start(protection: BitswapProtectionInit): string
  connect(peer: Reachable): void
  /** Answers the size of the block. */
  get(cid: string, limitMs: number): number
  status(peer: Reachable): BitswapPeerStatus
  restartService(times: number): void
  stopService(): void
  startService(): void
  stopNode(): void
  startNode(): void
  connections(): number
  traces(): Traces
  census(): Census
}

/** A {@link Client} in a process of its own, in which garbage can be collected at will. */
export class ClientChild extends ChildProgram<ClientCommands> {
  constructor() {
    super({
      name: 'The client',
      program: new URL('./client-program.ts', import.meta.url),
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning']
    })
  }
}

/** Of the traces, what must be the same whatever has happened in between. */
export function lasting(traces: Traces): Omit<Traces, 'heapBytes' | 'resources' | 'records'> {
  const { timers, listeners, connectionListeners, ownMethods, topologies, protocols } = traces
  return { timers, listeners, connectionListeners, ownMethods, topologies, protocols }
}
