import type { Channel } from '../channel/channel.ts'
import { ChannelClosedError } from '../channel/channel-error.ts'
import { encodeLine, LineReader } from './electrum-line.ts'
import { encodeRequest, readReply } from './json-rpc.ts'
import { BadReplyError, type RpcReply, type RpcRequest } from './rpc.ts'

/** What a server tells unasked: about something that was subscribed to. */
export interface ElectrumNotification {
  /** That of the subscription. */
  readonly method: string
  readonly params: readonly unknown[]
}

/** What a connection needs of whoever made it. */
export interface ElectrumConnectionContext {
  /** `host:port`. */
  readonly endpoint: string
  /** Longest message that is taken, in bytes, without its newline, from 1. */
  readonly maxReplyBytes: number
  /** Answers the server may owe that nobody waits for any more, from 0. */
  readonly maxGivenUp: number
  readonly onNotification: (notification: ElectrumNotification) => void
  /** Told before whoever waits for an answer is. */
  readonly onClosed: () => void
}

/** A request under way. */
interface Waiter {
  readonly method: string
  readonly onReply: (reply: RpcReply) => void
  readonly onLost: (error: Error) => void
}

/**
 * One connection to an Electrum server: requests by id, many at once, answered in any order, and notifications in between
 * (Electrum protocol, "Protocol Basics").
 */
export class ElectrumConnection {
  readonly #channel: Channel
  readonly #context: ElectrumConnectionContext
  readonly #lines: LineReader
  readonly #waiting = new Map<number, Waiter>()
  /** Ids of requests whose answers may still come, and are for nobody. */
  readonly #givenUp = new Set<number>()
  #lastId = 0
  #closedBy: Error | undefined

  /** @param channel - without a limit for its operations: nobody knows when a server has something to tell */
  constructor(channel: Channel, context: ElectrumConnectionContext) {
    this.#channel = channel
    this.#context = context
    this.#lines = new LineReader(context.endpoint, context.maxReplyBytes)
    void this.#listen()
  }

  /** @throws what it was closed by */
  throwIfClosed(): void {
    if (this.#closedBy !== undefined) throw this.#closedBy
  }

  /**
   * Asks for something. If it is given up, by its signal, the connection stands.
   *
   * @param onResult - told the result before anything that came after it is looked at
   * @throws BadReplyError if the server sends what is no message, or was not asked for; ChannelClosedError; IdentityError if it
   * does not accept our certificate; InvalidOptionError if a parameter is nothing that JSON has; the signal's reason
   */
  async ask(
    request: RpcRequest,
    signal?: AbortSignal,
    onResult?: (result: unknown) => void
  ): Promise<RpcReply> {
    signal?.throwIfAborted()
    this.throwIfClosed()
    const id = ++this.#lastId
    const line = encodeLine(encodeRequest(id, request))
    const { promise, resolve, reject } = Promise.withResolvers<RpcReply>()
    const onAbort = (): void => {
      reject(signal!.reason)
      this.#giveUp(id)
    }
    signal?.addEventListener('abort', onAbort)
    this.#waiting.set(id, {
      method: request.method,
      onReply: reply => {
        if ('result' in reply) onResult?.(reply.result)
        resolve(reply)
      },
      onLost: reject
    })
    // If it cannot be sent, nothing can be read either, and that is told to all who wait.
    this.#channel.writeAll(line).catch(() => {})
    return promise.finally(() => signal?.removeEventListener('abort', onAbort))
  }

  /** Closes it at once. What is under way fails. */
  close(): void {
    this.#end(new ChannelClosedError(this.#channel.id, 'by this side'))
  }

  async #listen(): Promise<void> {
    try {
      for await (const chunk of this.#channel) {
        for (const message of this.#lines.read(chunk)) this.#onMessage(message)
      }
      this.#end(new ChannelClosedError(this.#channel.id, 'the endpoint ended it'))
    } catch (error) {
      this.#end(error as Error)
    }
  }

  #onMessage(message: unknown): void {
    if (typeof message !== 'object' || message === null) throw this.#bad('it sends what is no JSON object')
    const { id, method, params = [] } = message as { id?: unknown; method?: unknown; params?: unknown }
    if (method === undefined) this.#onReply(id, message)
    else if (typeof method === 'string' && Array.isArray(params))
      this.#context.onNotification({ method, params })
    else throw this.#bad('it sends a notification that cannot be read')
  }

  #onReply(id: unknown, message: object): void {
    const waiter = this.#waiting.get(id as number)
    if (waiter !== undefined) {
      const reply = readReply(this.#context.endpoint, waiter.method, message)
      this.#waiting.delete(id as number)
      waiter.onReply(reply)
    } else if (!this.#givenUp.delete(id as number)) {
      throw this.#bad('it answers what it was not asked for')
    }
  }

  #giveUp(id: number): void {
    if (!this.#waiting.delete(id)) return
    this.#givenUp.add(id)
    // What is not remembered could not be told from an answer to nothing.
    if (this.#givenUp.size > this.#context.maxGivenUp)
      this.#end(
        new ChannelClosedError(this.#channel.id, 'it owes too many answers nobody waits for any more')
      )
  }

  #end(error: Error): void {
    if (this.#closedBy !== undefined) return
    this.#closedBy = error
    this.#channel.close(error.message)
    this.#context.onClosed()
    for (const waiter of this.#waiting.values()) waiter.onLost(error)
    this.#waiting.clear()
  }

  #bad(detail: string): BadReplyError {
    return new BadReplyError(this.#context.endpoint, detail)
  }
}
