import { isIP } from 'node:net'
import { InvalidOptionError } from '../../core/index.ts'
import { type Endpoint, parseEndpoint } from '../endpoint.ts'

/** JSON-RPC over HTTP, as Bitcoin Core behind a terminator of TLS, btcd and bcoin speak it; or Electrum's, by lines. */
export type NodeProtocol = 'http' | 'electrum'

/** Where a node is, and what it speaks. */
export interface NodeAddress {
  readonly protocol: NodeProtocol
  /** Over TLS; else on this machine, in the clear. */
  readonly isSecure: boolean
  readonly endpoint: Endpoint
  /** Of HTTP, beginning with `/`. */
  readonly path: string
}

const ALLOWED =
  "'host:port', 'https://host:port/path' or, for Electrum's protocol, 'ssl://host:port'; always over TLS, user name and " +
  'password apart'

const CLEAR_ALLOWED =
  "an address of this machine after http://, and allowLoopbackHttp: 'http://127.0.0.1:8332'"

const FORM = /^(?:(https?|ssl):\/\/)?([^/@?#]+)(\/[^?#@]*)?$/

/**
 * @param mayBeClear - whether a node on this machine may be spoken to without TLS
 * @throws InvalidOptionError
 */
export function parseNodeAddress(text: string, option: string, mayBeClear: boolean): NodeAddress {
  const [, scheme, authority, path = '/'] = (typeof text === 'string' && FORM.exec(text)) || []
  const isElectrum = scheme === 'ssl'
  if (authority === undefined || (isElectrum && path !== '/'))
    throw new InvalidOptionError(option, withoutSecrets(text), ALLOWED)
  const endpoint = parseEndpoint(authority, option)
  const isSecure = scheme !== 'http'
  if (!isSecure && !(mayBeClear && isLoopback(endpoint)))
    throw new InvalidOptionError(option, text, CLEAR_ALLOWED)
  return { protocol: isElectrum ? 'electrum' : 'http', isSecure, endpoint, path }
}

/** Whether it is an address of this machine, which a name might not be. */
function isLoopback({ host }: Endpoint): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** What stands before an `@` is nobody's business. */
function withoutSecrets(text: unknown): unknown {
  return typeof text === 'string' ? text.replace(/^([a-z]+:\/\/)?.*@/is, '$1(hidden)@') : text
}
