import { Duplex } from 'node:stream'
import type { OperationOptions } from '../channel/channel.ts'
import type { PooledChannel } from './pooled-channel.ts'

/** A channel as a stream of Node, for `pipeline` and the like. */
export class ChannelStream extends Duplex {
  readonly #channel: PooledChannel
  readonly #options: OperationOptions | undefined

  constructor(channel: PooledChannel, options: OperationOptions | undefined) {
    super()
    this.#channel = channel
    this.#options = options
  }

  override _read(): void {
    this.#channel.read(this.#options).then(
      bytes => this.push(bytes ?? null),
      (error: Error) => this.destroy(error)
    )
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    this.#channel.writeAll(chunk, this.#options).then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // Either the endpoint has ended it, or what else is to come is for nobody.
    this.#channel.discard()
    done(error)
  }
}
