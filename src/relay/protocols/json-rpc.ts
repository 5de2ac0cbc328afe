import { InvalidOptionError } from '../../core/index.ts'
import { BadReplyError, RpcError, type RpcReply, type RpcRequest } from './rpc.ts'

/** Longest part of a node's own words that is taken into an error, in characters. */
const MAX_WORDS = 1_000

/** Of errors that are words only, as servers of before JSON-RPC 2.0 send them; 2.0 has no such code. */
const NO_CODE = 0

/**
 * A request as JSON, on one line. Its parameters are always a list: btcd takes a request without any for malformed.
 *
 * It is one of JSON-RPC 2.0. Bitcoin Core obeys that from version 28 on, and then answers errors with HTTP status 200 as it does
 * results, so that nothing between us takes a refusal for an outage; before, it answers in its own way whatever is asked for. btcd
 * accepts both versions, bcoin does not look, and Electrum's protocol is defined with 2.0.
 *
 * @throws InvalidOptionError if a parameter is nothing that JSON has
 */
export function encodeRequest(id: number, { method, params = [] }: RpcRequest): string {
  try {
    return JSON.stringify({ jsonrpc: '2.0', id, method, params })
  } catch {
    throw new InvalidOptionError('params', params, 'a list of what JSON has')
  }
}

/** Several requests as one, with ids that count up from the first one's. @throws as `encodeRequest` */
export function encodeBatch(firstId: number, requests: readonly RpcRequest[]): string {
  return `[${requests.map((request, index) => encodeRequest(firstId + index, request)).join(',')}]`
}

/** Reads bytes as JSON in UTF-8. @throws BadReplyError */
export function readMessage(endpoint: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new BadReplyError(endpoint, 'it is no JSON', { cause })
  }
}

/**
 * Reads the result or the error that a message has; whose answer it is, is for others to know. Of both versions: in 1.0 the one
 * that does not apply is `null`, in 2.0 it is missing. A result may be `null` as well.
 *
 * @param method - what was asked for
 * @throws BadReplyError if it has neither, or both
 */
export function readReply(endpoint: string, method: string, message: unknown): RpcReply {
  if (!isObject(message)) throw new BadReplyError(endpoint, 'it is no JSON object')
  const { result, error } = message
  if (isMissing(error)) {
    if (result === undefined) throw new BadReplyError(endpoint, 'it has neither a result nor an error')
    return { result }
  }
  if (!isMissing(result)) throw new BadReplyError(endpoint, 'it has both a result and an error')
  return { error: readError(endpoint, method, error) }
}

/**
 * Reads the answer to the one request that was made.
 *
 * @throws BadReplyError also if it is the answer to another one. An error may have `null` for an id: the request could not be
 * read (JSON-RPC 2.0, section 5). One without any id is of something else that speaks JSON, in front of the node.
 */
export function readReplyTo(endpoint: string, id: number, method: string, message: unknown): RpcReply {
  const reply = readReply(endpoint, method, message)
  if (idOf(message) === id || ('error' in reply && idOf(message) === null)) return reply
  throw new BadReplyError(endpoint, 'it is to another request')
}

/**
 * Reads the answers to a batch, which may come in any order.
 *
 * @param firstId - the id of the first request; see `encodeBatch`
 * @returns them in the order of the requests. One error instead of a list is the answer to each of them.
 * @throws BadReplyError unless each request is answered once
 */
export function readBatch(
  endpoint: string,
  firstId: number,
  requests: readonly RpcRequest[],
  message: unknown
): RpcReply[] {
  if (!Array.isArray(message)) return requests.map(({ method }) => refusalOfAll(endpoint, method, message))
  if (message.length !== requests.length)
    throw new BadReplyError(endpoint, `it has ${message.length} answers to ${requests.length} requests`)
  const byId = new Map(message.map(each => [idOf(each), each]))
  return requests.map(({ method }, index) => {
    const id = firstId + index
    if (!byId.has(id)) throw new BadReplyError(endpoint, 'it has no answer to one of the requests')
    return readReply(endpoint, method, byId.get(id))
  })
}

function refusalOfAll(endpoint: string, method: string, message: unknown): RpcReply {
  const reply = readReply(endpoint, method, message)
  if ('error' in reply && idOf(message) === null) return reply
  throw new BadReplyError(endpoint, 'it has one answer to several requests')
}

function readError(endpoint: string, method: string, error: unknown): RpcError {
  if (typeof error === 'string') return new RpcError(endpoint, method, NO_CODE, error.slice(0, MAX_WORDS))
  const { code, message, data } = isObject(error) ? error : {}
  if (typeof code !== 'number' || !Number.isInteger(code) || typeof message !== 'string')
    throw new BadReplyError(endpoint, 'its error cannot be read')
  return new RpcError(endpoint, method, code, message.slice(0, MAX_WORDS), data)
}

function idOf(message: unknown): unknown {
  const { id } = isObject(message) ? message : {}
  return id
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null
}
