import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream'
import type { Clock } from '../../core/index.ts'
import { ManagementRequestError } from './errors.ts'
import type { Requests } from './requests.ts'

/** The server gives a sign of life every 5 s; without one for this long, in ms, the connection is taken for dead. */
const MAX_SILENCE_MS = 15_000

/** The longest event that is read, in characters. */
const MAX_EVENT_LENGTH = 1_048_576

/** Something that happened. */
export interface ManagementEvent {
  /** A greater one for each, also after the server was started again. */
  readonly id: string | undefined
  /** What: `circuit:open`, `node:down`, `alert`. */
  readonly type: string
  /** To whom, as `peer` or `endpoint`, and what else is known. */
  readonly data: Readonly<Record<string, unknown>>
}

/** Reads what the server tells. A connection that breaks is made anew, and what was told meanwhile is read then. */
export class EventReader {
  readonly #requests: Requests
  readonly #clock: Clock

  constructor(requests: Requests, clock: Clock) {
    this.#requests = requests
    this.#clock = clock
  }

  /** @throws ManagementRequestError, the signal's reason */
  async *read(signal: AbortSignal | undefined): AsyncGenerator<ManagementEvent, never> {
    let lastId: string | undefined
    for (let failures = 0; ; ) {
      for await (const { id, event = 'message', data } of this.#connection(lastId, signal)) {
        failures = 0
        lastId = id ?? lastId
        yield { id, type: event, data: JSON.parse(data) }
      }
      await this.#requests.wait(++failures, signal)
    }
  }

  /** What comes over one connection, until it breaks. */
  async *#connection(
    lastId: string | undefined,
    signal: AbortSignal | undefined
  ): AsyncGenerator<EventSourceMessage, void> {
    const dead = new AbortController()
    const watch = (): (() => void) => this.#clock.schedule(() => dead.abort(), MAX_SILENCE_MS)
    let endWatch = (): void => {}
    try {
      const stream = await this.#requests.stream({
        path: '/api/v1/events',
        headers: lastId === undefined ? {} : { 'last-event-id': lastId },
        signal: signal === undefined ? dead.signal : AbortSignal.any([signal, dead.signal])
      })
      endWatch = watch()
      const onChunk = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          endWatch()
          endWatch = watch()
          controller.enqueue(chunk)
        }
      })
      yield* stream
        .pipeThrough(onChunk)
        .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
        .pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_EVENT_LENGTH }))
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ManagementRequestError) throw error
    } finally {
      endWatch()
    }
  }
}
