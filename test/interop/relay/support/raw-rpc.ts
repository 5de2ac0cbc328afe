import type { Channel, PooledChannel } from '../../../../src/relay/index.ts'

/** The longest response that is read, in bytes. */
const MAX_BYTES = 2 ** 20

interface Response {
  readonly status: number
  readonly body: string
}

/**
 * Asks a node one thing over a channel, by JSON-RPC in HTTP/1.1, written by hand: what is tried out is the channel.
 *
 * @param credentials - `user:password`
 */
export async function askOver(
  channel: Channel | PooledChannel,
  credentials: string,
  method: string,
  params: readonly unknown[] = []
): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '1.0', id: 1, method, params })
  const head = [
    'POST / HTTP/1.1',
    'Host: node',
    `Authorization: Basic ${btoa(credentials)}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`
  ]
  await channel.writeAll(new TextEncoder().encode(`${head.join('\r\n')}\r\n\r\n${body}`))
  const response = await readResponse(channel)
  if (response.status !== 200) throw new Error(`HTTP status ${response.status}: ${response.body}`)
  const { result, error } = JSON.parse(response.body)
  if (error !== null) throw new Error(`${method}: ${JSON.stringify(error)}`)
  return result
}

async function readResponse(channel: Channel | PooledChannel): Promise<Response> {
  let text = ''
  while (text.length <= MAX_BYTES) {
    const bytes = await channel.read()
    text += Buffer.from(bytes ?? []).toString('latin1')
    const response = parse(text, bytes === undefined)
    if (response !== undefined) return response
    if (bytes === undefined) throw new Error(`It ended after '${text}'`)
  }
  throw new Error('The response is too long')
}

/** @param isAll - whether no more will come, which ends a body without a length */
function parse(text: string, isAll: boolean): Response | undefined {
  const [, status, headers, body = ''] = /^HTTP\/1\.1 (\d+).*?\r\n(.*?)\r\n\r\n(.*)$/s.exec(text) ?? []
  if (headers === undefined) return undefined
  const [, length] = /^content-length: (\d+)\r?$/im.exec(headers) ?? []
  const isThere = length === undefined ? isAll : body.length >= Number(length)
  return isThere ? { status: Number(status), body } : undefined
}
