import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { type ServingNode, startServingNode } from '../../src/cli/serve/serving-node.ts'
import { makeBlocks } from '../../src/cli/swarm/blocks.ts'
import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import { type ManagedBitswap, ManagementServer } from '../../src/management/index.ts'
import { SecureChannel } from '../../src/relay/index.ts'
import { History } from '../../src/telemetry/index.ts'
import type { ManagedCommands } from './commands.ts'

// A node and a channel with the server that shows them, in a process of their own.

/** A fetch, and a read, is begun each so many ms, however long those before take. */
const EVERY_MS = 20

/** Longest a fetch may take, in ms. */
const LIMIT_MS = 15_000

let node: ServingNode
let channel: SecureChannel

serveCommands<ManagedCommands>({
  async start({ peers, endpoint, root, knownPeers, authToken }) {
    node = await startServingNode([], undefined, {})
    for (const peer of peers) await node.libp2p.dial(multiaddr(peer))
    const { protection } = node.libp2p.services
    for (let count = 0; count < knownPeers; count++)
      await protection.executeRequest(peerIdFromPrivateKey(await generateKeyPair('Ed25519')), () => {})
    channel = new SecureChannel({ primaryNodes: [endpoint], tls: { roots: [root] } })
    await channel.start()
    const bitswap = protection as unknown as ManagedBitswap
    const history = new History({ bitswap: [bitswap], channels: [channel] })
    history.start()
    const server = new ManagementServer({ bitswap, channels: [channel], history }, { port: 0, authToken })
    await server.start()
    return server.url!
  },

  async work(request, durationMs) {
    const cids = (await makeBlocks(request)).map(({ cid }) => cid)
    const fetchesMs: number[] = []
    const readsMs: number[] = []
    let failed = 0
    const begin = async (tookMs: number[], act: () => Promise<unknown>): Promise<void> => {
      const startedAtMs = performance.now()
      try {
        await act()
        tookMs.push(performance.now() - startedAtMs)
      } catch {
        failed++
      }
    }
    const underWay: Array<Promise<void>> = []
    const endsAtMs = performance.now() + durationMs
    for (let cid = cids.shift(); cid !== undefined && performance.now() < endsAtMs; cid = cids.shift()) {
      const wanted = cid
      underWay.push(
        begin(fetchesMs, () => fetchBlock(wanted)),
        begin(readsMs, () => channel.getBlockHeight())
      )
      await sleep(EVERY_MS)
    }
    await Promise.all(underWay)
    return { fetchesMs, readsMs, failed }
  },

  memory() {
    globalThis.gc!()
    const { heapUsed, rss } = process.memoryUsage()
    return { heapMb: heapUsed / 1e6, rssMb: rss / 1e6 }
  }
})

async function fetchBlock(cid: CID): Promise<void> {
  for await (const _ of node.blockstore.get(cid, { signal: AbortSignal.timeout(LIMIT_MS) }));
}
