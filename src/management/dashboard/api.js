import { readToken } from './token.js'

/** How long an answer may take, in ms. */
const TIMEOUT_MS = 10_000

/** The server refuses, or cannot do, what it is asked; or does not answer, with status 0. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/**
 * Asks the server for something. Whatever is no error body is an answer, also with status 503: so does a service tell that it is
 * degraded.
 *
 * @param {string} path
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function get(path) {
  return ask(path, {})
}

/**
 * Asks for something that may not be there.
 *
 * @param {string} path
 * @returns {Promise<any>} `undefined` if it is not
 */
export async function getIfThere(path) {
  try {
    return await get(path)
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  }
}

/**
 * Has the server do something.
 *
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  const headers = { ...tokenHeaders(), 'content-type': 'application/json' }
  return ask(path, { method: 'POST', headers, body: JSON.stringify(body) })
}

/** @returns {Record<string, string>} */
export function tokenHeaders() {
  const token = readToken()
  return token === undefined ? {} : { 'x-auth-token': token }
}

/**
 * @param {string} path
 * @param {RequestInit} init
 */
async function ask(path, init) {
  const response = await fetch(path, {
    headers: tokenHeaders(),
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...init
  }).catch(() => undefined)
  if (response === undefined) throw new ApiError(0, 'The server does not answer')
  const body = await response.json().catch(() => undefined)
  if (body === undefined || body.error !== undefined)
    throw new ApiError(
      response.status,
      body?.error?.message ?? `The server answers with status ${response.status}`
    )
  return body
}
