import { expect, test, vi } from 'vitest'
import { defaultInboundOptions } from '../../src/bitswap/index.ts'
import { makeBlocks } from '../../src/cli/swarm/blocks.ts'
import type { Mode } from '../../src/core/index.ts'
import { Client, type Reachable } from './support/client.ts'
import { type FloodLoad, LoadChild } from './support/load-child.ts'
import { until } from './support/waiting.ts'

// A node with the service serves by stock Bitswap, and is flooded with lists of wants it has no block for, each of
// 1,024: the longest that Bitswap keeps of a peer.

vi.setConfig({ testTimeout: 120_000 })

const WANTS = 1_024

/** One is let in, and the others are not enough to be disconnected for. */
const LISTS = 9

/** What a list costs, in ms of a peer's budget: 4 s. */
const LIST_MS = (WANTS * (1 + defaultInboundOptions.missCost) * 1_000) / defaultInboundOptions.wantsPerS

/** A quarter of what Helia waits for a block. Without the guard the node takes longer than that whole time. */
const SLOWEST_MS = 7_500

let seed = 1_000

/** A node that serves, and counts for which blocks it looks. */
class Server implements AsyncDisposable, Reachable {
  readonly client: Client
  readonly lookedFor = new Set<string>()
  #lookups = 0

  static async start(mode: Mode): Promise<Server> {
    const client = await Client.start({
      protection: { mode },
      libp2p: {
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
        // All peers are on one host.
        connectionManager: { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1_000 }
      }
    })
    return new Server(client)
  }

  private constructor(client: Client) {
    this.client = client
    const { blockstore } = client.helia
    const has = blockstore.has.bind(blockstore)
    blockstore.has = (cid, options) => {
      this.#lookups++
      this.lookedFor.add(cid.toString())
      return has(cid, options)
    }
  }

  get peerId(): string {
    return this.client.libp2p.peerId.toString()
  }

  get multiaddr(): string {
    return this.client.libp2p.getMultiaddrs()[0]!.toString()
  }

  get connections(): number {
    return this.client.libp2p.getConnections().length
  }

  /** Waits until it has been quiet for a while. */
  async atRest(): Promise<void> {
    let lookups = -1
    let sinceMs = performance.now()
    await until(() => {
      if (lookups !== this.#lookups) sinceMs = performance.now()
      lookups = this.#lookups
      return performance.now() - sinceMs > 500
    }, 'the server has looked for all it was asked for')
  }

  /** Has blocks nobody has seen before fetched from it; returns how long each took, in ms. */
  async serve(honest: LoadChild, count: number): Promise<number[]> {
    const blocks = { seed: ++seed, count, sizeBytes: 20_000 }
    for (const { cid, bytes } of await makeBlocks(blocks)) await this.client.helia.blockstore.put(cid, bytes)
    const { peerId, multiaddr } = this
    return honest.call('fetch', { server: { peerId, multiaddr }, blocks, concurrency: 1 })
  }

  flood(load: Omit<FloodLoad, 'server' | 'wants'>): FloodLoad {
    const { peerId, multiaddr } = this
    return { ...load, server: { peerId, multiaddr }, wants: WANTS }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
  }
}

/** For how many blocks the server looks, of those asked for by a flood that ends, and how long that took, in ms. */
async function lookedForIn(mode: Mode): Promise<{ missed: number; elapsedMs: number }> {
  await using server = await Server.start(mode)
  await using flooder = new LoadChild()
  const load = server.flood({ peers: 5, lists: LISTS, pauseMs: 1_000 })
  await flooder.call('connect', load)
  const startedAt = performance.now()
  expect(await flooder.call('flood', load)).toMatchObject({ lists: 5 * LISTS })
  await server.atRest()
  return { missed: server.lookedFor.size, elapsedMs: performance.now() - startedAt }
}

test('a peer has the server look for as much as its budget allows; in mode observe for all', async () => {
  const enforced = await lookedForIn('enforce')
  const listsEach = (defaultInboundOptions.burstMs + enforced.elapsedMs) / LIST_MS
  expect(enforced.missed).toBeGreaterThanOrEqual(5 * WANTS)
  expect(enforced.missed).toBeLessThanOrEqual(5 * listsEach * WANTS)
  // Helia drops some of what comes while it has too much to do.
  const observed = await lookedForIn('observe')
  expect(observed.missed).toBeGreaterThan(1.5 * enforced.missed)
})

test('while 100 peers flood the server, an honest one gets all its blocks, and soon; they are shut out', async () => {
  await using server = await Server.start('enforce')
  await using flooder = new LoadChild()
  await using honest = new LoadChild()
  await server.serve(honest, 10)
  const load = server.flood({ peers: 100, lists: 60, pauseMs: 1_000 })
  await flooder.call('connect', load)
  server.lookedFor.clear()
  const flooded = flooder.call('flood', load)
  flooded.catch(() => {})
  await until(() => server.lookedFor.size >= 8 * WANTS, 'the flood is under way')
  const elapsedMs = await server.serve(honest, 40)
  expect(Math.max(...elapsedMs)).toBeLessThan(SLOWEST_MS)
  await until(() => server.connections === 0, 'those who go on are disconnected', 60_000)
  // They come back again and again.
  const lookedFor = server.lookedFor.size
  expect(Math.max(...(await server.serve(honest, 40)))).toBeLessThan(SLOWEST_MS / 5)
  await until(() => server.connections === 0, 'the honest one has left')
  expect(server.lookedFor.size - lookedFor).toBeLessThan(WANTS)
  await flooder.call('endFlood')
  expect((await flooded).lists).toBeGreaterThan(100)
})
