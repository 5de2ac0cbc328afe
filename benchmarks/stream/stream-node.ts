import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import type { BaseBlockstore } from 'blockstore-core'
import { createHeliaLight } from 'helia'
import {
  type BitswapProtectionInit,
  type BitswapProtectionManager,
  bitswapProtection,
  protectBitswap
} from '../../src/bitswap/index.ts'
import type { CoreComponents } from '../../src/core/index.ts'

/** What a node has: nothing of this library; the service; the service, and `protectBitswap` to fetch blocks. */
export type Guard = 'none' | 'service' | 'protectBitswap'

export interface NodePlan {
  readonly guard: Guard
  readonly blockstore: BaseBlockstore
  /** How long protocols of streams may be negotiated, in ms; as long as libp2p has it if not given. */
  readonly negotiationLimitMs?: number
  readonly protection?: BitswapProtectionInit
  readonly core?: CoreComponents
}

export type StreamNode = Awaited<ReturnType<typeof startStreamNode>>

/** A stock Helia node on 127.0.0.1 that takes as many connections as come. */
export async function startStreamNode({ guard, blockstore, negotiationLimitMs, protection, core }: NodePlan) {
  let events: TypedEventTarget<Libp2pEvents> | undefined
  const services = {
    identify: identify(),
    // What the service listens to as well; the node does not show it.
    observer: (components: { readonly events: TypedEventTarget<Libp2pEvents> }) => {
      events = components.events
      return {}
    }
  }
  const guarded = { ...services, protection: bitswapProtection(protection, core) }
  const helia = withBitswap(
    withLibp2pLight(createHeliaLight({ blockstore }), {
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionManager: {
        inboundConnectionThreshold: 10_000,
        maxIncomingPendingConnections: 1_000,
        ...(negotiationLimitMs !== undefined && {
          inboundStreamProtocolNegotiationTimeout: negotiationLimitMs,
          outboundStreamProtocolNegotiationTimeout: negotiationLimitMs
        })
      },
      services: guard === 'none' ? services : guarded
    })
  )
  if (guard === 'protectBitswap') protectBitswap(helia)
  await helia.start()
  const started = helia.libp2p.services as { readonly protection?: BitswapProtectionManager }
  return { helia, libp2p: helia.libp2p, protection: started.protection, events: events! }
}
