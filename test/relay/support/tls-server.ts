import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions, Server as TlsServer } from 'node:tls'
import type { Identity } from './certificates.ts'

/** A server on this machine, for one test. */
export class TestServer implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Connections that were made, TLS or not. */
  connections = 0

  /** One that speaks TLS 1.3 as `identity`, and does what it is told with each connection that stands. */
  static async start(
    { certificate, key }: Identity,
    onConnection: (socket: TLSSocket) => void = () => {},
    options: TlsOptions = {},
    port = 0
  ): Promise<TestServer> {
    const server = createServer({ cert: certificate, key, minVersion: 'TLSv1.3', ...options }, onConnection)
    // What becomes of handshakes is looked at from the other side.
    server.on('tlsClientError', () => {})
    return TestServer.#listening(server, port)
  }

  /** One that does what it is told with each TCP connection. */
  static async raw(onConnection: (socket: Socket) => void): Promise<TestServer> {
    return TestServer.#listening(
      createTcpServer(socket => {
        onConnection(socket)
        // Its end shows only to whoever reads.
        socket.resume()
      })
    )
  }

  static async #listening(server: Server, port = 0): Promise<TestServer> {
    const started = new TestServer(server)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return started
  }

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', () => this.connections++)
    // A socket below TLS must be left alone: to destroy it ends the process (Node 24.21).
    server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) =>
      this.#track(socket)
    )
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** `host:port`. */
  get endpoint(): string {
    return `127.0.0.1:${this.port}`
  }

  /** To be listened to. */
  get tls(): TlsServer {
    return this.#server as TlsServer
  }

  /** Is somebody else from the next connection on, as another server behind the same address would be. */
  become({ certificate, key }: Identity, ticketKeys: Buffer): void {
    this.tls.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.3' })
    this.tls.setTicketKeys(ticketKeys)
  }

  /** Resolves when as many connections were made. */
  async connected(count: number): Promise<void> {
    while (this.connections < count) await new Promise(resolve => setTimeout(resolve, 5))
  }

  /** Resolves when no connection stands any more. */
  async empty(): Promise<void> {
    while (this.#sockets.size > 0) await new Promise(resolve => setTimeout(resolve, 5))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

/** Sends back all that comes. */
export function echo(socket: TLSSocket): void {
  socket.pipe(socket)
}
