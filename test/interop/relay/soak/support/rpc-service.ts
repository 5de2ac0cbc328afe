import type { Identity } from '../../../../relay/support/certificates.ts'
import {
  answer,
  type Behaviour,
  drip,
  flood,
  hang,
  RpcServer,
  reset,
  say,
  tell,
  truncate
} from '../../../../relay/support/rpc-server.ts'
import type { HttpFault, ReplyFault } from './fault.ts'
import { DRIP_MS, type Service } from './service.ts'

const behaviours: Readonly<Record<ReplyFault | HttpFault, Behaviour>> = {
  'no-answer': hang,
  'close-after-request': reset,
  drip: drip(DRIP_MS),
  truncated: truncate,
  garbage: say(200, '{"result":'),
  oversized: flood,
  unavailable: say(503, 'Service Unavailable'),
  'warming-up': tell(({ id }) => ({ result: null, error: { code: -28, message: 'Loading…' }, id }), 500)
}

/** A node that tells its height, and says what it is told. */
export class RpcService implements Service {
  readonly #server: RpcServer

  static async start(identity: Identity): Promise<RpcService> {
    const methods = { getblockcount: () => 100, uptime: () => 1, echo: (said: unknown) => said }
    return new RpcService(await RpcServer.start(identity, methods))
  }

  private constructor(server: RpcServer) {
    this.#server = server
    this.misbehave(undefined)
  }

  get port(): number {
    return this.#server.port
  }

  misbehave(fault: ReplyFault | HttpFault | undefined): void {
    const behave = fault === undefined ? answer : behaviours[fault]
    this.#server.behaviour = asked => {
      // It is asked too often to keep it all.
      this.#server.asked.length = 0
      behave(asked)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]()
  }
}
