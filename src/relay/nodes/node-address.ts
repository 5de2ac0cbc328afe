import { InvalidOptionError } from '../../core/index.ts'
import { type Endpoint, parseEndpoint } from '../endpoint.ts'

/** JSON-RPC over HTTPS, as Bitcoin Core behind a terminator of TLS, btcd and bcoin speak it; or Electrum's, by lines over TLS. */
export type NodeProtocol = 'https' | 'electrum'

/** Where a node is, and what it speaks. */
export interface NodeAddress {
  readonly protocol: NodeProtocol
  readonly endpoint: Endpoint
  /** Of HTTPS, beginning with `/`. */
  readonly path: string
}

const ALLOWED =
  "'host:port', 'https://host:port/path' or, for Electrum's protocol, 'ssl://host:port'; always over TLS, user name and " +
  'password apart'

const FORM = /^(?:(https|ssl):\/\/)?([^/@?#]+)(\/[^?#@]*)?$/

/** @throws InvalidOptionError */
export function parseNodeAddress(text: string, option: string): NodeAddress {
  const [, scheme, authority, path = '/'] = (typeof text === 'string' && FORM.exec(text)) || []
  const isElectrum = scheme === 'ssl'
  if (authority === undefined || (isElectrum && path !== '/'))
    throw new InvalidOptionError(option, withoutSecrets(text), ALLOWED)
  return {
    protocol: isElectrum ? 'electrum' : 'https',
    endpoint: parseEndpoint(authority, option),
    path
  }
}

/** What stands before an `@` is nobody's business. */
function withoutSecrets(text: unknown): unknown {
  return typeof text === 'string' ? text.replace(/^([a-z]+:\/\/)?.*@/is, '$1(hidden)@') : text
}
