import { BlackHoleBlockstore } from 'blockstore-core'
import type { CID } from 'multiformats/cid'
import type { NumberedBlocks } from './numbered-blocks.ts'

/** Has all blocks of these names without keeping any, and keeps nothing that is put into it. */
export class NumberedBlockstore extends BlackHoleBlockstore {
  readonly #blocks: NumberedBlocks
  readonly #numbers: ReadonlyMap<string, number>

  /** @param names - of the blocks, by number */
  constructor(blocks: NumberedBlocks, names: readonly string[]) {
    super()
    this.#blocks = blocks
    this.#numbers = new Map(names.map((name, number) => [name, number]))
  }

  override has(cid: CID): boolean {
    return this.#numbers.has(cid.toString())
  }

  override *get(cid: CID): Generator<Uint8Array> {
    const number = this.#numbers.get(cid.toString())
    if (number === undefined) throw new Error(`${cid} is not one of the blocks`)
    yield this.#blocks.make(number)
  }
}
