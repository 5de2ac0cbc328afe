import { mkdir, opendir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { AbortOptions } from '@libp2p/interface'
import { BaseBlockstore } from 'blockstore-core/base'
import { FsBlockstore } from 'blockstore-fs'
import type { CID } from 'multiformats/cid'

const YOUNG = 'young'
const OLD = 'old'

type Pair = Awaited<ReturnType<ReturnType<BaseBlockstore['getAll']>['next']>>['value']
type BlockData = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * Blocks on disk, of which those go that nobody has asked for of late when there are too many. They are in two generations: when
 * the younger one has half of what is allowed it becomes the older one, and what that was is gone. What is read of the older one
 * is in the younger one again. So the half of what is allowed that was asked for last is there, and of the rest a part.
 */
export class KeptBlocks extends BaseBlockstore {
  readonly #directory: string
  readonly #maxYoungBytes: number
  readonly #young: FsBlockstore
  readonly #old: FsBlockstore
  /** What the younger one has, at least: what is deleted is counted until it becomes the older one. */
  #youngBytes: number
  /** What changes the generations is done one after the other. */
  #last: Promise<unknown> = Promise.resolve()

  /** @param maxBytes - what all blocks together may have; what the file system takes for a file is not counted */
  static async open(directory: string, maxBytes: number): Promise<KeptBlocks> {
    const young = join(directory, YOUNG)
    await mkdir(young, { recursive: true })
    return new KeptBlocks(directory, maxBytes, await sizeOf(young))
  }

  private constructor(directory: string, maxBytes: number, youngBytes: number) {
    super()
    this.#directory = directory
    this.#maxYoungBytes = maxBytes / 2
    this.#young = new FsBlockstore(join(directory, YOUNG))
    this.#old = new FsBlockstore(join(directory, OLD))
    this.#youngBytes = youngBytes
  }

  override async has(cid: CID, options?: AbortOptions): Promise<boolean> {
    return (await this.#young.has(cid, options)) || (await this.#old.has(cid, options))
  }

  override async put(cid: CID, data: BlockData, options?: AbortOptions): Promise<CID> {
    const bytes = await collect(data)
    return this.#inTurn(() => this.#keep(cid, bytes, options))
  }

  override async *get(cid: CID, options?: AbortOptions): AsyncGenerator<Uint8Array> {
    const young = await collect(this.#young.get(cid, options)).catch(() => undefined)
    yield young ?? (await this.#getOld(cid, options))
  }

  override async delete(cid: CID, options?: AbortOptions): Promise<void> {
    await this.#inTurn(async () => {
      await this.#young.delete(cid, options)
      await this.#old.delete(cid, options)
    })
  }

  override async *getAll(options?: AbortOptions): AsyncGenerator<Pair> {
    yield* this.#young.getAll(options)
    yield* this.#old.getAll(options)
  }

  async #getOld(cid: CID, options: AbortOptions | undefined): Promise<Uint8Array> {
    const bytes = await collect(this.#old.get(cid, options))
    // It is there, even if it cannot be kept for longer.
    await this.#inTurn(() => this.#keep(cid, bytes, options)).catch(() => {})
    return bytes
  }

  async #keep(cid: CID, bytes: Uint8Array, options: AbortOptions | undefined): Promise<CID> {
    if (await this.#young.has(cid, options)) return cid
    if (this.#youngBytes + bytes.length > this.#maxYoungBytes) await this.#age()
    await this.#young.put(cid, bytes, options)
    this.#youngBytes += bytes.length
    return cid
  }

  async #age(): Promise<void> {
    const [young, old] = [join(this.#directory, YOUNG), join(this.#directory, OLD)]
    await rm(old, { recursive: true, force: true })
    await rename(young, old)
    await mkdir(young)
    this.#youngBytes = 0
  }

  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const changed = this.#last.then(change)
    this.#last = changed.catch(() => {})
    return changed
  }
}

async function sizeOf(directory: string): Promise<number> {
  let bytes = 0
  for await (const entry of await opendir(directory, { recursive: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  }
  return bytes
}

async function collect(data: BlockData): Promise<Uint8Array> {
  if (data instanceof Uint8Array) return data
  const parts: Uint8Array[] = []
  for await (const part of data) parts.push(part)
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
