import { harmless } from './terminal/visible-text.ts'

const byName: Readonly<Record<string, string>> = {
  TimeoutError: 'no answer',
  AbortError: 'no answer',
  EncryptionFailedError: 'no secure connection',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed by the other side',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name could not be looked up',
  ETIMEDOUT: 'no answer'
}

/** Why a peer could not be reached, in a few words. */
export function dialProblem(error: unknown): string {
  return [...new Set(causes(error).map(describe))].join('; ')
}

/** Dialling several addresses fails with one error for each. */
function causes(error: unknown): unknown[] {
  return error instanceof AggregateError && error.errors.length > 0 ? error.errors : [error]
}

function describe(error: unknown): string {
  const { name, code, message } = Object(error) as { name?: string; code?: string; message?: string }
  // libp2p puts another error in place of the one that says so, and leaves only its message.
  if (message?.includes('does not match expected remote identity')) return 'another peer answers there'
  if (name === 'EncryptionFailedError' && message?.includes('timeout')) return 'connected, but no answer'
  // Some socket errors come without their code once libp2p has passed them on.
  const mentioned = message?.match(/\bE[A-Z_]{4,}\b/)?.[0]
  const known = [code, mentioned, name].find(each => each !== undefined && Object.hasOwn(byName, each))
  return known === undefined ? harmless(message ?? String(error)) : byName[known]!
}
