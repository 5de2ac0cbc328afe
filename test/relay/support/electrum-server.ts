import { createInterface } from 'node:readline'
import type { TLSSocket, TlsOptions } from 'node:tls'
import type { Identity } from './certificates.ts'
import { TestServer } from './tls-server.ts'

/** A request, as it came in, to be answered or not. */
export class Asked {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
  readonly socket: TLSSocket

  constructor(line: string, socket: TLSSocket) {
    const { id, method, params } = JSON.parse(line)
    this.id = id
    this.method = method
    this.params = params
    this.socket = socket
  }

  result(result: unknown): void {
    this.say({ jsonrpc: '2.0', id: this.id, result })
  }

  error(code: number, message: string): void {
    this.say({ jsonrpc: '2.0', id: this.id, error: { code, message } })
  }

  /** Sends whatever on a line. */
  say(message: unknown): void {
    this.socket.write(`${JSON.stringify(message)}\n`)
  }
}

/** What a server does when it is asked for something. */
export type Answering = (asked: Asked) => void

/** Never answers. */
export const silent: Answering = () => {}

/** An Electrum server on this machine, for one test. It knows little, and does with each method what it is told. */
export class ElectrumServer implements AsyncDisposable {
  readonly #server: TestServer
  readonly #answerings: Map<string, Answering>
  /** Everything it was asked for, in order. */
  readonly asked: Asked[] = []
  /** Connections that stand. */
  readonly sockets = new Set<TLSSocket>()

  static async start(
    identity: Identity,
    answerings: Readonly<Record<string, Answering>> = {},
    options: TlsOptions = {}
  ): Promise<ElectrumServer> {
    let started: ElectrumServer | undefined
    const server = await TestServer.start(identity, socket => started!.#serve(socket), options)
    started = new ElectrumServer(server, answerings)
    return started
  }

  private constructor(server: TestServer, answerings: Readonly<Record<string, Answering>>) {
    this.#server = server
    this.#answerings = new Map<string, Answering>([
      ['server.version', asked => asked.result(['TestServer 1.0', '1.4.2'])],
      ['server.ping', asked => asked.result(null)],
      ['blockchain.headers.subscribe', asked => asked.result({ height: 105, hex: '00' })],
      ...Object.entries(answerings)
    ])
  }

  get endpoint(): string {
    return this.#server.endpoint
  }

  /** Connections that were made. */
  get connections(): number {
    return this.#server.connections
  }

  /** What it was asked for, in order. */
  get methods(): readonly string[] {
    return this.asked.map(({ method }) => method)
  }

  on(method: string, answering: Answering): void {
    this.#answerings.set(method, answering)
  }

  /** Resolves with the last request for a method when it was asked for as often. */
  async askedFor(method: string, times = 1): Promise<Asked> {
    for (;;) {
      const found = this.asked.filter(asked => asked.method === method)
      if (found.length >= times) return found.at(-1)!
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }

  /** Notifies all who are connected. */
  notify(method: string, ...params: unknown[]): void {
    this.send(`${JSON.stringify({ jsonrpc: '2.0', method, params })}\n`)
  }

  /** Sends whatever to all who are connected. */
  send(data: string | Uint8Array): void {
    for (const socket of this.sockets) socket.write(data)
  }

  /** Ends all connections. */
  end(): void {
    for (const socket of this.sockets) socket.end()
  }

  /** Breaks all connections off. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  /** Resolves when nobody is connected any more. */
  empty(): Promise<void> {
    return this.#server.empty()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]()
  }

  #serve(socket: TLSSocket): void {
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    const lines = createInterface({ input: socket })
    lines.on('line', line => this.#onAsked(new Asked(line, socket)))
    // Errors of the socket are told here, too.
    lines.on('error', () => {})
  }

  #onAsked(asked: Asked): void {
    this.asked.push(asked)
    const answering = this.#answerings.get(asked.method)
    if (answering === undefined) asked.error(-32_601, `unknown method "${asked.method}"`)
    else answering(asked)
  }
}
