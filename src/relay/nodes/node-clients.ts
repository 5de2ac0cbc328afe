import type { Deadlines } from '../../core/deadlines.ts'
import type { Clock } from '../../core/index.ts'
import { ElectrumNodeClient, MAX_PENDING } from '../protocols/electrum-node-client.ts'
import { HTTP_1_1, HttpNodeClient } from '../protocols/http-node-client.ts'
import { LoopbackDialer } from '../protocols/loopback-dialer.ts'
import type { HandshakeLimit } from '../tls/handshake-limit.ts'
import { TlsDialer } from '../tls/tls-dialer.ts'
import { setUpTls, type TlsOptions, type TlsSetup } from '../tls/tls-options.ts'
import { basicAuthorization } from './basic-authorization.ts'
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
  const { protocol, endpoint } = node.address
  const { clock, handshakes } = context
  if (protocol === 'http')
    return new HttpNodeClient(endpoint, {
      dialer: node.address.isSecure
        ? new TlsDialer(endpoint, { ...tlsOf(node, tls), alpnProtocols: [HTTP_1_1] }, handshakes, clock)
        : new LoopbackDialer(endpoint, clock),
      path: node.address.path,
      authorization: () => basicAuthorization(node),
      maxConnections,
      maxReplyBytes
    })
  return new ElectrumNodeClient(endpoint, {
    ...context,
    tls: tlsOf(node, tls),
    maxPending: MAX_PENDING,
    maxReplyBytes
  })
}

function tlsOf(node: NodeSetup, ofAll: Partial<TlsOptions>): TlsSetup {
  const own = Object.entries(node.tls).filter(([, value]) => value !== undefined)
  const concept = own.length > 0 ? `${node.option}.tls` : 'channel.tls'
  return setUpTls({ ...ofAll, ...Object.fromEntries(own) }, concept)
}
