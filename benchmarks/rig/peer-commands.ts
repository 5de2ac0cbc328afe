import type { Content } from './content.ts'
import type { FaultPlan } from './fault.ts'

/** What a peer is to be from now on; whatever it was before is over. */
export interface PeerTask {
  readonly content: Content
  /** Which of the blocks it has, by number; all if not given. */
  readonly held?: readonly number[]
  readonly fault: FaultPlan
  /** How long it takes for an answer, in ms, give or take a fifth. */
  readonly delayMs: number
  /** Of how much more or less. */
  readonly delaySeed: number
  /** How much it can send, to all together; no matter if not given. */
  readonly bytesPerS?: number
}

/** What a peer did since its last task began. */
export interface PeerStats {
  /** Messages it was sent. */
  readonly messages: number
  /** Blocks it was asked for, each time it was. */
  readonly blockWants: number
  /** Times it was asked whether it has a block. */
  readonly haveWants: number
  /** Blocks handed to the network, without those that were spoilt, and those that drip once they are complete. */
  readonly blocksSent: number
  readonly spoiltSent: number
  /** Content of the blocks that were sent, in bytes. */
  readonly blockBytes: number
  /** Bytes of all messages handed to the network, but for the content of spoilt blocks. */
  readonly sentBytes: number
  /** Connections open now. */
  readonly connections: number
  /** When its fault first met a want, in ms since 1970. */
  readonly faultShownAt: number | undefined
}

/** What a peer's process can be told to do, with what, and what it answers. */
export interface PeerCommands {
  /** Comes first, and once. Answers where it can be dialled, with its peer id. */
  start(address: string): string
  begin(task: PeerTask): void
  setFault(fault: FaultPlan): void
  stats(): PeerStats
}
