import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import type { CID } from 'multiformats/cid'
import {
  type BitswapProtectionInit,
  type BitswapProtectionManager,
  bitswapProtection,
  protectBitswap
} from '../../src/bitswap/index.ts'

/**
 * Who fetches: a session of stock Helia; stock Helia asking all it is connected to; both on a node with the service; a
 * session with `protectBitswap`.
 */
export type Arm = 'session' | 'broadcast' | 'service-session' | 'service-broadcast' | 'protected'

/** Longest until all peers are connected and identified, in ms. */
const CONNECT_LIMIT_MS = 10_000

/** A new node that gets blocks, without any of its own. */
export interface Client extends AsyncDisposable {
  /** Only of the arms with the service. */
  readonly protection: BitswapProtectionManager | undefined
  /**
   * Readies it to get blocks from these providers, the first one first. Bystanders are connected, and no more.
   *
   * @param isConnected - whether the providers are connected before they are asked; who asks everybody is in any case
   */
  open(
    root: CID,
    providers: readonly string[],
    bystanders: readonly string[],
    isConnected: boolean
  ): Promise<Getter>
}

export type Getter = (cid: CID, signal: AbortSignal) => Promise<Uint8Array>

export async function startClient(arm: Arm, options?: BitswapProtectionInit): Promise<Client> {
  const hasService = arm === 'service-session' || arm === 'service-broadcast' || arm === 'protected'
  const isBroadcast = arm === 'broadcast' || arm === 'service-broadcast'
  const protection = hasService ? { protection: bitswapProtection(options) } : {}
  const helia = withBitswap(
    withLibp2pLight(createHeliaLight(), {
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), ...protection }
    })
  )
  if (arm === 'protected') protectBitswap(helia)
  await helia.start()
  const services = helia.libp2p.services as { readonly protection?: BitswapProtectionManager }

  async function connect(peers: readonly string[]): Promise<void> {
    if (peers.length === 0) return
    const { promise: identified, resolve, reject } = Promise.withResolvers<void>()
    let count = 0
    helia.libp2p.addEventListener('peer:identify', () => {
      if (++count === peers.length) resolve()
    })
    const signal = AbortSignal.timeout(CONNECT_LIMIT_MS)
    signal.addEventListener('abort', () => reject(signal.reason))
    await Promise.all(peers.map(peer => helia.libp2p.dial(multiaddr(peer), { signal })))
    await identified
    // Bitswap is told right after.
    await new Promise(setImmediate)
  }

  return {
    protection: services.protection,
    async open(root, providers, bystanders, isConnected) {
      await connect(isBroadcast || isConnected ? [...providers, ...bystanders] : bystanders)
      const blockstore = isBroadcast
        ? helia.blockstore
        : helia.blockstore.createSession(root, { providers: inTurn(arm, providers).map(multiaddr) })
      return async (cid, signal) => {
        const parts: Uint8Array[] = []
        for await (const part of blockstore.get(cid, { signal })) parts.push(part)
        return Buffer.concat(parts)
      }
    },
    async [Symbol.asyncDispose]() {
      await helia.stop()
    }
  }
}

/** A stock session turns to the last of its providers first (`AbstractSession.findProviders` pops them). */
function inTurn(arm: Arm, providers: readonly string[]): readonly string[] {
  return arm === 'protected' ? providers : providers.toReversed()
}
