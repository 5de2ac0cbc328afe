import type { Socket } from 'node:net'
import type { Clock } from '../../core/index.ts'
import type { Endpoint } from '../endpoint.ts'
import { ConnectError, connectionError, IdentityError } from './connect-error.ts'

/** A connection that stands. */
export interface Dialled<Connection extends Socket = Socket> {
  readonly socket: Connection
  /** How long it took, in ms. */
  readonly elapsedMs: number
}

/** Makes connections to one endpoint. */
export interface Dialer {
  /** @throws ConnectError; IdentityError; the signal's reason */
  dial(signal: AbortSignal): Promise<Dialled>
}

/** How long is waited for a connection, and by whom. */
export interface ConnectContext {
  readonly endpoint: Endpoint
  readonly clock: Clock
  readonly connectTimeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Waits until a connection stands, or destroys it.
 *
 * @param event - with which the socket tells
 * @throws ConnectError; IdentityError; the signal's reason
 */
export function connected<Connection extends Socket>(
  socket: Connection,
  event: 'connect' | 'secureConnect',
  { endpoint, clock, connectTimeoutMs, signal }: ConnectContext
): Promise<Dialled<Connection>> {
  const startedAtMs = clock.now()
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      settled()
      socket.destroy()
      reject(error)
    }
    const settled = (): void => {
      cancelLimit()
      signal.removeEventListener('abort', onAbort)
    }
    const onAbort = (): void => fail(signal.reason)
    const cancelLimit = clock.schedule(
      () => fail(new ConnectError(endpoint, 'TIMEOUT', `it took longer than ${connectTimeoutMs} ms`)),
      connectTimeoutMs
    )
    signal.addEventListener('abort', onAbort)
    // It stays: an error that comes after the promise is settled must not end the process.
    socket.on('error', error => fail(explained(endpoint, error)))
    socket.once('close', () => fail(new ConnectError(endpoint, 'RESET', 'it broke off')))
    socket.once(event, () => {
      settled()
      resolve({ socket, elapsedMs: clock.now() - startedAtMs })
    })
  })
}

function explained(endpoint: Endpoint, error: Error): Error {
  if (error instanceof IdentityError) return error
  return connectionError(endpoint, error) ?? new ConnectError(endpoint, 'OTHER', error.message, error)
}
