import type { BlocksRequest } from '../../../src/cli/swarm/blocks.ts'
import { ChildProgram } from '../../../src/cli/swarm/child-program.ts'
import type { Reachable } from './client.ts'

/** Peers that flood a server with lists of wants it has no block for. */
export interface FloodLoad {
  readonly server: Reachable
  readonly peers: number
  /** Wants of each list. */
  readonly wants: number
  /** Lists of each peer, at most. */
  readonly lists: number
  /** Between two lists of a peer, in ms, give or take a half. */
  readonly pauseMs: number
}

/** Lists that were sent, or were to be; and those of which the stream did not open or was reset. */
export interface Flooded {
  readonly lists: number
  readonly refused: number
}

interface FetchLoad {
  readonly server: Reachable
  readonly blocks: BlocksRequest
  readonly concurrency: number
}

export interface LoadCommands {
  /** Comes before the flood. */
  connect(load: FloodLoad): void
  /** Lasts until it has sent all, or is ended. */
  flood(load: FloodLoad): Flooded
  endFlood(): void
  /** Fetches blocks the stock way. Answers how long each took, in ms. */
  fetch(load: FetchLoad): number[]
}

/** Peers that ask for blocks, in a process of their own. */
export class LoadChild extends ChildProgram<LoadCommands> {
  constructor() {
    super({ name: 'The load', program: new URL('./load-program.ts', import.meta.url) })
  }
}
