import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { makeBytes } from '../../src/cli/swarm/blocks.ts'

export const BLOCK_BYTES = 256 * 1024

/**
 * Any number of blocks, made when they are needed, so that nobody has to keep a GiB of them: all of the same random bytes
 * but for the first four, which are the block's number.
 */
export class NumberedBlocks {
  readonly #template: Uint8Array

  /** @param seed - another whole number means other blocks */
  constructor(seed: number) {
    this.#template = makeBytes({ seed, sizeBytes: BLOCK_BYTES })
  }

  make(number: number): Uint8Array {
    const bytes = this.#template.slice()
    new DataView(bytes.buffer).setUint32(0, number)
    return bytes
  }

  /** Whether these bytes are the block of this number. */
  isBlock(bytes: Uint8Array, number: number): boolean {
    if (bytes.length !== BLOCK_BYTES) return false
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    return view.getUint32(0) === number && Buffer.compare(bytes.subarray(4), this.#template.subarray(4)) === 0
  }

  /** The names of the first blocks. Takes a second for a GiB: so it is done once, for all processes. */
  async name(count: number): Promise<string[]> {
    const names: string[] = []
    for (let number = 0; number < count; number++) {
      const digest = await sha256.digest(this.make(number))
      names.push(CID.createV1(raw.code, digest).toString())
    }
    return names
  }
}
