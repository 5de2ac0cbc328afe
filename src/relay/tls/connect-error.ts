import type { Endpoint } from '../endpoint.ts'

/**
 * Why an endpoint could not be connected to:
 *
 * - NOT_FOUND: its name leads nowhere
 * - REFUSED: nobody listens there
 * - UNREACHABLE: there is no way to it
 * - RESET: it broke off before the connection stood
 * - TIMEOUT: it took too long
 * - PROTOCOL: it does not speak TLS 1.3, or what should be spoken over it
 * - OTHER: whatever else; see `cause`
 */
export type ConnectFailure =
  | 'NOT_FOUND'
  | 'REFUSED'
  | 'UNREACHABLE'
  | 'RESET'
  | 'TIMEOUT'
  | 'PROTOCOL'
  | 'OTHER'

/** Thrown when an endpoint could not be connected to. It may be another time. */
export class ConnectError extends Error {
  static override readonly name = 'ConnectError'
  /** `host:port`. */
  readonly endpoint: string
  readonly failure: ConnectFailure

  constructor({ key }: Endpoint, failure: ConnectFailure, detail: string, cause?: unknown) {
    super(`Cannot connect to ${key}: ${detail}`, { cause })
    this.name = 'ConnectError'
    this.endpoint = key
    this.failure = failure
  }
}

/**
 * What is wrong about who a server is, or about who we are to it:
 *
 * - UNTRUSTED: nobody who is trusted has signed its certificate
 * - EXPIRED: its certificate is not valid any more, or not yet
 * - NAME: its certificate is for another name
 * - PIN: it has another public key than it may have
 * - CLIENT: it does not accept our certificate, or wants one
 */
export type IdentityProblem = 'UNTRUSTED' | 'EXPIRED' | 'NAME' | 'PIN' | 'CLIENT'

/**
 * Thrown when the two ends of a connection are not who they should be. That is for people to look at: trying again mends
 * nothing, and somebody may be in between.
 */
export class IdentityError extends Error {
  static override readonly name = 'IdentityError'
  /** `host:port`. */
  readonly endpoint: string
  readonly problem: IdentityProblem

  constructor({ key }: Endpoint, problem: IdentityProblem, detail: string, cause?: unknown) {
    super(`${key} is not trusted: ${detail}`, { cause })
    this.name = 'IdentityError'
    this.endpoint = key
    this.problem = problem
  }
}

const failures: Readonly<Record<string, readonly [ConnectFailure, string]>> = {
  ENOTFOUND: ['NOT_FOUND', 'its name leads nowhere'],
  EAI_AGAIN: ['NOT_FOUND', 'its name could not be looked up'],
  ECONNREFUSED: ['REFUSED', 'nobody listens there'],
  EHOSTUNREACH: ['UNREACHABLE', 'there is no way to it'],
  ENETUNREACH: ['UNREACHABLE', 'there is no way to its network'],
  EADDRNOTAVAIL: ['UNREACHABLE', 'this machine has no address left to call it from'],
  ECONNRESET: ['RESET', 'it broke off'],
  EPIPE: ['RESET', 'it broke off'],
  ETIMEDOUT: ['TIMEOUT', 'it did not respond'],
  ERR_SSL_WRONG_VERSION_NUMBER: ['PROTOCOL', 'it does not speak TLS'],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ['PROTOCOL', 'it does not speak TLS'],
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: ['PROTOCOL', 'it does not speak TLS 1.3'],
  ERR_SSL_UNSUPPORTED_PROTOCOL: ['PROTOCOL', 'it does not speak TLS 1.3'],
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: [
    'PROTOCOL',
    'it speaks none of the protocols asked for (ALPN)'
  ]
}

const problems: Readonly<Record<string, readonly [IdentityProblem, string]>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: ['NAME', 'its certificate is for another name'],
  ERR_TLS_CERT_ALTNAME_FORMAT: ['NAME', 'the names in its certificate cannot be read'],
  CERT_HAS_EXPIRED: ['EXPIRED', 'its certificate has expired'],
  CERT_NOT_YET_VALID: ['EXPIRED', 'its certificate is not valid yet'],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: ['CLIENT', 'it wants a certificate of ours'],
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: ['CLIENT', 'it does not know who signed our certificate'],
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: ['CLIENT', 'it does not accept our certificate'],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: ['CLIENT', 'it does not accept our certificate'],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: ['CLIENT', 'our certificate has expired'],
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: ['CLIENT', 'our certificate was revoked'],
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: ['CLIENT', 'it does not accept our kind of certificate']
}

/** Codes with which OpenSSL rejects a chain of certificates, as Node gives them (X509_V_ERR_…, without that). */
const CHAIN = /^(UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|CERT_|INVALID_|HOSTNAME_MISMATCH|PATH_LENGTH|CRL_)/

/** What went wrong on a connection, in words of ours; `undefined` if it is nothing that is known. */
export function connectionError(
  endpoint: Endpoint,
  error: unknown
): ConnectError | IdentityError | undefined {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code !== 'string') return undefined
  if (Object.hasOwn(problems, code)) {
    const [problem, detail] = problems[code]!
    return new IdentityError(endpoint, problem, detail, error)
  }
  if (Object.hasOwn(failures, code)) {
    const [failure, detail] = failures[code]!
    return new ConnectError(endpoint, failure, detail, error)
  }
  return CHAIN.test(code)
    ? new IdentityError(endpoint, 'UNTRUSTED', 'nobody who is trusted has signed its certificate', error)
    : undefined
}
