import type { BitswapWantProgressEvents } from '@helia/bitswap'
import type { CID } from 'multiformats/cid'

/** What happens while a block is fetched: the events of stock Bitswap, and those of the routing and of libp2p's dialling. */
export type FetchProgress = BitswapWantProgressEvents

type Type = FetchProgress['type']
type Detail<Name extends Type> = Extract<FetchProgress, { type: Name }>['detail']

/** Who is told what happens. */
export interface ProgressListener {
  /** @param progressOf - what is told to who asked for the block by this CID; only made if anybody listens */
  tell(progressOf: (cid: CID) => FetchProgress): void
}

export const nobody: ProgressListener = Object.freeze({ tell() {} })

export function progress<Name extends Type>(type: Name, detail: Detail<Name>): FetchProgress {
  return new CustomEvent<unknown>(type, { detail }) as FetchProgress
}
