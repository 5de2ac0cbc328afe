import type { Block } from '../../src/cli/swarm/blocks.ts'
import type { Getter } from './arms.ts'

/** Blocks asked for at once, after the first one, which is asked for alone: so does a reader of a UnixFS file. */
const BATCH = 10

/** How long is waited at most. */
export interface FetchLimits {
  /** For each block, in ms. */
  readonly blockMs: number
  /** In all: blocks that were not asked for by then fail. In ms. */
  readonly totalMs: number
}

/** What came of it. */
export interface Fetched {
  readonly failed: number
  /** From the first want to the last block that came, in ms. */
  readonly timeToFetchMs: number
  /** Of each block that came, in ms, shortest first. */
  readonly latenciesMs: readonly number[]
}

/** Gets all blocks, the first one and then batch after batch. @param onDelivered - told of how many there are */
export async function fetchBlocks(
  blocks: readonly Block[],
  get: Getter,
  limits: FetchLimits,
  onDelivered: (count: number) => void
): Promise<Fetched> {
  const startMs = performance.now()
  const latenciesMs: number[] = []
  let lastMs = startMs

  async function fetch({ cid, bytes }: Block): Promise<void> {
    const askedMs = performance.now()
    if (askedMs - startMs > limits.totalMs) return
    let got: Uint8Array
    try {
      got = await get(cid, AbortSignal.timeout(limits.blockMs))
    } catch {
      return
    }
    if (Buffer.compare(got, bytes) !== 0) throw new Error(`${cid} has the wrong content`)
    lastMs = performance.now()
    latenciesMs.push(lastMs - askedMs)
    onDelivered(latenciesMs.length)
  }

  await fetch(blocks[0]!)
  for (let at = 1; at < blocks.length; at += BATCH) await Promise.all(blocks.slice(at, at + BATCH).map(fetch))
  return {
    failed: blocks.length - latenciesMs.length,
    timeToFetchMs: lastMs - startMs,
    latenciesMs: latenciesMs.toSorted((one, other) => one - other)
  }
}
