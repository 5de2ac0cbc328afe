import type { Channel, PooledChannel } from '../../../../src/relay/index.ts'

/** The longest line that is read, in characters. */
const MAX_LINE = 2 ** 20

/** What Electrum servers send. */
export interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: readonly unknown[]
  readonly result?: unknown
  readonly error?: unknown
}

/** JSON-RPC in lines over a channel, written by hand: what is tried out is the channel. One call at a time. */
export class LineJson {
  readonly #channel: Channel | PooledChannel
  #text = ''
  #lastId = 0

  constructor(channel: Channel | PooledChannel) {
    this.#channel = channel
  }

  async call(method: string, params: readonly unknown[] = []): Promise<unknown> {
    const id = ++this.#lastId
    await this.#channel.writeAll(
      new TextEncoder().encode(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    )
    const message = await this.next()
    if (message.id !== id || message.error !== undefined)
      throw new Error(`${method}: ${JSON.stringify(message)}`)
    return message.result
  }

  /** What is sent next. */
  async next(): Promise<Message> {
    for (;;) {
      const end = this.#text.indexOf('\n')
      if (end >= 0) {
        const line = this.#text.slice(0, end)
        this.#text = this.#text.slice(end + 1)
        return JSON.parse(line)
      }
      const bytes = await this.#channel.read()
      if (bytes === undefined || this.#text.length > MAX_LINE) throw new Error('No line came')
      this.#text += Buffer.from(bytes).toString('latin1')
    }
  }
}
