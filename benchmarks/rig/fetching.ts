import { setTimeout as sleep } from 'node:timers/promises'
import { unixfs } from '@helia/unixfs'
import type { CID } from 'multiformats/cid'
import type { Block } from '../../src/cli/swarm/blocks.ts'
import type { Getter } from './arms.ts'
import type { Workload } from './workload.ts'

/** Blocks of a list asked for at once, after the first one, which is asked for alone: so does a reader of a UnixFS file. */
const BATCH = 10

/** How long is waited at most. */
export interface FetchLimits {
  /** For each block, in ms. */
  readonly blockMs: number
  /** In all: blocks that were not asked for by then fail. In ms. */
  readonly totalMs: number
  /** After so long no more of a list are asked for, and those that are left are not missed. In ms. */
  readonly enoughMs?: number
}

/** What came of it. */
export interface Fetched {
  readonly failed: number
  /** From the first want to the last block that came, in ms. */
  readonly timeToFetchMs: number
  /** Of each block that came, in ms, shortest first. */
  readonly latenciesMs: readonly number[]
  /** When each of them came, in ms since the first want. */
  readonly deliveredMs: readonly number[]
  readonly deliveredBytes: number
}

/** Gets all blocks. @param onDelivered - told of how many there are */
export async function fetchContent(
  { isFile = false, pauseMs }: Workload,
  blocks: readonly Block[],
  get: Getter,
  limits: FetchLimits,
  onDelivered: (count: number) => void
): Promise<Fetched> {
  const fetch = new Fetch(get, limits, onDelivered)
  if (isFile) await fetch.file(blocks)
  else await fetch.list(blocks, pauseMs)
  return fetch.result()
}

class Fetch {
  readonly #get: Getter
  readonly #limits: FetchLimits
  readonly #onDelivered: (count: number) => void
  readonly #startMs = performance.now()
  readonly #latenciesMs: number[] = []
  readonly #deliveredMs: number[] = []
  #deliveredBytes = 0
  #wanted = 0

  constructor(get: Getter, limits: FetchLimits, onDelivered: (count: number) => void) {
    this.#get = get
    this.#limits = limits
    this.#onDelivered = onDelivered
  }

  /** The first one, and then batch after batch. */
  async list(blocks: readonly Block[], pauseMs: number | undefined): Promise<void> {
    const fetch = (batch: readonly Block[]) => {
      this.#wanted += batch.length
      return Promise.all(batch.map(block => this.#block(block)))
    }
    await fetch(blocks.slice(0, 1))
    const { enoughMs = Infinity } = this.#limits
    for (let at = 1; at < blocks.length && performance.now() - this.#startMs < enoughMs; at += BATCH) {
      await fetch(blocks.slice(at, at + BATCH))
      if (pauseMs !== undefined) await sleep(pauseMs)
    }
  }

  /** As an application reads a file: its root, and then all leaves at once. One that is lost ends it. */
  async file(blocks: readonly Block[]): Promise<void> {
    this.#wanted = blocks.length
    const byCid = new Map(blocks.map(block => [block.cid.toString(), block]))
    const asked: Array<Promise<boolean>> = []
    const fetch = async (block: Block): Promise<Uint8Array> => {
      const isThere = this.#block(block)
      asked.push(isThere)
      if (await isThere) return block.bytes
      throw new Error(`${block.cid} did not come`)
    }
    const blockstore = {
      async *get(cid: CID) {
        yield await fetch(byCid.get(cid.toString())!)
      }
    }
    try {
      // Only read: nothing is put.
      for await (const _ of unixfs({ blockstore: blockstore as never }).cat(blocks[0]!.cid));
    } catch {
      // What did not come is counted.
    }
    await Promise.all(asked)
  }

  result(): Fetched {
    return {
      failed: this.#wanted - this.#latenciesMs.length,
      timeToFetchMs: this.#deliveredMs.at(-1) ?? 0,
      latenciesMs: this.#latenciesMs.toSorted((one, other) => one - other),
      deliveredMs: this.#deliveredMs,
      deliveredBytes: this.#deliveredBytes
    }
  }

  /** Returns whether it came. */
  async #block({ cid, bytes }: Block): Promise<boolean> {
    const askedMs = performance.now()
    if (askedMs - this.#startMs > this.#limits.totalMs) return false
    let got: Uint8Array
    try {
      got = await this.#get(cid, AbortSignal.timeout(this.#limits.blockMs))
    } catch {
      return false
    }
    if (Buffer.compare(got, bytes) !== 0) throw new Error(`${cid} has the wrong content`)
    const nowMs = performance.now()
    this.#latenciesMs.push(nowMs - askedMs)
    this.#deliveredMs.push(nowMs - this.#startMs)
    this.#deliveredBytes += bytes.length
    this.#onDelivered(this.#latenciesMs.length)
    return true
  }
}
