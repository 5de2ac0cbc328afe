import { unixfs } from '@helia/unixfs'
import type { CID } from 'multiformats/cid'
import { BlockReader, type BlockSource } from '../block-reader.ts'
import { messageOf } from '../command-error.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { BLOCKS_AT_ONCE } from './settings.ts'

/** How far a reader has come. */
export interface ReadingState {
  readonly blocks: number
  readonly longestMs: number
  /** Since the last block, or the start. */
  readonly idleMs: number
  /** How it ended: `undefined` while it is under way. */
  readonly ending: 'DONE' | 'STOPPED' | undefined
}

/** One node reading one file, watched. */
export class Reading {
  /** How long each block took, in ms, from asking until having it. */
  readonly timesMs: number[] = []
  readonly blocksFrom = new Map<string, number>()
  #startedAt = performance.now()
  #lastBlockAt = this.#startedAt
  #longestMs = 0
  #endedAt: number | undefined
  /** Why it could not be read to the end. */
  failure: string | undefined
  bytes = 0

  get state(): ReadingState {
    return {
      blocks: this.timesMs.length,
      longestMs: this.#longestMs,
      idleMs: (this.#endedAt ?? performance.now()) - this.#lastBlockAt,
      ending: this.#endedAt === undefined ? undefined : this.failure === undefined ? 'DONE' : 'STOPPED'
    }
  }

  get durationMs(): number {
    return (this.#endedAt ?? performance.now()) - this.#startedAt
  }

  /** Reads the file to its end. Resolves also if that fails. */
  async run(blocks: BlockSource, cid: CID, signal: AbortSignal): Promise<void> {
    this.#startedAt = performance.now()
    this.#lastBlockAt = this.#startedAt
    const blockstore = new BlockReader(blocks, BLOCKS_AT_ONCE, signal, ({ tookMs, sender }) => {
      this.#note(tookMs, sender)
    })
    try {
      // An aborted `get` of stock Helia may take ten seconds to say so.
      await unlessAborted(this.#readAll(blockstore, cid, signal), signal)
    } catch (error) {
      this.failure = messageOf(error)
    }
    this.#endedAt = performance.now()
  }

  async #readAll(blockstore: BlockReader, cid: CID, signal: AbortSignal): Promise<void> {
    for await (const bytes of unixfs({ blockstore }).cat(cid, { signal })) this.bytes += bytes.length
  }

  #note(tookMs: number, sender: string | undefined): void {
    if (this.#endedAt !== undefined) return
    this.#lastBlockAt = performance.now()
    this.#longestMs = Math.max(this.#longestMs, tookMs)
    this.timesMs.push(tookMs)
    if (sender !== undefined) this.blocksFrom.set(sender, (this.blocksFrom.get(sender) ?? 0) + 1)
  }
}
