import { once } from 'node:events'
import {
  createServer as createClearServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse
} from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Identity } from './certificates.ts'

/** What a node is asked, as it comes. */
export interface RpcMessage {
  readonly jsonrpc?: string
  readonly id: unknown
  readonly method: string
  readonly params: readonly unknown[]
}

/** Does what it is asked, or throws a {@link Refusal}. */
export type Method = (...params: unknown[]) => unknown

/** What a method throws, to be told to whoever asked. */
export class Refusal extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** What a server does with one request over HTTP. */
export type Behaviour = (asked: Asked) => void

/** Does what a node does. */
export const answer: Behaviour = asked => asked.send(200, asked.answer())

/** Never answers. */
export const hang: Behaviour = () => {}

/** Breaks the connection off. */
export const reset: Behaviour = ({ response }) => response.socket!.destroy()

/** Answers, and closes the connection after it, as btcd does; only its end tells where the answer ends. */
export const answerAndClose: Behaviour = asked => {
  const head = 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n'
  asked.response.socket!.end(head + asked.answer())
}

/** Breaks the connection off in the middle of the answer. */
export const truncate: Behaviour = asked => {
  const body = asked.answer()
  asked.response.writeHead(200, { 'content-length': body.length })
  asked.response.write(body.slice(0, body.length / 2), () => asked.response.socket!.destroy())
}

/** Answers with any status and body: that of a proxy, say. */
export function say(status: number, body: string): Behaviour {
  return asked => asked.send(status, body)
}

/** Answers with what is made of the request. */
export function tell(reply: (message: RpcMessage) => unknown, status = 200): Behaviour {
  return asked => asked.send(status, JSON.stringify(reply(asked.messages[0]!)))
}

/** Answers byte by byte, one each so many ms, as long as anybody listens. */
export function drip(everyMs: number): Behaviour {
  return asked => {
    const body = asked.answer()
    asked.response.writeHead(200, { 'content-length': body.length })
    let sent = 0
    const timer = setInterval(() => {
      asked.response.write(body[sent++])
      if (sent === body.length) asked.response.end()
    }, everyMs)
    const stop = (): void => clearInterval(timer)
    asked.response.once('close', stop).once('finish', stop)
  }
}

/** Answers without end, as long as anybody listens. */
export const flood: Behaviour = ({ response }) => {
  const chunk = Buffer.alloc(16 * 1024, ' ')
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', pour)
  pour()
}

/** One request over HTTP. */
export class Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** What was sent, as it was. */
  readonly body: string
  /** One, or those of a batch. */
  readonly messages: readonly RpcMessage[]
  readonly isBatch: boolean
  readonly response: ServerResponse
  readonly #methods: Readonly<Record<string, Method>>

  constructor(response: ServerResponse, body: string, methods: Readonly<Record<string, Method>>) {
    const { method, url, headers } = response.req
    const parsed: unknown = JSON.parse(body)
    this.method = method!
    this.path = url!
    this.headers = headers
    this.body = body
    this.isBatch = Array.isArray(parsed)
    this.messages = (this.isBatch ? parsed : [parsed]) as RpcMessage[]
    this.response = response
    this.#methods = methods
  }

  /** What a node answers: as bcoin does, in JSON-RPC 1.0. */
  answer(): string {
    const replies = this.messages.map(message => this.#reply(message))
    return JSON.stringify(this.isBatch ? replies : replies[0])
  }

  send(status: number, body: string): void {
    this.response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  }

  #reply({ id, method, params }: RpcMessage): unknown {
    try {
      return { result: this.#run(method, params), error: null, id }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { result: null, error: { code: error.code, message: error.message }, id }
    }
  }

  #run(method: string, params: readonly unknown[]): unknown {
    if (!Object.hasOwn(this.#methods, method)) throw new Refusal(-32_601, 'Method not found')
    return this.#methods[method]!(...params) ?? null
  }
}

/** A node's JSON-RPC over HTTP, for one test, on this machine. */
export class RpcServer implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #behaviours: Record<string, Behaviour> = {}
  /** What it does with every request. Can be changed at any time. */
  behaviour: Behaviour = answer
  /** What it was asked, in order. */
  readonly asked: Asked[] = []
  /** Connections that were made. */
  connections = 0

  /** Over TLS 1.3. @param options - of the server, such as `keepAliveTimeout` (ms; it is told clients), `requestCert`, and its port */
  static async start(
    { certificate, key }: Identity,
    methods: Readonly<Record<string, Method>> = {},
    { port = 0, ...options }: ServerOptions & { readonly port?: number } = {}
  ): Promise<RpcServer> {
    const server = createServer({ cert: certificate, key, minVersion: 'TLSv1.3', ...options })
    // What becomes of handshakes is looked at from the other side.
    server.on('tlsClientError', () => {})
    return new RpcServer(server, 'secureConnection', methods).#listen(port)
  }

  /** In the clear. */
  static async startClear(methods: Readonly<Record<string, Method>> = {}): Promise<RpcServer> {
    return new RpcServer(createClearServer(), 'connection', methods).#listen(0)
  }

  private constructor(
    server: Server,
    connection: 'connection' | 'secureConnection',
    methods: Readonly<Record<string, Method>>
  ) {
    this.#server = server
    server.on(connection, (socket: Socket) => this.#track(socket))
    server.on('request', (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => this.#onAsked(new Asked(response, Buffer.concat(chunks).toString(), methods)))
    })
  }

  async #listen(port: number): Promise<this> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** `host:port`. */
  get endpoint(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Connections that stand. */
  get open(): number {
    return this.#sockets.size
  }

  /** What it was asked for, in order. */
  get methods(): string[] {
    return this.asked.flatMap(({ messages }) => messages.map(({ method }) => method))
  }

  /** What it does with requests for one method, unlike with others; the first one of a batch counts. */
  on(method: string, behaviour: Behaviour): void {
    this.#behaviours[method] = behaviour
  }

  /** Ends connections that stand: politely, as one does that were idle for too long. */
  endAll(): void {
    for (const socket of this.#sockets) socket.end()
  }

  /** Resolves when it was asked so many times. */
  async wasAsked(times: number): Promise<void> {
    while (this.asked.length < times) await new Promise(resolve => setTimeout(resolve, 2))
  }

  /** Resolves when so many connections stand. */
  async hasOpen(count: number): Promise<void> {
    while (this.open !== count) await new Promise(resolve => setTimeout(resolve, 2))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #onAsked(asked: Asked): void {
    this.asked.push(asked)
    const behaviour = this.#behaviours[asked.messages[0]!.method] ?? this.behaviour
    behaviour(asked)
  }

  #track(socket: Socket): void {
    this.connections++
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
