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
 * Who fetches: a session of stock Helia; stock Helia asking all it is connected to; a session of stock Helia on a node with
 * the service; a session with `protectBitswap`.
 */
export type Arm = 'session' | 'broadcast' | 'service' | 'protected'

/** Longest until all providers are connected and identified, in ms. */
const CONNECT_LIMIT_MS = 10_000

/** A new node that gets blocks, without any of its own. */
export interface Client extends AsyncDisposable {
  /** Only of the arms with the service. */
  readonly protection: BitswapProtectionManager | undefined
  /** Readies it to get blocks from these providers, the first one first. */
  open(root: CID, providers: readonly string[]): Promise<Getter>
}

export type Getter = (cid: CID, signal: AbortSignal) => Promise<Uint8Array>

export async function startClient(arm: Arm, options?: BitswapProtectionInit): Promise<Client> {
  const hasService = arm === 'service' || arm === 'protected'
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

  async function connect(providers: readonly string[]): Promise<void> {
    const { promise: identified, resolve, reject } = Promise.withResolvers<void>()
    let count = 0
    helia.libp2p.addEventListener('peer:identify', () => {
      if (++count === providers.length) resolve()
    })
    const signal = AbortSignal.timeout(CONNECT_LIMIT_MS)
    signal.addEventListener('abort', () => reject(signal.reason))
    await Promise.all(providers.map(provider => helia.libp2p.dial(multiaddr(provider), { signal })))
    await identified
    // Bitswap is told right after.
    await new Promise(setImmediate)
  }

  return {
    protection: services.protection,
    async open(root, providers) {
      if (arm === 'broadcast') await connect(providers)
      const blockstore =
        arm === 'broadcast'
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
  return arm === 'session' || arm === 'service' ? providers.toReversed() : providers
}
