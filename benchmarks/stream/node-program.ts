import { setTimeout as sleep } from 'node:timers/promises'
import type { PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import { CountingClock } from '../../test/integration/support/counting-clock.ts'
import { transferBlocks } from './block-transfer.ts'
import { cpuTakenMs, settle } from './cost.ts'
import type { NodeCommands, NodeSetup } from './node-commands.ts'
import { NumberedBlocks } from './numbered-blocks.ts'
import { NumberedBlockstore } from './numbered-blockstore.ts'
import { download, exchangeEchoes, servePlainProtocols } from './plain-protocol.ts'
import { type StreamNode, startStreamNode } from './stream-node.ts'
import { countWatchedPeers, findTraces, usedBytesNow } from './traces.ts'
import { makeVisits } from './visitor.ts'

// The program that a node is, in a process of its own, so that its CPU and its memory can be told; `NodeChild` runs it.

/** Longest a connection may take, in ms. */
const CONNECT_LIMIT_MS = 10_000

const clock = new CountingClock()

let node: StreamNode
let blocks: NumberedBlocks
let chunks: number
let provider: PeerId
let session: ReturnType<StreamNode['helia']['blockstore']['createSession']>

serveCommands<NodeCommands>({
  start,
  async connect(address) {
    const signal = AbortSignal.timeout(CONNECT_LIMIT_MS)
    const connection = await node.libp2p.dial(multiaddr(address), { signal })
    provider = connection.remotePeer
    session = node.helia.blockstore.createSession(provider.toCID(), { providers: [multiaddr(address)] })
    await knowsBitswapOf(provider)
  },
  transferBlocks: range => transferBlocks(session, blocks, range),
  download: () => download(node.libp2p, provider, blocks.make(0), chunks),
  exchangeEchoes: count => exchangeEchoes(node.libp2p, provider, count),
  async settle() {
    await settle()
    return cpuTakenMs()
  },
  cpuTakenMs,
  // What stands in for a method has a name of its own.
  guardedConnections: () =>
    node.libp2p.getConnections().filter(({ newStream }) => newStream.name !== 'newStream').length,
  memory: async () => ({
    usedBytes: await usedBytesNow(),
    peakBytes: process.resourceUsage().maxRSS * 1024
  }),
  wantInVain(name) {
    const drain = async () => {
      for await (const _ of node.helia.blockstore.get(CID.parse(name)));
    }
    // It ends with the node.
    drain().catch(() => {})
  },
  connections: () => node.libp2p.getConnections().length,
  traces: () => findTraces(node, clock),
  watchedPeers: countWatchedPeers,
  makeVisits
})

async function start(setup: NodeSetup): Promise<string> {
  blocks = new NumberedBlocks(setup.seed)
  chunks = setup.chunks
  node = await startStreamNode({
    guard: setup.guard,
    blockstore: new NumberedBlockstore(blocks, setup.names),
    ...(setup.negotiationLimitMs !== undefined && { negotiationLimitMs: setup.negotiationLimitMs }),
    // Timers are not counted where that would be part of what is measured.
    ...(setup.maxTargets !== undefined && { protection: { maxTargets: setup.maxTargets }, core: { clock } })
  })
  await servePlainProtocols(node.libp2p, blocks.make(0), chunks)
  return node.libp2p.getMultiaddrs()[0]!.toString()
}

/** Waits until identify has told what the peer speaks. */
async function knowsBitswapOf(peer: PeerId): Promise<void> {
  const signal = AbortSignal.timeout(CONNECT_LIMIT_MS)
  for (;;) {
    signal.throwIfAborted()
    const { protocols } = await node.libp2p.peerStore.get(peer)
    if (protocols.length > 0) return
    await sleep(10)
  }
}
