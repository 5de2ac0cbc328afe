import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p'
import { type Identify, identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createHeliaLight } from 'helia'
import { BITSWAP, type Reachable } from './client.ts'

/** A protocol of its own, which sends back what it gets: it stands for whatever else peers speak. */
export const ECHO = '/bitswap-protection/echo/1.0.0'

type Services = { identify: Identify; ping: Ping }

/**
 * A whole Helia node in this process, on 127.0.0.1, that can be told to abort each Bitswap stream opened to it. Other
 * than the peers of a swarm it wants blocks itself, and speaks one more protocol.
 */
export class LocalPeer implements AsyncDisposable, Reachable {
  readonly helia: HeliaWithLibp2p<Services>
  isResetting = false
  /** Bitswap streams others have opened. */
  inboundStreams = 0

  static async start(): Promise<LocalPeer> {
    let registrar: Registrar | undefined
    const helia = withBitswap(
      withLibp2pLight(createHeliaLight(), {
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        services: {
          identify: identify(),
          ping: ping(),
          observer: (components: { registrar: Registrar }) => {
            registrar = components.registrar
            return {}
          }
        }
      })
    )
    await helia.start()
    const peer = new LocalPeer(helia as unknown as HeliaWithLibp2p<Services>)
    await peer.#interpose(registrar!)
    await peer.libp2p.handle(ECHO, async stream => {
      for await (const bytes of stream) stream.send(bytes)
      await stream.close()
    })
    return peer
  }

  private constructor(helia: HeliaWithLibp2p<Services>) {
    this.helia = helia
  }

  get libp2p(): Libp2p<Services> {
    return this.helia.libp2p
  }

  get peerId(): string {
    return this.libp2p.peerId.toString()
  }

  get multiaddr(): string {
    return this.libp2p.getMultiaddrs()[0]!.toString()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.helia.stop()
  }

  async #interpose(registrar: Registrar): Promise<void> {
    const { handler, options } = registrar.getHandler(BITSWAP)
    await registrar.handle(
      BITSWAP,
      (stream, connection) => {
        this.inboundStreams++
        if (this.isResetting) stream.abort(new Error('a fault on purpose'))
        else return handler(stream, connection)
      },
      { ...options, force: true }
    )
  }
}
