import { type BitswapProtectionInit, bitswapProtection } from '../bitswap/index.ts'
import { type FetchingNode, startFetchingNode } from './helia-node.ts'

type Protected = {
  readonly protection: ReturnType<typeof bitswapProtection>
}

export type ProtectedNode = FetchingNode<Protected>

/** A node that passes over peers which do not behave. */
export async function startProtectedNode(init: BitswapProtectionInit): Promise<ProtectedNode> {
  return await startFetchingNode<Protected>({ protection: bitswapProtection(init) })
}
