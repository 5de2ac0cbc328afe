import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { seededRandom } from '../harness.ts'
import { BITSWAP } from './answer-stream.ts'
import { makeContent } from './content.ts'
import type { FaultPlan } from './fault.ts'
import type { PeerStats, PeerTask } from './peer-commands.ts'
import { delays, Responder } from './responder.ts'

/** As many as Helia asks for. */
const MAX_STREAMS = 1_024

/** All clients are on one host, where libp2p would take 5 connections per second. */
const MAX_CLIENTS = 10_000

/** A libp2p node whose Bitswap answers as its task demands. It talks to nobody who did not connect to it. */
export class FaultyPeer {
  readonly #libp2p: Libp2p
  #responder = new Responder([], { kind: 'none' }, () => 0)

  /** @param address - to listen on, without port */
  static async start(address: string): Promise<FaultyPeer> {
    const libp2p = await createLibp2p({
      addresses: { listen: [`/ip4/${address}/tcp/0`] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionManager: {
        inboundConnectionThreshold: MAX_CLIENTS,
        maxIncomingPendingConnections: MAX_CLIENTS,
        maxConnections: MAX_CLIENTS
      },
      services: { identify: identify() }
    })
    const peer = new FaultyPeer(libp2p)
    const options = { maxInboundStreams: MAX_STREAMS, maxOutboundStreams: MAX_STREAMS }
    await libp2p.handle(BITSWAP, (stream, connection) => peer.#accept(stream, connection), options)
    return peer
  }

  private constructor(libp2p: Libp2p) {
    this.#libp2p = libp2p
  }

  /** Where it can be dialled, with its peer id. */
  get multiaddr(): string {
    return this.#libp2p.getMultiaddrs()[0]!.toString()
  }

  async begin({ content, held, fault, delayMs, delaySeed, bytesPerS }: PeerTask): Promise<void> {
    const all = await makeContent(content)
    const own = held === undefined ? all : held.map(number => all[number]!)
    this.#responder = new Responder(own, fault, delays(delayMs, seededRandom(delaySeed)), bytesPerS)
  }

  setFault(fault: FaultPlan): void {
    this.#responder.setFault(fault)
  }

  stats(): PeerStats {
    return { ...this.#responder.stats, connections: this.#libp2p.getConnections().length }
  }

  async #accept(stream: Stream, connection: Connection): Promise<void> {
    try {
      // Answers go over other streams.
      await stream.close()
      await this.#responder.read(stream, connection)
    } catch (error) {
      stream.abort(error as Error)
    }
  }
}
