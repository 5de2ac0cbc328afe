import { InvalidOptionError } from '../../core/index.ts'
import { anyObject, durationMs, type Rules, resolveOptions, wholeNumber } from '../../core/options.ts'
import { isLoopback } from '../loopback.ts'

/** What is told to others. */
export type WebhookType = 'failover' | 'recovery' | 'degraded' | 'shutdown'

const webhookTypes: readonly WebhookType[] = Object.freeze(['failover', 'recovery', 'degraded', 'shutdown'])

/** Who is told what, and how. Durations in ms. */
export interface WebhookOptions {
  /** Where each is sent: `https:` addresses, or `http:` ones on this machine. */
  urls: Partial<Record<WebhookType, string>>
  /** What messages are signed with: `whsec_` and 24 to 64 bytes as base64. Not signed without. */
  secret: string | undefined
  /** How long an answer may take, from 1. */
  timeoutMs: number
  /** How often one is sent at most, from 1 to 20. */
  maxAttempts: number
  /** The first wait before it is sent again, from 1; each further one is twice as long, up to the longest. */
  retryAfterMs: number
  maxRetryAfterMs: number
  /** Messages that wait to be sent, or sent again, at most, from 1 to 100,000. */
  maxWaiting: number
  /** Where those are kept that could not be delivered; nowhere if not given. */
  deadLetterFile: string | undefined
}

export const defaultWebhookOptions: Readonly<WebhookOptions> = Object.freeze({
  urls: Object.freeze({}),
  secret: undefined,
  timeoutMs: 10_000,
  maxAttempts: 8,
  retryAfterMs: 1_000,
  maxRetryAfterMs: 300_000,
  maxWaiting: 1_000,
  deadLetterFile: undefined
})

const MIN_SECRET_BYTES = 24
const MAX_SECRET_BYTES = 64

const rules: Rules<WebhookOptions> = {
  urls: anyObject,
  secret: { allowed: '`whsec_` and 24 to 64 bytes as base64', accepts: isSecret },
  timeoutMs: durationMs(1),
  maxAttempts: wholeNumber(1, 20),
  retryAfterMs: durationMs(1),
  maxRetryAfterMs: durationMs(1),
  maxWaiting: wholeNumber(1, 100_000),
  deadLetterFile: { allowed: 'a path', accepts: value => value === undefined || typeof value === 'string' }
}

/** @throws InvalidOptionError; the secret is not in it */
export function resolveWebhookOptions(
  options: Partial<WebhookOptions> | undefined
): Readonly<WebhookOptions> {
  if (options?.secret !== undefined && !isSecret(options.secret))
    throw new InvalidOptionError('webhooks.secret', '(hidden)', rules.secret.allowed)
  const resolved = resolveOptions('webhooks', defaultWebhookOptions, options, rules)
  for (const [type, url] of Object.entries(resolved.urls)) {
    if (!(webhookTypes as readonly string[]).includes(type))
      throw new InvalidOptionError(`webhooks.urls.${type}`, url, `only ${webhookTypes.join(', ')}`)
    if (!isAddress(url))
      throw new InvalidOptionError(
        `webhooks.urls.${type}`,
        url,
        'an https: address, or an http: one on this machine'
      )
  }
  return resolved
}

function isSecret(value: unknown): boolean {
  if (value === undefined) return true
  const encoded = typeof value === 'string' ? /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(value)?.[1] : undefined
  const { length } = Buffer.from(encoded ?? '', 'base64')
  return length >= MIN_SECRET_BYTES && length <= MAX_SECRET_BYTES
}

function isAddress(value: unknown): boolean {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}
