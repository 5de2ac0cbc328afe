import { setTimeout as sleep } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, test, vi } from 'vitest'
import { makeBlocks } from '../../src/cli/swarm/blocks.ts'
import { BITSWAP } from './support/client.ts'
import { ClientChild, lasting, type Traces } from './support/client-child.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 120_000 })

/** Ten thousand take five times as long, and do not show more. */
const CONNECTIONS = 2_000

const VISITORS = 100

const AT_ONCE = 20

/** Each connection may leave this many bytes: less than what is kept of one. Collecting leaves half of it behind or not. */
const MAX_GROWTH_BYTES = CONNECTIONS * 1_000

test('thousands of connections leave nothing behind', async () => {
  await using client = new ClientChild()
  const maxTargets = 50
  const address = multiaddr(await client.call('start', { maxTargets }))
  const visitors = await Promise.all(Array.from({ length: VISITORS }, () => Visitor.start()))
  // So that each of them is sent something.
  const [missing] = await makeBlocks({ seed: 1, count: 1, sizeBytes: 100 })
  const wanted = client.call('get', missing!.cid.toString(), 10 * 60_000).catch(() => {})
  const round = async () => {
    for (let at = 0; at < VISITORS; at += AT_ONCE) {
      await Promise.all(visitors.slice(at, at + AT_ONCE).map(visitor => visitor.call(address)))
    }
    await until(async () => (await client.call('connections')) === 0, 'all connections are closed')
  }
  // All peers are known to the node after the first; what it knows of them takes room of its own.
  await round()
  await round()
  const before = await settled(client)
  for (let done = 2; done < CONNECTIONS / VISITORS; done++) await round()
  // What libp2p's time limits hold on to, of the last connections, goes with them.
  await until(async () => {
    const { heapBytes } = await settled(client)
    return heapBytes - before.heapBytes < MAX_GROWTH_BYTES
  }, 'the heap is as it was')
  const after = await client.call('traces')
  // What is left stands in for methods of the connection manager, the registrar, and twice the connection gater.
  expect(await client.call('census')).toEqual({ links: 0, overrides: 4, readers: 0, deferredStreams: 0 })
  expect(after.records).toBeLessThanOrEqual(maxTargets)
  expect(lasting(after)).toEqual(lasting(before))
  await Promise.all(visitors.map(({ node }) => node.stop()))
  await client[Symbol.asyncDispose]()
  await wanted
})

/** What is left when the heap shrinks no more. */
async function settled(client: ClientChild): Promise<Traces> {
  // It collects more than the garbage collector does by itself, such as code that is not needed any more.
  await client.call('census')
  let earlier = await client.call('traces')
  for (;;) {
    await sleep(1_000)
    const traces = await client.call('traces')
    if (traces.heapBytes > earlier.heapBytes - 100_000) return traces
    earlier = traces
  }
}

/** Somebody who connects, is told what is wanted, and leaves. */
class Visitor {
  readonly node: Libp2p
  #isTold = Promise.withResolvers<void>()

  static async start(): Promise<Visitor> {
    const node = await createLibp2p({
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false },
      services: { identify: identify() }
    })
    const visitor = new Visitor(node)
    await node.handle(BITSWAP, async stream => {
      for await (const _ of stream) visitor.#isTold.resolve()
      await stream.close()
    })
    return visitor
  }

  private constructor(node: Libp2p) {
    this.node = node
  }

  async call(address: Multiaddr): Promise<void> {
    this.#isTold = Promise.withResolvers()
    const connection = await this.node.dial(address)
    await this.#isTold.promise
    await connection.close()
  }
}
