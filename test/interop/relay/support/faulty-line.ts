import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A line to somebody on 127.0.0.1, which can break, or fall silent. */
export class FaultyLine implements AsyncDisposable {
  readonly #to: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port = 0
  #isSilent = false

  /** @param to - port it leads to */
  static async start(to: number): Promise<FaultyLine> {
    const line = new FaultyLine(to)
    await line.#listen()
    return line
  }

  private constructor(to: number) {
    this.#to = to
    this.#server = createServer(socket => this.#onConnection(socket))
  }

  /** `host:port`. */
  get endpoint(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** Resets all connections, and refuses others. */
  async break(): Promise<void> {
    for (const socket of this.#sockets) socket.resetAndDestroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Lets nothing through any more, in either direction; connections are still accepted. */
  silence(): void {
    this.#isSilent = true
    for (const socket of this.#sockets) socket.unpipe().pause()
  }

  /** Ends either; what was silent is broken off. */
  async mend(): Promise<void> {
    this.#isSilent = false
    for (const socket of this.#sockets) socket.resetAndDestroy()
    if (!this.#server.listening) await this.#listen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  #onConnection(socket: Socket): void {
    this.#track(socket)
    if (this.#isSilent) return
    const beyond = connect(this.#to, '127.0.0.1')
    this.#track(beyond)
    socket.pipe(beyond).pipe(socket)
    socket.once('close', () => beyond.destroy())
    beyond.once('close', () => socket.destroy())
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
