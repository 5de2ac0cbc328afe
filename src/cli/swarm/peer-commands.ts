import type { BlocksRequest } from './blocks.ts'

/**
 * What is wrong with a peer's Bitswap; all else of it, such as identify and ping, works.
 *
 * - `mute`: takes each want and never answers
 * - `reset`: aborts each Bitswap stream that is opened to it
 * - `reset-once`: aborts the next one only, and is `none` from then on
 */
export type Fault = 'none' | 'mute' | 'reset' | 'reset-once'

/** Which file is meant; its content is that of `makeBytes`. */
export interface FileRequest {
  readonly seed: number
  readonly sizeBytes: number
  /** Size of its leaves; 1 MiB if not given. */
  readonly chunkBytes?: number | undefined
}

/** What a peer did since its process started. */
export interface PeerStats {
  /** Wants received, counted each time they were sent; none of those on a stream that was aborted. */
  readonly wants: number
  /** Blocks handed to the network. */
  readonly blocksSent: number
  /** Bitswap streams others opened, aborted ones too. */
  readonly inboundStreams: number
  /** Connections open now. */
  readonly connections: number
}

/** All a peer needs to know to start. */
export interface PeerSetup {
  /** As a protobuf. */
  readonly privateKey: Uint8Array
  /** Where it can be reached on 127.0.0.1; 0 for any free port. */
  readonly port: number
  readonly fault: Fault
  readonly delayMs: number
  readonly answerDelayMs: number
}

/** What a peer's process can be told to do, with what, and what it answers. */
export interface PeerCommands {
  /** Comes first, and once. Answers the port. */
  start(setup: PeerSetup): number
  addBlocks(request: BlocksRequest): void
  /** Answers the CID of the root. */
  addFile(request: FileRequest): string
  setFault(fault: Fault): void
  stats(): PeerStats
}
