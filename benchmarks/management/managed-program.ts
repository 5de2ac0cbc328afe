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

/** Fetches, and reads, at once. */
const AT_ONCE = 4

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
    const endsAtMs = performance.now() + durationMs
    const fetchesMs: number[] = []
    const readsMs: number[] = []
    const failed = await Promise.all([
      ...loops(fetchesMs, endsAtMs, () => {
        const cid = cids.shift()
        return cid && fetchBlock(cid)
      }),
      ...loops(readsMs, endsAtMs, () => channel.getBlockHeight())
    ])
    return { fetchesMs, readsMs, failed: failed.reduce((sum, count) => sum + count, 0) }
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

/** Does something again and again, a few times at once. Each resolves to how often it failed. */
function loops(
  tookMs: number[],
  endsAtMs: number,
  act: () => Promise<unknown> | undefined
): Array<Promise<number>> {
  const loop = async (): Promise<number> => {
    let failed = 0
    while (performance.now() < endsAtMs) {
      const startedAtMs = performance.now()
      const acting = act()
      if (acting === undefined) break
      await acting.then(
        () => tookMs.push(performance.now() - startedAtMs),
        () => failed++
      )
    }
    return failed
  }
  return Array.from({ length: AT_ONCE }, loop)
}
