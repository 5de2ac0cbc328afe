/** Whose fault an error is: told by its name or code, since one error comes from several packages and realms. */

/** The peer did not do what it should have. */
const peerFaults = new Set([
  'TimeoutError',
  'EncryptionFailedError',
  'StreamResetError',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT'
])

/** A peer is there and said no: what it does not offer, or will not do. */
const answers = new Set(['UnsupportedProtocolError', 'StreamResetError'])

/** Whether an error counts against the peer. All else (our limits, aborts, what the peer does not offer) does not. */
export function isPeersFault(error: unknown): boolean {
  return causes(error).some(cause => names(cause).some(name => peerFaults.has(name)))
}

/** Whether an error is itself an answer of the peer, which therefore responds. */
export function isAnswer(error: unknown): boolean {
  return causes(error).some(cause => names(cause).some(name => answers.has(name)))
}

/** Whether the peer's computer said that nobody is there: the network works, the peer does not. */
export function isRefusal(error: unknown): boolean {
  return causes(error).some(cause => names(cause).includes('ECONNREFUSED'))
}

/** Whether the peer does not speak the protocol. */
export function isUnsupported(error: unknown): boolean {
  return names(error).includes('UnsupportedProtocolError')
}

/** Whether it took too long. */
export function isTimeout(error: unknown): boolean {
  return names(error).includes('TimeoutError')
}

/** Dialling several addresses fails with one error for each. */
function causes(error: unknown): unknown[] {
  const { errors } = Object(error) as { errors?: unknown }
  return Array.isArray(errors) ? errors : [error]
}

function names(error: unknown): string[] {
  const { name, code, message } = Object(error) as { name?: unknown; code?: unknown; message?: unknown }
  // Some of Node's socket errors come without a code once libp2p has passed them on.
  const mentioned = typeof message === 'string' ? (message.match(/\bE[A-Z]{4,}\b/g) ?? []) : []
  return [String(name), String(code), ...mentioned]
}
