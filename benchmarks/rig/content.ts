import { unixfs } from '@helia/unixfs'
import { MemoryBlockstore } from 'blockstore-core'
import type { CID } from 'multiformats/cid'
import { type Block, type BlocksRequest, makeBlocks, makeBytes } from '../../src/cli/swarm/blocks.ts'

/** Which blocks peers have. */
export interface Content extends BlocksRequest {
  /** Whether they are the leaves of one UnixFS file. Its root is one more block, the first. */
  readonly isFile?: boolean
}

/** Runs of one seed follow each other, and to make blocks takes longer than to fetch them. */
let last: { readonly key: string; readonly blocks: Promise<Block[]> } | undefined

/** The same blocks in each process. */
export function makeContent(content: Content): Promise<readonly Block[]> {
  const key = JSON.stringify(content)
  if (last?.key !== key)
    last = { key, blocks: content.isFile === true ? makeFile(content) : makeBlocks(content) }
  return last.blocks
}

async function makeFile({ seed, count, sizeBytes }: Content): Promise<Block[]> {
  const blockstore = new Recorder()
  const bytes = makeBytes({ seed, sizeBytes: count * sizeBytes })
  const leaves = Array.from({ length: count }, (_, leaf) =>
    bytes.subarray(leaf * sizeBytes, (leaf + 1) * sizeBytes)
  )
  // They have the size of a leaf already.
  await unixfs({ blockstore }).addByteStream(streamOf(leaves), { chunker: source => source })
  // The root comes last, when it is known what it links to.
  return [blockstore.blocks.at(-1)!, ...blockstore.blocks.slice(0, -1)]
}

async function* streamOf(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

/** Remembers in which order blocks come. */
class Recorder extends MemoryBlockstore {
  readonly blocks: Block[] = []

  override put(...[cid, value]: Parameters<MemoryBlockstore['put']>): CID {
    if (!(value instanceof Uint8Array)) throw new TypeError('A file is made of whole blocks')
    this.blocks.push({ cid, bytes: value })
    return cid
  }
}
