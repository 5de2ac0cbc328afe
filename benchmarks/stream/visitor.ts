import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const BITSWAP = '/ipfs/bitswap/1.2.0'

/** Those who come again and again; and how many are there at the same time. */
const REGULARS = 100
const AT_ONCE = 20

/** Longest a visit may take, in ms. */
const VISIT_LIMIT_MS = 20_000

/** Peers that connect to a node, are told what it wants, and leave. */
export interface Visits {
  /** Of the node. */
  readonly address: string
  readonly count: number
  /** Whether each is somebody who was never there; otherwise the same few come again and again. */
  readonly areNew: boolean
}

const regulars: Visitor[] = []

export async function makeVisits({ address, count, areNew }: Visits): Promise<void> {
  const target = multiaddr(address)
  while (!areNew && regulars.length < REGULARS) regulars.push(await Visitor.start())
  for (let made = 0; made < count; made += AT_ONCE) {
    const turns = Array.from({ length: Math.min(AT_ONCE, count - made) }, (_, index) => made + index)
    await Promise.all(
      turns.map(turn => (areNew ? visitOnce(target) : regulars[turn % REGULARS]!.visit(target)))
    )
  }
}

async function visitOnce(target: Multiaddr): Promise<void> {
  const visitor = await Visitor.start()
  await visitor.visit(target)
  await visitor.stop()
}

class Visitor {
  readonly #libp2p: Libp2p
  #isTold = Promise.withResolvers<void>()

  static async start(): Promise<Visitor> {
    const libp2p = await createLibp2p({
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false },
      services: { identify: identify() }
    })
    const visitor = new Visitor(libp2p)
    await libp2p.handle(BITSWAP, async stream => {
      for await (const _ of stream) visitor.#isTold.resolve()
      await stream.close()
    })
    return visitor
  }

  private constructor(libp2p: Libp2p) {
    this.#libp2p = libp2p
  }

  async visit(target: Multiaddr): Promise<void> {
    this.#isTold = Promise.withResolvers()
    const limit = setTimeout(() => this.#isTold.reject(new Error('Nothing was wanted')), VISIT_LIMIT_MS)
    const connection = await this.#libp2p.dial(target, { signal: AbortSignal.timeout(VISIT_LIMIT_MS) })
    try {
      await this.#isTold.promise
      await connection.close()
    } finally {
      clearTimeout(limit)
    }
  }

  async stop(): Promise<void> {
    await this.#libp2p.stop()
  }
}
