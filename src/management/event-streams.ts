import type { ServerResponse } from 'node:http'
import type { Clock } from '../core/index.ts'
import { plain } from '../telemetry/plain.ts'
import { Problem } from './problem.ts'

/** Who listens at once at most. */
const MAX_LISTENERS = 100

/** Events that are kept for those who come back. */
const MAX_KEPT = 1_000

/** Whoever does not take what he is sent is cut off beyond this, in bytes. */
const MAX_UNSENT_BYTES = 1_048_576

/** How often those who listen are sent a sign of life, in ms. */
const HEARTBEAT_MS = 5_000

/** Events that a server may have told for each ms that it has been there. */
const MAX_PER_MS = 1_000

/** Something that is told, as it is sent. */
interface Told {
  readonly id: number
  readonly text: string
}

/** Tells any number of clients what happens, as server-sent events. Whoever was away is told what he has missed. */
export class EventStreams {
  readonly #clock: Clock
  readonly #listeners = new Set<ServerResponse>()
  readonly #kept: Told[] = []
  #lastId: number
  #cancelHeartbeat: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    // Beyond those of the process before: who comes back to another one is told all that it keeps.
    this.#lastId = clock.wallTime() * MAX_PER_MS
  }

  get size(): number {
    return this.#listeners.size
  }

  /**
   * Lets a client listen from now on.
   *
   * @param headers - that are answered
   * @param lastId - the last event the client has seen; `undefined` if it has seen none
   * @throws Problem if there are too many
   */
  add(
    response: ServerResponse,
    headers: Record<string, number | string | string[] | undefined>,
    lastId: number | undefined
  ): void {
    if (this.#listeners.size >= MAX_LISTENERS)
      throw new Problem('UNAVAILABLE', 'There are too many who listen')
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write('retry: 2000\n\n')
    this.#listeners.add(response)
    response.on('close', () => this.#listeners.delete(response))
    if (lastId !== undefined) for (const { id, text } of this.#kept) if (id > lastId) response.write(text)
    this.#beat()
  }

  /** @param data - what JSON has a form for */
  tell(type: string, data: object): void {
    const id = ++this.#lastId
    const text = `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data, plain)}\n\n`
    this.#kept.push({ id, text })
    if (this.#kept.length > MAX_KEPT) this.#kept.shift()
    this.#send(text)
  }

  /** Ends all. */
  close(): void {
    this.#cancelHeartbeat?.()
    this.#cancelHeartbeat = undefined
    for (const response of this.#listeners) response.end()
    this.#listeners.clear()
  }

  #send(text: string): void {
    for (const response of this.#listeners) {
      if (response.writableLength > MAX_UNSENT_BYTES) response.destroy()
      else response.write(text)
    }
  }

  /** As long as anybody listens. */
  #beat(): void {
    this.#cancelHeartbeat ??= this.#clock.schedule(() => {
      this.#cancelHeartbeat = undefined
      if (this.#listeners.size === 0) return
      this.#send(': alive\n\n')
      this.#beat()
    }, HEARTBEAT_MS)
  }
}
