import type { Logger, Stream } from '@libp2p/interface'
import { type Bytes, DeferredStream } from './deferred-stream.ts'

/** Messages kept for a peer at most. Boxo keeps as many wants of a peer (`MaxQueuedWantlistEntriesPerPeer`). */
const MAX_HELD = 1_024

/** Sends something over a stream that is being opened, if it ever is. */
export type Sending = (opening: Promise<Stream>) => void

interface Held {
  /** What its sender was given. */
  readonly stream: DeferredStream
  /** Has it stand for a stream. */
  readonly sendOver: Sending
}

/** Messages for one peer that wait for their turn, while their senders go on. */
export class HeldMessages {
  #held: Held[] = []

  get size(): number {
    return this.#held.length
  }

  /** @returns where the message is to be written to; `undefined` if there are too many */
  add(protocol: string, log: Logger): Stream | undefined {
    if (this.#held.length >= MAX_HELD) return undefined
    const { promise, resolve } = Promise.withResolvers<Stream>()
    const stream = new DeferredStream(promise, protocol, log)
    this.#held.push({ stream, sendOver: resolve })
    return stream
  }

  /**
   * Takes what goes over one stream: every message that is complete, since a peer reads any number of them from a stream; or if
   * there is none, the oldest of those still being written.
   */
  take(): Sending | undefined {
    const complete: Bytes[] = []
    const incomplete: Held[] = []
    for (const held of this.#held) {
      const message = held.stream.takeMessage()
      if (message !== undefined) complete.push(...message)
      else if (held.stream.status !== 'aborted') incomplete.push(held)
    }
    const next = complete.length > 0 ? undefined : incomplete.shift()
    this.#held = incomplete
    return complete.length > 0 ? opening => sendAll(opening, complete) : next?.sendOver
  }
}

function sendAll(opening: Promise<Stream>, messages: readonly Bytes[]): void {
  opening.then(
    stream => {
      try {
        for (const data of messages) stream.send(data)
        for (const done of [stream.closeRead(), stream.close()]) done.catch(error => stream.abort(error))
      } catch (error) {
        stream.abort(error instanceof Error ? error : new Error(String(error)))
      }
    },
    // Whoever opens it sees to what is lost.
    () => {}
  )
}
