import { connect } from 'node:net'
import type { Clock } from '../../core/index.ts'
import type { Endpoint } from '../endpoint.ts'
import { connected, type Dialer, type Dialled } from '../tls/dialer.ts'

/** How long a process on this machine is waited for, in ms; its kernel answers at once, also if it is frozen. */
const CONNECT_TIMEOUT_MS = 5_000

/** Connects to a program on this machine, in the clear: nobody else can listen there. */
export class LoopbackDialer implements Dialer {
  readonly #endpoint: Endpoint
  readonly #clock: Clock

  constructor(endpoint: Endpoint, clock: Clock) {
    this.#endpoint = endpoint
    this.#clock = clock
  }

  dial(signal: AbortSignal): Promise<Dialled> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const { host, port } = this.#endpoint
    const socket = connect({ host, port, noDelay: true })
    const context = {
      endpoint: this.#endpoint,
      clock: this.#clock,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      signal
    }
    return connected(socket, 'connect', context)
  }
}
