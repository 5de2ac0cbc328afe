import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * What is wrong with a front:
 *
 * - `reset`: connections are reset, and refused
 * - `mute`: those that stand are reset, new ones are accepted, and nothing is ever said on them: no handshake of TLS ends
 */
export type FrontFault = 'none' | 'reset' | 'mute'

/** Stands before a port of 127.0.0.1, and passes bytes on, both ways; unless something is wrong with it. */
export class Front implements AsyncDisposable {
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  /** Connections that nothing was said on yet. */
  readonly #held = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  #fault: FrontFault = 'none'

  static async start(target: number): Promise<Front> {
    const front = new Front(target)
    await front.#listen()
    return front
  }

  private constructor(target: number) {
    this.#target = target
  }

  get port(): number {
    return this.#port
  }

  /** Resolves when it is so. What was accepted and not answered goes on when nothing is wrong any more. */
  async setFault(fault: FrontFault): Promise<void> {
    this.#fault = fault
    if (fault === 'none') {
      await this.#listen()
      for (const socket of this.#held) this.#passOn(socket)
      this.#held.clear()
      return
    }
    if (fault === 'reset') this.#stopListening()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.setFault('reset')
  }

  /** On the same port again, if it had one. */
  async #listen(): Promise<void> {
    if (this.#server !== undefined) return
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, socket => this.#onConnection(socket))
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  #stopListening(): void {
    this.#server?.close()
    this.#server = undefined
  }

  #onConnection(socket: Socket): void {
    this.#track(socket)
    if (this.#fault === 'none') this.#passOn(socket)
    else {
      this.#held.add(socket)
      socket.once('close', () => this.#held.delete(socket))
    }
  }

  #passOn(socket: Socket): void {
    const onward = connect({ port: this.#target, host: '127.0.0.1', noDelay: true })
    this.#track(onward)
    socket.once('close', () => onward.destroy())
    onward.once('close', () => socket.destroy())
    socket.pipe(onward).pipe(socket)
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    // The other side may break it off at any time.
    socket.on('error', () => {})
  }
}
