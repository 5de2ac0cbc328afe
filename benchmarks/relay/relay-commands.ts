import type { Identity } from '../../test/relay/support/certificates.ts'
import type { Closed, Echoed, Opened } from './channel-crowd.ts'
import type { FrontFault } from './front.ts'

/** What the process of an echo server can be told to do. */
export interface EchoCommands {
  /** Comes first, and once. Answers where it listens, as `host:port`. */
  start(identity: Identity): string
  /** Answers how many connections stand. */
  connections(): number
}

/** What the process that holds many channels can be told to do. */
export interface CrowdCommands {
  /** Comes first, and once: opens so many. @param root - who has signed the server's certificate, as PEM */
  open(endpoint: string, root: string, count: number): Opened
  /** Has all of them used, while all are lent. */
  echo(): Echoed
  close(): Closed
}

/** What the process of fronts can be told to do. */
export interface FrontCommands {
  /** Puts a front before each of these ports of 127.0.0.1. Answers theirs, in order. */
  start(ports: readonly number[]): number[]
  setFault(fault: FrontFault): void
}
