import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { Reachable } from './client.ts'

const HOST = '127.0.0.1'

/** One more way to a peer: the connections that go this way can be ended without the peer, or whoever dialled it. */
export class Relay implements AsyncDisposable, Reachable {
  readonly peerId: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(peer: Reachable): Promise<Relay> {
    const relay = new Relay(peer)
    relay.#server.listen(0, HOST)
    await once(relay.#server, 'listening')
    return relay
  }

  private constructor(peer: Reachable) {
    this.peerId = peer.peerId
    const port = Number(multiaddr(peer.multiaddr).getComponents()[1]!.value)
    this.#server = createServer(client => {
      const target = connect(port, HOST)
      client.pipe(target).pipe(client)
      this.#keep(client)
      this.#keep(target)
    })
  }

  get multiaddr(): string {
    return `/ip4/${HOST}/tcp/${(this.#server.address() as AddressInfo).port}/p2p/${this.peerId}`
  }

  /** To each end it seems that the other has closed the connection. */
  close(): void {
    for (const socket of this.#sockets) socket.end()
  }

  /** To each end it seems that the connection broke. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    // Each end of a connection that breaks learns of it by itself.
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket))
  }
}
