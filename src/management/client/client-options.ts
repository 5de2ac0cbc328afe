import { InvalidOptionError } from '../../core/index.ts'
import { durationMs, type Rules, resolveOptions, text, wholeNumber } from '../../core/options.ts'

/** Options of the client. Durations in ms. */
export interface ManagementClientOptions {
  /** Where the server is, as in `https://node.example.com:9090`. */
  url: string
  /** What the server wants to see, if it wants anything. */
  authToken: string | undefined
  /** How long an answer may take, each time it is asked for, from 1. */
  timeoutMs: number
  /** How often it is asked again if there is no answer, or none yet, from 0 to 10. */
  retries: number
  /** The first wait before that, from 1: each further one is up to twice as long, and up to 16 times at most. */
  retryAfterMs: number
  /** How long an answer is given again without asking; 0 for never. */
  cacheMs: number
  /** How often what is watched is looked at, from 1. */
  watchIntervalMs: number
  /** How the client calls itself. */
  userAgent: string
}

export const defaultManagementClientOptions: Readonly<ManagementClientOptions> = Object.freeze({
  url: 'http://127.0.0.1:9090',
  authToken: undefined,
  timeoutMs: 10_000,
  retries: 3,
  retryAfterMs: 200,
  cacheMs: 30_000,
  watchIntervalMs: 15_000,
  userAgent: 'bitswap-protection'
})

const token = {
  allowed: 'characters without spaces',
  accepts: (value: unknown): boolean =>
    value === undefined || (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value))
}

const rules: Rules<ManagementClientOptions> = {
  url: { allowed: 'an http: or https: address without user, query or fragment', accepts: isServer },
  authToken: token,
  timeoutMs: durationMs(1),
  retries: wholeNumber(0, 10),
  retryAfterMs: durationMs(1),
  cacheMs: durationMs(0),
  watchIntervalMs: durationMs(1),
  userAgent: text
}

/** @throws InvalidOptionError; a token is not in it */
export function resolveManagementClientOptions(
  options: Partial<ManagementClientOptions> | undefined
): Readonly<ManagementClientOptions> {
  if (!token.accepts(options?.authToken))
    throw new InvalidOptionError('client.authToken', '(hidden)', token.allowed)
  return resolveOptions('client', defaultManagementClientOptions, options, rules)
}

function isServer(value: unknown): boolean {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) return false
  return [url.username, url.password, url.search, url.hash].every(part => part === '')
}
