import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { BlackHoleBlockstore } from 'blockstore-core/black-hole'
import { createHeliaLight } from 'helia'
import type { Libp2pOptions } from 'libp2p'
import { sha512 } from 'multiformats/hashes/sha2'

type Services = NonNullable<Libp2pOptions['services']>
type BuiltServices<Factories extends Services> = { [Name in keyof Factories]: ReturnType<Factories[Name]> }

/** A Helia node that only fetches, together with the services it was given. */
export type FetchingNode<Factories extends Services> = HeliaWithLibp2p<BuiltServices<Factories>>

/**
 * Starts a Helia node that talks over TCP to the peers it is told to dial and to nobody else: it listens nowhere
 * and looks for nobody. It keeps no blocks either; see `BlockReader`.
 */
export async function startFetchingNode<Factories extends Services>(
  factories: Factories
): Promise<FetchingNode<Factories>> {
  const light = createHeliaLight({ blockstore: new BlackHoleBlockstore(), hashers: [sha512] })
  const node = withBitswap(
    withLibp2pLight(light, {
      // Made here, or Helia would set up a keychain for a key that is used only once.
      privateKey: await generateKeyPair('Ed25519'),
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), ping: ping(), ...factories }
    })
  )
  await node.start()
  return node as unknown as FetchingNode<Factories>
}
