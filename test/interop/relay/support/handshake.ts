import { connect } from 'node:tls'

/** How long it may take, in ms. */
const LIMIT_MS = 2_000

/**
 * Resolves when a server on 127.0.0.1 has completed a handshake, whoever it is. For finding out whether a program has
 * started, not through us.
 */
export function handshake(port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  socket.setTimeout(LIMIT_MS, () => reject(new Error(`Port ${port} is silent`)))
  socket.once('error', reject)
  socket.once('secureConnect', resolve)
  return promise.finally(() => socket.destroy())
}
