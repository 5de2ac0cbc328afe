import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { LineFault } from './fault.ts'

/**
 * Where fronts are. Connections are made from 127.0.0.1: so none takes the port of a front that listens no more and will again.
 */
export const FRONT_HOST = '127.0.0.2'

/** What a server says of itself in its handshake, with its certificate, is longer, in bytes. */
const HALF_HANDSHAKE_BYTES = 300

/** Stands before servers of this process, and passes bytes on to one of them, both ways; unless something is wrong. */
export class FaultyFront implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target: number
  #port: number
  #fault: LineFault | undefined

  /** @param port - its own; any if 0 */
  static async start(target: number, port: number): Promise<FaultyFront> {
    const front = new FaultyFront(target, port)
    await front.#listen()
    return front
  }

  private constructor(target: number, port: number) {
    this.#target = target
    this.#port = port
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, socket => this.#onConnection(socket))
  }

  get port(): number {
    return this.#port
  }

  /** Passes on to this server from now on. What leads to another is reset. */
  leadTo(target: number): void {
    if (target !== this.#target) this.#resetAll()
    this.#target = target
  }

  /** Resolves when it is so. */
  async fail(fault: LineFault): Promise<void> {
    this.#fault = fault
    this.#resetAll()
    if (fault !== 'refuse') return
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Nothing is wrong from the next connection on. Those that nothing was said on stay as they are. */
  async heal(): Promise<void> {
    this.#fault = undefined
    if (!this.#server.listening) await this.#listen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fail('refuse')
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, FRONT_HOST)
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  #resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  #onConnection(socket: Socket): void {
    this.#track(socket)
    if (this.#fault === 'hang') return
    if (this.#fault === 'no-handshake') socket.resume()
    else this.#passOn(socket, this.#fault === 'half-handshake')
  }

  #passOn(socket: Socket, isBrokenOff: boolean): void {
    const onward = connect({ port: this.#target, host: '127.0.0.1', noDelay: true })
    this.#track(onward)
    socket.once('close', () => onward.destroy())
    onward.once('close', () => socket.destroy())
    socket.pipe(onward)
    if (isBrokenOff) onward.once('data', bytes => socket.end(bytes.subarray(0, HALF_HANDSHAKE_BYTES)))
    else onward.pipe(socket)
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    // The other side may break it off at any time.
    socket.on('error', () => {})
  }
}
