import { CID } from 'multiformats/cid'
import type { ManagedBlocks } from '../../management/index.ts'
import type { ServingNode } from './serving-node.ts'

/** The blocks of a node, and those its peers have. */
export function managedBlocks(node: ServingNode): ManagedBlocks {
  return {
    isCid(text) {
      try {
        return CID.parse(text) !== undefined
      } catch {
        return false
      }
    },
    async get(cid, signal) {
      const parts: Uint8Array[] = []
      for await (const part of node.blockstore.get(CID.parse(cid), { signal })) parts.push(part)
      return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    }
  }
}
