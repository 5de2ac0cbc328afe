import type { Identity } from '../../../../relay/support/certificates.ts'
import type { IdentityFault, OwnFault } from './fault.ts'

/** `rpc`: JSON-RPC over HTTPS; `echo`: whatever comes is sent back. */
export type ServiceKind = 'rpc' | 'echo'

/** Who a server is, and who it says it is when that is wrong. */
export type Identities = Readonly<Record<'right' | IdentityFault, Identity>>

/** A server in a process of its own. */
export interface ServerCommands {
  /** @param port - any if 0. Answers which one it has. */
  start(kind: ServiceKind, identities: Identities, port: number): number
  fail(fault: OwnFault): void
  heal(): void
}

/** Servers that are used together: three nodes, and a relay. `host:port` each. */
export interface Site {
  readonly nodes: readonly string[]
  readonly relay: string
}

/** What a process takes. */
export interface Footprint {
  /** Of JavaScript, after garbage was collected, in bytes. */
  readonly heapBytes: number
  readonly rssBytes: number
  readonly openFiles: number
  /** Of what the relay half is given its time by. */
  readonly timers: number
  /** What keeps the event loop alive, by name. */
  readonly resources: readonly string[]
}

/** How it went so far, at all sites. */
export interface Tally {
  readonly reads: number
  /** Reads that failed, and the first few of their errors. */
  readonly lost: number
  readonly errors: readonly string[]
  /** Answers to something else. */
  readonly mixedUp: number
  readonly longestReadMs: number
  /** Times something was sent to a relay and came back, and did not. */
  readonly exchanges: number
  readonly failedExchanges: number
  /** What was told of nodes, by type. */
  readonly events: Readonly<Record<string, number>>
  readonly retries: number
  readonly hedges: number
  readonly reconnects: number
}

/** What came back by itself. */
interface Recovered {
  /** Nodes that answer again, as `host:port`. */
  readonly nodes: readonly string[]
  readonly relay: boolean
  /** How long it took, in ms. */
  readonly nodesMs: number
  readonly relayMs: number
}

/** What there was at the end. */
export interface Drained {
  /** What was under way to the last, and had to be given up. */
  readonly givenUp: number
  /** Once all was closed, but for those that were due. */
  readonly timers: number
}

/** The process that is measured: a secure channel and a pool for each site, in use all the time. */
export interface ClientCommands {
  /** What it takes before anything was made. */
  footprint(): Footprint
  start(sites: readonly Site[], root: string): void
  tally(): Tally
  /** Waits until a site is well again, up to so many ms. */
  recovered(site: number, limitMs: number): Recovered
  /** Ends all use, and waits until all is closed. */
  drain(): Drained
}
