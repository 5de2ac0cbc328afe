import type { Content } from './content.ts'

/** What is fetched, and from how many. */
export interface Workload {
  readonly peers: number
  readonly blocks: number
  readonly sizeBytes: number
  /** Whether the blocks are the leaves of a UnixFS file, which is read; a flat list if not. */
  readonly isFile?: boolean
  /** Which of the blocks each peer has; all if not given. */
  readonly distribution?: Distribution
  /** How long peers take for an answer, in ms, one after the other of them; each takes 10 if not given. */
  readonly delaysMs?: readonly number[]
  /** How much each peer can send; no matter if not given. */
  readonly bytesPerS?: number
  /** Between two batches, in ms. */
  readonly pauseMs?: number
}

/**
 * Distributions of boxo's benchmarks (`bitswap/benchmarks_test.go`), whose overlaps are of two peers: here each peer is one of
 * the two.
 *
 * - `overlap1`: one has the first three quarters, the other the last three quarters
 * - `overlap2`: one has the even ones, the other the odd ones, both have each third one
 * - `onePeerPerBlock`: each block is with one peer, by chance
 */
export type Distribution = 'overlap1' | 'overlap2' | 'onePeerPerBlock'

const DELAY_MS = 10

/** Delays as far from each other as peers are in one place, one country, and the world, and on a bad line. */
export const DELAY_TIERS_MS: readonly number[] = [10, 60, 200, 800]

export function contentOf({ blocks, sizeBytes, isFile = false }: Workload, seed: number): Content {
  return { seed, count: blocks, sizeBytes, ...(isFile && { isFile }) }
}

/** Blocks there are in all: a file has a root. */
export function blockCount({ blocks, isFile = false }: Workload): number {
  return isFile ? blocks + 1 : blocks
}

/** @param rank - of a peer among all, by chance */
export function delayOf({ delaysMs = [DELAY_MS] }: Workload, rank: number): number {
  return delaysMs[rank % delaysMs.length]!
}

/**
 * The numbers of the blocks that each peer has.
 *
 * @param ranks - of the peers, by chance: those of even rank are one of two, the others the other
 */
export function holdings(
  distribution: Distribution,
  count: number,
  ranks: readonly number[],
  random: () => number
): number[][] {
  const numbers = Array.from({ length: count }, (_, number) => number)
  if (distribution === 'onePeerPerBlock') {
    const holders = numbers.map(() => Math.floor(random() * ranks.length))
    return ranks.map((_, peer) => numbers.filter(number => holders[number] === peer))
  }
  return ranks.map(rank => numbers.filter(number => isHeld[distribution](number, count, rank % 2)))
}

type Overlap = Exclude<Distribution, 'onePeerPerBlock'>

const isHeld: Readonly<Record<Overlap, (number: number, count: number, side: number) => boolean>> = {
  overlap1: (number, count, side) => (side === 0 ? number < 0.75 * count : number >= 0.25 * count),
  overlap2: (number, _, side) => number % 3 === 0 || number % 2 === side
}
