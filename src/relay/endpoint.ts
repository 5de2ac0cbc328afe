import { isIP } from 'node:net'
import { InvalidOptionError } from '../core/index.ts'

/** Where a channel leads. */
export interface Endpoint {
  /** A name in lower case, or an address; one of IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** Both as one word, the same for the same endpoint: `host:port`. */
  readonly key: string
}

const ALLOWED =
  "'host:port' with a port from 1 to 65535, an IPv6 address in brackets: 'relay.example:443', '[::1]:443'"

const FORM = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/
const MAX_PORT = 65_535

/** Longest name of DNS, in characters (RFC 1035, section 2.3.4). */
const MAX_NAME_LENGTH = 253
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/

/**
 * Reads an endpoint.
 *
 * @param option - what it is called in the error
 * @throws InvalidOptionError
 */
export function parseEndpoint(text: string, option = 'endpoint'): Endpoint {
  const parts = typeof text === 'string' ? FORM.exec(text.toLowerCase()) : null
  const [, address, name, digits] = parts ?? []
  const port = Number(digits)
  const isHost = address === undefined ? name !== undefined && isName(name) : isIP(address) === 6
  if (!isHost || port < 1 || port > MAX_PORT) throw new InvalidOptionError(option, text, ALLOWED)
  const host = (address ?? name)!
  return Object.freeze({ host, port, key: `${address === undefined ? host : `[${host}]`}:${port}` })
}

/** Whether it is a name of DNS, or an IPv4 address: what ends in a number is one, or nothing. */
function isName(text: string): boolean {
  const labels = text.split('.')
  if (/^\d+$/.test(labels.at(-1)!)) return isIP(text) === 4
  return text.length <= MAX_NAME_LENGTH && labels.every(label => LABEL.test(label))
}
