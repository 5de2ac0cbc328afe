import type { CircuitBreakerOptions, Protection } from 'bitswap-protection/core'

/** What is protected where the protection is what is measured. */
export async function noop(): Promise<void> {}

/** Thrown again and again, so that making an error is not part of any figure. */
export const failure = new Error('fails')

export async function failing(): Promise<never> {
  throw failure
}

/** Long enough not to pass in any run. */
export const LONG_MS = 24 * 60 * 60 * 1000

/** A circuit that, once open, stays so. */
export const staysOpen: Readonly<Partial<CircuitBreakerOptions>> = {
  timeoutMs: LONG_MS,
  maxTimeoutMs: LONG_MS
}

const PEER_ID_LENGTH = 52
const PEER_ID_PREFIX = '12D3KooW'

/**
 * A key as long as a peer id, another for each number. Made from bytes, since a string put together from others
 * would hold on to them all.
 */
export function peerId(number: number): string {
  const digits = number.toString(36).padStart(PEER_ID_LENGTH - PEER_ID_PREFIX.length, '0')
  return Buffer.from(PEER_ID_PREFIX + digits, 'latin1').toString('latin1')
}

/** Fails calls to a target until its circuit opens. */
export async function trip(protection: Protection, key: string): Promise<void> {
  while (protection.canAdmit(key)) await protection.executeRequest(key, failing).catch(() => {})
}
