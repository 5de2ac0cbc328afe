import type { PeerId } from '@libp2p/interface'
import { BaseBlockstore } from 'blockstore-core/base'
import type { CID } from 'multiformats/cid'
import { Turns } from './turns.ts'

/** Where blocks come from: the part of Helia this needs. */
export interface BlockSource {
  get(
    cid: CID,
    options: { signal: AbortSignal; onProgress(event: { type: string; detail?: unknown }): void }
  ): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** A block that has just arrived. */
export interface ArrivedBlock {
  readonly bytes: number
  /** From asking until having it. */
  readonly tookMs: number
  /** Who sent it; `undefined` if it came from nobody, its CID being its contents. */
  readonly sender: string | undefined
}

/** Bytes of blocks kept, in case the file repeats them. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024

/**
 * The blocks of a file as its reader wants them: each asked for once, however often it occurs in the file.
 *
 * That is not only for speed. Bitswap as it is never answers somebody who asks for the same block twice in a short
 * time, and Helia misses an answer that two ask for at once.
 *
 * Nor can it be left to the reader to ask for a few at a time: the limit of the UnixFS exporter is lost for good when
 * two blocks arrive together.
 */
export class BlockReader extends BaseBlockstore {
  readonly #source: BlockSource
  readonly #signal: AbortSignal
  readonly #onBlock: (block: ArrivedBlock) => void
  readonly #turns: Turns
  readonly #wanted = new Map<string, Promise<Uint8Array>>()
  /** The longest unused first. */
  readonly #kept = new Map<string, Uint8Array>()
  #keptBytes = 0

  /** @param atOnce - how many blocks to ask for at the same time */
  constructor(
    source: BlockSource,
    atOnce: number,
    signal: AbortSignal,
    onBlock: (block: ArrivedBlock) => void
  ) {
    super()
    this.#turns = new Turns(atOnce)
    this.#source = source
    this.#signal = signal
    this.#onBlock = onBlock
  }

  override async *get(cid: CID): AsyncGenerator<Uint8Array> {
    const key = cid.toString()
    const kept = this.#kept.get(key)
    if (kept !== undefined) this.#keep(key, kept)
    yield kept ?? (await this.#fetchOnce(cid, key))
  }

  #fetchOnce(cid: CID, key: string): Promise<Uint8Array> {
    const running = this.#wanted.get(key)
    if (running !== undefined) return running
    const fetching = this.#turns.run(() => this.#fetch(cid, key)).finally(() => this.#wanted.delete(key))
    this.#wanted.set(key, fetching)
    return fetching
  }

  async #fetch(cid: CID, key: string): Promise<Uint8Array> {
    const askedAt = performance.now()
    let sender: string | undefined
    const parts: Uint8Array[] = []
    const onProgress = ({ type, detail }: { type: string; detail?: unknown }): void => {
      if (type === 'bitswap:block') sender = (detail as { sender: PeerId }).sender.toString()
    }
    for await (const part of this.#source.get(cid, { signal: this.#signal, onProgress })) parts.push(part)
    const block = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    this.#keep(key, block)
    this.#onBlock({ bytes: block.length, tookMs: performance.now() - askedAt, sender })
    return block
  }

  #keep(key: string, block: Uint8Array): void {
    if (!this.#kept.delete(key)) this.#keptBytes += block.length
    this.#kept.set(key, block)
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes <= MAX_KEPT_BYTES) break
      this.#kept.delete(oldest)
      this.#keptBytes -= length
    }
  }
}
