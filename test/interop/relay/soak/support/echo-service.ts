import type { TLSSocket } from 'node:tls'
import type { Identity } from '../../../../relay/support/certificates.ts'
import { TestServer } from '../../../../relay/support/tls-server.ts'
import type { HttpFault, ReplyFault } from './fault.ts'
import { DRIP_MS, type Service } from './service.ts'

type Reply = (socket: TLSSocket, bytes: Buffer) => void

const replies: Readonly<Record<ReplyFault, Reply>> = {
  'no-answer': () => {},
  'close-after-request': socket => socket.destroy(),
  drip: (socket, bytes) => {
    let sent = 0
    const timer = setInterval(() => {
      socket.write(bytes.subarray(sent, ++sent))
      if (sent === bytes.length) clearInterval(timer)
    }, DRIP_MS)
    socket.once('close', () => clearInterval(timer))
  },
  truncated: (socket, bytes) => socket.end(bytes.subarray(0, bytes.length / 2)),
  garbage: (socket, bytes) => socket.write(bytes.map(byte => byte ^ 0xff)),
  oversized: (socket, bytes) => socket.write(Buffer.concat([bytes, bytes]))
}

/** A relay that sends back all that comes. */
export class EchoService implements Service {
  readonly #server: TestServer
  readonly #reply: { now: Reply }

  static async start(identity: Identity): Promise<EchoService> {
    const reply: { now: Reply } = { now: echo }
    const server = await TestServer.start(identity, socket => {
      socket.on('data', bytes => reply.now(socket, bytes))
    })
    return new EchoService(server, reply)
  }

  private constructor(server: TestServer, reply: { now: Reply }) {
    this.#server = server
    this.#reply = reply
  }

  get port(): number {
    return this.#server.port
  }

  misbehave(fault: ReplyFault | HttpFault | undefined): void {
    this.#reply.now = fault === undefined ? echo : replies[fault as ReplyFault]
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]()
  }
}

function echo(socket: TLSSocket, bytes: Buffer): void {
  socket.write(bytes)
}
