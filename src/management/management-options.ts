import { InvalidOptionError } from '../core/index.ts'
import { anyObject, type Rule, type Rules, resolveOptions, text, wholeNumber } from '../core/options.ts'
import { isLoopback } from '../telemetry/loopback.ts'

/** The certificate of the server, and of its clients. */
export interface ServerTlsOptions {
  /** In PEM. */
  readonly key: string
  readonly cert: string
  /** Whose certificates clients have to show, in PEM; they need none if not given. */
  readonly clientAuthorities?: string | undefined
}

/** Options of the management server. Durations in ms. */
export interface ManagementOptions {
  /** Where it listens. Anywhere else than on this machine only with an `authToken`. */
  host: string
  /** 0 for any that is free. */
  port: number
  /**
   * What clients have to send as `X-Auth-Token`, for all but health: 16 characters at least. Without it everybody on this machine
   * may look, and nobody steer.
   */
  authToken: string | undefined
  tls: ServerTlsOptions | undefined
  /** Pages of these origins may look and steer: `https://ops.example.com`. */
  corsOrigins: readonly string[]
  /** Requests that one address may make in a minute, from 1. */
  maxRequestsPerMinute: number
  /** Connections at once, from 1. */
  maxConnections: number
  /** How long a request may take to arrive, from 100. */
  requestTimeoutMs: number
  /** What the service is called in its status. */
  serviceName: string
  version: string
}

export const defaultManagementOptions: Readonly<ManagementOptions> = Object.freeze({
  host: '127.0.0.1',
  port: 9_090,
  authToken: undefined,
  tls: undefined,
  corsOrigins: Object.freeze([]),
  maxRequestsPerMinute: 6_000,
  maxConnections: 1_024,
  requestTimeoutMs: 10_000,
  serviceName: 'bitswap-protection',
  version: '0.1.0'
})

const MIN_TOKEN_LENGTH = 16
const HIDDEN = '(hidden)'

const origins: Rule = {
  allowed: 'a list of origins such as https://ops.example.com',
  accepts: value => Array.isArray(value) && value.every(isOrigin)
}

const rules: Rules<ManagementOptions> = {
  host: text,
  port: wholeNumber(0, 65_535),
  authToken: { allowed: `${MIN_TOKEN_LENGTH} characters or more, without spaces`, accepts: isToken },
  tls: { allowed: anyObject.allowed, accepts: value => value === undefined || anyObject.accepts(value) },
  corsOrigins: origins,
  maxRequestsPerMinute: wholeNumber(1, 10_000_000),
  maxConnections: wholeNumber(1, 1_000_000),
  requestTimeoutMs: wholeNumber(100, 3_600_000),
  serviceName: text,
  version: text
}

/** @throws InvalidOptionError; a token is not in it */
export function resolveManagementOptions(
  options: Partial<ManagementOptions> | undefined
): Readonly<ManagementOptions> {
  if (!isToken(options?.authToken))
    throw new InvalidOptionError('management.authToken', HIDDEN, rules.authToken.allowed)
  const resolved = resolveOptions('management', defaultManagementOptions, options, rules)
  if (resolved.authToken === undefined && !isLoopback(resolved.host))
    throw new InvalidOptionError(
      'management.host',
      resolved.host,
      '127.0.0.1, ::1 or localhost as long as there is no authToken'
    )
  return resolved
}

function isToken(value: unknown): boolean {
  return value === undefined || (typeof value === 'string' && /^[\x21-\x7e]{16,}$/.test(value))
}

function isOrigin(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && new URL(value).origin === value
}
