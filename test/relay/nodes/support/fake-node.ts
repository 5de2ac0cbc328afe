import type { ManualClock } from '../../../../src/core/index.ts'
import type { NodeClient } from '../../../../src/relay/nodes/node-client.ts'
import { RpcError, type RpcReply, type RpcRequest } from '../../../../src/relay/protocols/rpc.ts'

/** What a node does with whatever it is asked. */
export type Conduct = 'answers' | 'is silent' | { readonly fails: () => Error }

/** A node in virtual time. */
export class FakeNode implements NodeClient {
  readonly endpoint: string
  conduct: Conduct = 'answers'
  /** What it does with single methods. */
  readonly methods = new Map<string, Conduct>()
  readonly results = new Map<string, unknown>()
  latencyMs = 5
  chain = 100
  connections = 0
  isClosed = false
  disconnects = 0
  /** Methods it was asked for, checks apart. */
  readonly asked: string[] = []
  pings = 0
  readonly #clock: ManualClock

  constructor(endpoint: string, clock: ManualClock) {
    this.endpoint = endpoint
    this.#clock = clock
  }

  async call({ method, params }: RpcRequest, signal: AbortSignal): Promise<unknown> {
    this.asked.push(method)
    return this.#answer(
      method,
      signal,
      () => this.results.get(method) ?? `${method}(${params ?? ''}) of ${this.endpoint}`
    )
  }

  async callAll(requests: readonly RpcRequest[], signal: AbortSignal): Promise<RpcReply[]> {
    return Promise.all(
      requests.map(async request => {
        try {
          return { result: await this.call(request, signal) }
        } catch (error) {
          if (error instanceof RpcError) return { error }
          throw error
        }
      })
    )
  }

  async ping(signal: AbortSignal): Promise<void> {
    this.pings++
    await this.#answer('ping', signal, () => undefined)
  }

  async height(signal: AbortSignal): Promise<number> {
    return this.#answer('height', signal, () => this.chain)
  }

  disconnect(): void {
    this.disconnects++
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  /** It says that it only starts. */
  get warmingUp(): Conduct {
    return { fails: () => new RpcError(this.endpoint, 'any', -28, 'Loading block index…') }
  }

  async #answer<Value>(method: string, signal: AbortSignal, value: () => Value): Promise<Value> {
    signal.throwIfAborted()
    const conduct = this.methods.get(method) ?? this.conduct
    await this.#waited(conduct === 'is silent' ? Infinity : this.latencyMs, signal)
    if (typeof conduct === 'object') throw conduct.fails()
    return value()
  }

  #waited(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = ms === Infinity ? () => {} : this.#clock.schedule(resolve, ms)
      signal.addEventListener('abort', () => {
        cancel()
        reject(signal.reason)
      })
    })
  }
}
