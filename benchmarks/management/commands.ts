import type { BlocksRequest } from '../../src/cli/swarm/blocks.ts'
import type { Identity } from '../../test/relay/support/certificates.ts'

/** What the process of a Bitcoin node can be told to do. */
export interface NodeCommands {
  /** Comes first, and once. Answers where it listens, as `host:port`. */
  start(identity: Identity): string
}

/** What the process that is managed can be told to do. */
export interface ManagedCommands {
  /** Comes first, and once. @returns where its server listens */
  start(setup: ManagedSetup): string
  /** Fetches blocks from its peers and reads from its node, for so long. */
  work(blocks: BlocksRequest, durationMs: number): Worked
  /** Memory it has after a collection of garbage. */
  memory(): Memory
}

interface ManagedSetup {
  /** As multiaddrs. */
  readonly peers: readonly string[]
  /** `host:port` of the node, and who has signed its certificate, as PEM. */
  readonly endpoint: string
  readonly root: string
  /** Peers it knows besides, so that there is something to show. */
  readonly knownPeers: number
  readonly authToken: string
}

export interface Memory {
  readonly heapMb: number
  readonly rssMb: number
}

/** What was done meanwhile, in ms each. */
export interface Worked {
  readonly fetchesMs: readonly number[]
  readonly readsMs: readonly number[]
  /** Fetches and reads that failed. */
  readonly failed: number
}

/** What the process of those who look can be told to do. */
export interface VisitorCommands {
  /** Has so many clients look from now on. */
  start(url: string, authToken: string, count: number): void
  /** Ends that. */
  stop(): Visited
}

/** What those who look were answered. */
export interface Visited {
  readonly requests: number
  /** How often with each status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Answers that were not what they should be, and the first of them in words. */
  readonly wrong: number
  readonly firstWrong: string | undefined
  /** Connections at once at most. */
  readonly connections: number
  /** Events that were read by those who listen. */
  readonly events: number
}
