import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { kadDHT } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { serveCommands } from '../../../src/cli/swarm/serve-commands.ts'
import { BITSWAP } from './client.ts'
import { type DhtCommands, localDht } from './dht-peer.ts'

// A server of a DHT in a process of its own; `DhtPeer` runs it.

serveCommands<DhtCommands>({
  async start({ isResetting = false, neighbours = [] }) {
    const node = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), ping: ping(), dht: kadDHT({ ...localDht, clientMode: false }) }
    })
    if (isResetting) await node.handle(BITSWAP, stream => stream.abort(new Error('a fault on purpose')))
    for (const neighbour of neighbours) await node.dial(multiaddr(neighbour))
    return { peerId: node.peerId.toString(), multiaddr: node.getMultiaddrs()[0]!.toString() }
  }
})
