import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { InvalidOptionError } from '../../core/index.ts'
import { durationMs, type Rules, resolveOptions, text } from '../../core/options.ts'
import { HIDDEN, type Secret, secretRule, withSecret } from '../secrets/secret.ts'
import { parsePins } from './pins.ts'
import { readRoots, systemRoots, type TrustedRoots } from './trusted-roots.ts'

/** How a server is reached over TLS 1.3, and how the two know one another. */
export interface TlsOptions {
  /** The name the server is asked for (SNI), and has to have. The host of the endpoint if not given. */
  serverName: string | undefined
  /** Who has to have signed the server's certificate: texts with certificates as PEM, or what the system trusts. */
  roots: 'system' | readonly string[]
  /** Public keys one of which the server has to have, besides being signed: see `parsePins`. Any if not given. */
  pins: readonly string[] | undefined
  /** Who this client is, for servers that want to know: its certificate and what signed that, as PEM. */
  certificate: string | undefined
  /** The key of the certificate, as PEM. OpenSSL keeps a copy. */
  key: string | Secret | undefined
  /** What the key is encrypted with. It is not kept; but OpenSSL is given it as a string, which nobody can overwrite. */
  passphrase: string | Secret | undefined
  /** Protocols to choose from, the best first (ALPN). */
  alpnProtocols: readonly string[]
  /** How long connecting may take, with the handshake, in ms, from 1. */
  connectTimeoutMs: number
}

export const defaultTlsOptions: Readonly<TlsOptions> = Object.freeze({
  serverName: undefined,
  roots: 'system',
  pins: undefined,
  certificate: undefined,
  key: undefined,
  passphrase: undefined,
  alpnProtocols: Object.freeze([]),
  connectTimeoutMs: 5_000
})

const optionalText = {
  allowed: text.allowed,
  accepts: (value: unknown) => value === undefined || text.accepts(value)
}

const MAX_PROTOCOLS = 16
/** A protocol's name has its length in one byte (RFC 7301, section 3.1). */
const MAX_PROTOCOL_BYTES = 255

const rules: Rules<TlsOptions> = {
  serverName: optionalText,
  roots: {
    allowed: "'system', or a list of PEM texts",
    accepts: value => value === 'system' || isTextList(value)
  },
  // Looked at one by one.
  pins: { allowed: 'a list of pins', accepts: value => value === undefined || Array.isArray(value) },
  certificate: optionalText,
  // Looked at by themselves: whatever they are, they are not shown.
  key: { allowed: secretRule.allowed, accepts: () => true },
  passphrase: { allowed: secretRule.allowed, accepts: () => true },
  alpnProtocols: {
    allowed: `up to ${MAX_PROTOCOLS} names of 1 to ${MAX_PROTOCOL_BYTES} characters`,
    accepts: value => isTextList(value) && value.length <= MAX_PROTOCOLS && value.every(isProtocol)
  },
  connectTimeoutMs: durationMs(1)
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(text.accepts)
}

function isProtocol(name: string): boolean {
  return name.length > 0 && name.length <= MAX_PROTOCOL_BYTES
}

/** What all connections to an endpoint are made with. */
export interface TlsSetup {
  readonly serverName: string | undefined
  /** Shared by all connections: with the roots of a system, making one takes some 25 ms. */
  readonly context: SecureContext
  readonly roots: TrustedRoots
  /** `undefined` if the server may have any key. */
  readonly pins: ReadonlySet<string> | undefined
  readonly alpnProtocols: readonly string[]
  readonly connectTimeoutMs: number
}

/**
 * Checks options and makes what connections share. TLS 1.3 only, which has forward secrecy and no renegotiation.
 *
 * Roots that cannot be read are left out and counted; without any left, every connection fails.
 *
 * @throws InvalidOptionError
 */
export function setUpTls(options: Partial<TlsOptions> | undefined, concept = 'tls'): TlsSetup {
  const resolved = resolveOptions(concept, defaultTlsOptions, options, rules)
  const { serverName, pins, alpnProtocols, connectTimeoutMs } = resolved
  const roots = resolved.roots === 'system' ? systemRoots() : readRoots(resolved.roots)
  const context = withIdentity(resolved, concept, identity =>
    createSecureContext({
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      ca: [...roots.certificates],
      ...identity
    })
  )
  return {
    serverName,
    context,
    roots,
    pins: pins && parsePins(pins, `${concept}.pins`),
    alpnProtocols,
    connectTimeoutMs
  }
}

/** Has something done with who this client is, if it says so. @throws InvalidOptionError */
function withIdentity<Value>(
  { certificate, key, passphrase }: TlsOptions,
  concept: string,
  use: (identity: SecureContextOptions) => Value
): Value {
  for (const [name, secret] of Object.entries({ key, passphrase }))
    if (!secretRule.accepts(secret))
      throw new InvalidOptionError(`${concept}.${name}`, HIDDEN, secretRule.allowed)
  if (certificate === undefined && key === undefined) return use({})
  const own = readCertificate(certificate, `${concept}.certificate`)
  return withSecret(key, keyPem =>
    withSecret(passphrase, passphraseBytes => {
      if (!own.checkPrivateKey(readKey(keyPem, passphraseBytes, `${concept}.key`)))
        throw new InvalidOptionError(`${concept}.key`, HIDDEN, 'the key of the certificate')
      return use({ cert: certificate!, key: keyPem!, passphrase: passphraseBytes?.toString() })
    })
  )
}

function readCertificate(certificate: string | undefined, option: string): X509Certificate {
  try {
    return new X509Certificate(certificate!)
  } catch {
    throw new InvalidOptionError(option, certificate, 'a certificate as PEM, given along with its key')
  }
}

/** What a wrong key looks like is not told. */
function readKey(key: Buffer | undefined, passphrase: Buffer | undefined, option: string): KeyObject {
  try {
    return createPrivateKey({ key: key!, passphrase })
  } catch {
    throw new InvalidOptionError(
      option,
      key === undefined ? undefined : HIDDEN,
      'a private key as PEM, given along with its certificate, and with its passphrase if it is encrypted'
    )
  }
}
