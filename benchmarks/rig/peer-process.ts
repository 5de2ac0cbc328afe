import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import { FaultyPeer } from './faulty-peer.ts'
import type { PeerCommands } from './peer-commands.ts'

// The program that a peer of the rig is, in a process of its own; `RigPeer` runs it.

const { promise: started, resolve: onStarted } = Promise.withResolvers<FaultyPeer>()

serveCommands<PeerCommands>({
  async start(address) {
    const peer = await FaultyPeer.start(address)
    onStarted(peer)
    return peer.multiaddr
  },
  begin: async task => (await started).begin(task),
  setFault: async fault => (await started).setFault(fault),
  stats: async () => (await started).stats()
})
