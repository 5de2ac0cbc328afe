import { BitswapPeer } from './bitswap-peer.ts'
import type { PeerCommands } from './peer-commands.ts'
import { serveCommands } from './serve-commands.ts'

// The program that a peer of a swarm is, in a process of its own; `SwarmPeer` runs it.

const { promise: started, resolve: onStarted } = Promise.withResolvers<BitswapPeer>()

serveCommands<PeerCommands>({
  async start(setup) {
    const peer = await BitswapPeer.start(setup)
    onStarted(peer)
    return peer.port
  },
  addBlocks: async request => (await started).addBlocks(request),
  addFile: async request => (await started).addFile(request),
  setFault: async fault => (await started).setFault(fault),
  stats: async () => (await started).stats()
})
