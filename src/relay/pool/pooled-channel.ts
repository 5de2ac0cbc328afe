import type { Duplex } from 'node:stream'
import type { Channel, OperationOptions } from '../channel/channel.ts'
import { ChannelBusyError } from '../channel/channel-error.ts'
import { ChannelStream } from './channel-stream.ts'

/**
 * A channel of a pool, for as long as somebody has it: until it is released, which `await using` does. After that it is good
 * for nothing, so that nobody gets what is meant for the next one.
 */
export class PooledChannel implements AsyncDisposable {
  readonly id: string
  #channel: Channel | undefined
  readonly #onReleased: (channel: Channel) => void

  constructor(channel: Channel, onReleased: (channel: Channel) => void) {
    this.id = channel.id
    this.#channel = channel
    this.#onReleased = onReleased
  }

  /** Sends bytes; resolves, with their number, when there is room for more. @throws what {@link readExact} does */
  async write(data: Uint8Array, options?: OperationOptions): Promise<number> {
    return this.#held.write(data, options)
  }

  /** Sends bytes; resolves when the last one was handed to the system. @throws what {@link readExact} does */
  async writeAll(data: Uint8Array, options?: OperationOptions): Promise<void> {
    return this.#held.writeAll(data, options)
  }

  /**
   * Waits for bytes; resolves with those there are, up to `maxBytes`, or with nothing if the endpoint has ended.
   *
   * @throws what {@link readExact} does
   */
  async read(options?: OperationOptions & { readonly maxBytes?: number }): Promise<Uint8Array | undefined> {
    return this.#held.read(options)
  }

  /**
   * Waits for exactly so many bytes.
   *
   * @throws ChannelClosedError; ChannelTimeoutError; IdentityError if the endpoint does not accept our certificate;
   * ChannelBusyError; InvalidOptionError; the signal's reason
   */
  async readExact(count: number, options?: OperationOptions): Promise<Uint8Array> {
    return this.#held.readExact(count, options)
  }

  /** What comes, until the endpoint ends it. @throws what {@link readExact} does */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    return this.#held[Symbol.asyncIterator]()
  }

  /**
   * The same as a stream of Node, which reads ahead: use nothing else of the channel then. To end its writing side tells the
   * endpoint nothing. With the stream the channel is closed.
   *
   * @param options - of each reading and writing: as with all others, an endpoint that says nothing for too long is an error
   */
  toStream(options?: OperationOptions): Duplex {
    return new ChannelStream(this, options)
  }

  /** Gives it back. One that is in the middle of something, or has bytes that nobody has read, is closed. */
  release(): void {
    const channel = this.#channel
    this.#channel = undefined
    if (channel !== undefined) this.#onReleased(channel)
  }

  /** Closes it, and gives it back: nobody is to use it again. */
  discard(): void {
    this.#channel?.close('it was discarded')
    this.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release()
  }

  get #held(): Channel {
    if (this.#channel === undefined) throw new ChannelBusyError(this.id, 'it was given back to its pool')
    return this.#channel
  }
}
