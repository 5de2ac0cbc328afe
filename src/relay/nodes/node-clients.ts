import type { Deadlines } from '../../core/deadlines.ts'
import type { Clock } from '../../core/index.ts'
import { ElectrumNodeClient, MAX_PENDING } from '../protocols/electrum-node-client.ts'
import { HttpsNodeClient } from '../protocols/https-node-client.ts'
import type { HandshakeLimit } from '../tls/handshake-limit.ts'
import { setUpTls } from '../tls/tls-options.ts'
import type { NodeClient } from './node-client.ts'
import type { NodeSetup, SecureChannelSetup } from './secure-channel-options.ts'

/** What clients need beside their options. */
export interface ClientContext {
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly handshakes: HandshakeLimit
}

/** The client for a node, by the protocol it speaks. It opens nothing yet. @throws InvalidOptionError */
export function createNodeClient(
  node: NodeSetup,
  { tls, maxConnections, maxReplyBytes }: SecureChannelSetup,
  context: ClientContext
): NodeClient {
  const { protocol, endpoint, path } = node.address
  const own = Object.entries(node.tls).filter(([, value]) => value !== undefined)
  const setup = setUpTls(
    { ...tls, ...Object.fromEntries(own) },
    own.length > 0 ? `${node.option}.tls` : 'channel.tls'
  )
  if (protocol === 'electrum')
    return new ElectrumNodeClient(endpoint, {
      ...context,
      tls: setup,
      maxPending: MAX_PENDING,
      maxReplyBytes
    })
  return new HttpsNodeClient(endpoint, {
    ...context,
    tls: setup,
    path,
    authorization: () => basicAuthorization(node),
    maxConnections,
    maxReplyBytes
  })
}

/** HTTP's basic authentication (RFC 7617). Made for each request, so that the password is not kept as text. */
function basicAuthorization({ username, password }: NodeSetup): string | undefined {
  if (username === undefined && password === undefined) return undefined
  const user = Buffer.from(`${username ?? ''}:`)
  if (password === undefined || typeof password === 'string')
    return `Basic ${Buffer.concat([user, Buffer.from(password ?? '')]).toString('base64')}`
  return password.withAccess(bytes => {
    const both = Buffer.concat([user, bytes])
    const header = `Basic ${both.toString('base64')}`
    both.fill(0)
    return header
  })
}
