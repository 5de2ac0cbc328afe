import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'

/** Which blocks are meant. The first ones of a greater `count` are the same. */
export interface BlocksRequest {
  /** Another whole number means other blocks. */
  readonly seed: number
  readonly count: number
  /** Size of each block. With fewer than 8 bytes two of them may be alike, and then they are one. */
  readonly sizeBytes: number
}

/** A block and its name: CID version 1, raw codec, SHA-256. */
export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

/** Makes blocks that are the same in each process, so that nobody has to ask a peer what it has. */
export async function makeBlocks({ seed, count, sizeBytes }: BlocksRequest): Promise<Block[]> {
  const nextWord = seededWords(seed)
  const contents = Array.from({ length: count }, () => fill(sizeBytes, nextWord))
  return Promise.all(
    contents.map(async bytes => ({ cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes }))
  )
}

/** Makes the content of a file: the same for the same seed, in each process. */
export function makeBytes({ seed, sizeBytes }: { seed: number; sizeBytes: number }): Uint8Array {
  return fill(sizeBytes, seededWords(seed))
}

function fill(sizeBytes: number, nextWord: () => number): Uint8Array {
  const words = Uint32Array.from({ length: Math.ceil(sizeBytes / 4) }, nextWord)
  return new Uint8Array(words.buffer, 0, sizeBytes)
}

/** Pseudo-random numbers of 32 bits that repeat, by the mulberry32 generator. */
function seededWords(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}
