import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import type { Libp2pOptions } from 'libp2p'
import type { CID } from 'multiformats/cid'
import { bitswapProtection } from '../../src/bitswap/index.ts'
import { type BlocksRequest, makeBlocks } from '../../src/cli/swarm/blocks.ts'
import type { Swarm } from '../../src/cli/swarm/swarm.ts'

/** Blocks fetched at once. */
const CONCURRENCY = 6

/** Longest a block may take, in ms; stock Helia takes 10 s with a frozen bystander. */
const BLOCK_LIMIT_MS = 30_000

/** What a fetch is to be like. */
export interface Fetch {
  readonly isProtected: boolean
  /** The peer that is frozen just before the first block is asked for. */
  readonly frozen: string | undefined
  /** Which peers have the blocks; all if not given. */
  readonly holders?: readonly string[]
  readonly blocks: BlocksRequest
}

/** What it took. */
export interface Fetched {
  readonly totalMs: number
  /** From when the first blocks were there (as many as are fetched at once) to the end: what came after detection. */
  readonly restMs: number
  /** Of each block, in the order they were asked for, in ms. */
  readonly latenciesMs: readonly number[]
}

/** Fetches blocks with a new node that is connected to all peers of a swarm. */
export async function fetchBlocks(swarm: Swarm, fetch: Fetch): Promise<Fetched> {
  const holders = swarm.peers.filter(({ name }) => fetch.holders?.includes(name) ?? true)
  await Promise.all(holders.map(peer => peer.addBlocks(fetch.blocks)))
  const blocks = await makeBlocks(fetch.blocks)
  const helia = await startNode(fetch.isProtected)
  const frozen = swarm.peers.find(({ name }) => name === fetch.frozen)
  try {
    await connect(helia, swarm)
    frozen?.freeze()
    return await time(
      blocks.map(({ cid }) => cid),
      cid => readBlock(helia, cid)
    )
  } finally {
    frozen?.thaw()
    await helia.stop()
  }
}

type Node = Awaited<ReturnType<typeof startNode>>

async function startNode(isProtected: boolean) {
  const common = { identify: identify(), ping: ping() }
  const services: Libp2pOptions['services'] = isProtected
    ? { ...common, protection: bitswapProtection() }
    : common
  const node = withBitswap(
    withLibp2pLight(createHeliaLight(), {
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services
    })
  )
  await node.start()
  return node
}

/** Dials all peers, and waits until Bitswap knows each. */
async function connect(helia: Node, swarm: Swarm): Promise<void> {
  const known = new Promise<void>(resolve => {
    let identified = 0
    helia.libp2p.addEventListener('peer:identify', () => {
      if (++identified === swarm.peers.length) resolve()
    })
  })
  for (const { multiaddr: address } of swarm.peers) await helia.libp2p.dial(multiaddr(address))
  await known
  // Bitswap is told right after.
  await new Promise(resolve => setTimeout(resolve, 50))
}

async function readBlock(helia: Node, cid: CID): Promise<void> {
  const parts = helia.blockstore.get(cid, { signal: AbortSignal.timeout(BLOCK_LIMIT_MS) })
  for await (const _ of parts);
}

async function time(cids: readonly CID[], read: (cid: CID) => Promise<void>): Promise<Fetched> {
  const latenciesMs: number[] = []
  const endedAt: number[] = []
  const queue = [...cids.entries()]
  const start = performance.now()
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, cid] = next
      const askedAt = performance.now()
      await read(cid)
      endedAt.push(performance.now())
      latenciesMs[index] = endedAt.at(-1)! - askedAt
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  const end = endedAt.at(-1)!
  return { totalMs: end - start, restMs: end - endedAt[CONCURRENCY - 1]!, latenciesMs }
}
