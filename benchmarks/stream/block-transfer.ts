import type { SessionBlockstore } from '@helia/interface'
import { CID } from 'multiformats/cid'
import { type Cost, costOf } from './cost.ts'
import type { NumberedBlocks } from './numbered-blocks.ts'

/** Blocks fetched at once. */
const CONCURRENCY = 16

/** Longest a block may take, in ms. */
const BLOCK_LIMIT_MS = 10_000

/** Blocks of consecutive numbers. */
export interface BlockRange {
  readonly firstNumber: number
  /** In the order of their numbers. */
  readonly names: readonly string[]
}

type Source = Pick<SessionBlockstore, 'get'>

/** Fetches all blocks of a range. @returns what it cost, and how many did not come, or were not what they should be */
export async function transferBlocks(
  source: Source,
  blocks: NumberedBlocks,
  { firstNumber, names }: BlockRange
): Promise<Cost> {
  const queue = names.map(name => CID.parse(name)).entries()
  let arrived = 0
  /** Ends with the first failure, so that a peer that is gone is not waited for a thousand times. */
  const fetchAll = async (): Promise<void> => {
    for (const [index, cid] of queue) {
      const bytes = await fetchBlock(source, cid)
      if (bytes === undefined || !blocks.isBlock(bytes, firstNumber + index)) return
      arrived++
    }
  }
  const cost = await costOf(async () => {
    await Promise.all(Array.from({ length: CONCURRENCY }, fetchAll))
  })
  return { ...cost, failed: names.length - arrived }
}

async function fetchBlock(source: Source, cid: CID): Promise<Uint8Array | undefined> {
  try {
    const parts: Uint8Array[] = []
    for await (const part of source.get(cid, { signal: AbortSignal.timeout(BLOCK_LIMIT_MS) }))
      parts.push(part)
    return parts.length === 1 ? parts[0] : Buffer.concat(parts)
  } catch (error) {
    console.error(`${cid} did not come: ${error}`)
    return undefined
  }
}
