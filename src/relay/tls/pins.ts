import { createHash, type X509Certificate } from 'node:crypto'
import { InvalidOptionError } from '../../core/index.ts'

/** SHA-256 in base64, as RFC 7469 writes it; curl puts `sha256//` before it, others `sha256/`. */
const PIN = /^(?:sha256\/{1,2})?([A-Za-z0-9+/]{43}=)$/

/** More than anybody needs: the present key, the next one, and one kept elsewhere. */
const MAX_PINS = 16

/**
 * The public keys a server may have: the one it has, and the one it will have next, so that changing it takes no change here.
 *
 * @throws InvalidOptionError
 */
export function parsePins(pins: readonly string[], option: string): ReadonlySet<string> {
  if (!Array.isArray(pins) || pins.length === 0 || pins.length > MAX_PINS)
    throw new InvalidOptionError(option, pins, `a list of 1 to ${MAX_PINS} pins, or nothing`)
  return new Set(pins.map((pin, index) => parsePin(pin, `${option}[${index}]`)))
}

function parsePin(pin: unknown, option: string): string {
  const [, hash] = (typeof pin === 'string' && PIN.exec(pin)) || []
  if (hash === undefined)
    throw new InvalidOptionError(
      option,
      pin,
      "'sha256/' and 44 characters of base64: the SHA-256 of a public key"
    )
  return hash
}

/**
 * The pin of a certificate: SHA-256 over its SubjectPublicKeyInfo (RFC 7469, section 2.4). It stays the same when a
 * certificate is renewed for the same key.
 */
export function pinOf(certificate: X509Certificate): string {
  const publicKey = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(publicKey).digest('base64')
}
