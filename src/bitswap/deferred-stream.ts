import type { AbortOptions, Logger, Stream } from '@libp2p/interface'
import { AbstractStream } from '@libp2p/utils'

export type Bytes = Parameters<AbstractStream['onData']>[0]
type SendResult = ReturnType<AbstractStream['sendData']>

/** Bytes kept for a stream that is still being opened; a writer that has more is asked to wait. */
const MAX_KEPT_BYTES = 256 * 1024

let created = 0

/**
 * A stream that can be written to, and closed, while the one it stands for is still being opened: so that nobody has
 * to wait for a slow peer in order to send it a message. What was written goes out when the other is open; if it
 * never is, this one is aborted.
 */
export class DeferredStream extends AbstractStream {
  readonly #kept: Bytes[] = []
  #keptBytes = 0
  #target: Stream | undefined
  #isWriteClosed = false
  #isReadClosed = false

  /** @param protocol - what will be spoken */
  constructor(opening: Promise<Stream>, protocol: string, log: Logger) {
    super({ id: `deferred-${++created}`, protocol, direction: 'outbound', log })
    opening.then(
      stream => this.#attach(stream),
      error => this.#fail(error)
    )
  }

  sendData(data: Bytes): SendResult {
    const sentBytes = data.byteLength
    if (this.#target !== undefined) return { sentBytes, canSendMore: this.#target.send(data) }
    this.#kept.push(data)
    this.#keptBytes += sentBytes
    return { sentBytes, canSendMore: this.#keptBytes < MAX_KEPT_BYTES }
  }

  /** All that was written, if that is all there will be and nobody waits for an answer; this stream has ended then. */
  takeMessage(): Bytes[] | undefined {
    if (this.status !== 'open' || !this.#isWriteClosed || !this.#isReadClosed) return undefined
    this.onTransportClosed()
    return this.#kept.splice(0)
  }

  sendReset(error: Error): void {
    this.#target?.abort(error)
  }

  async sendCloseWrite(options?: AbortOptions): Promise<void> {
    this.#isWriteClosed = true
    await this.#target?.close(options)
  }

  async sendCloseRead(options?: AbortOptions): Promise<void> {
    this.#isReadClosed = true
    await this.#target?.closeRead(options)
  }

  sendPause(): void {
    this.#target?.pause()
  }

  sendResume(): void {
    this.#target?.resume()
  }

  #attach(stream: Stream): void {
    if (this.status === 'aborted') {
      stream.abort(new Error('Aborted before it was open'))
      return
    }
    this.#target = stream
    try {
      this.#follow(stream)
      if (stream.status === 'open' || stream.status === 'closing') this.#deliver(stream)
      this.#catchUp(stream)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Does to the other what was done to this one. */
  #deliver(stream: Stream): void {
    let canSendMore = true
    for (const data of this.#kept.splice(0)) canSendMore = stream.send(data)
    if (this.#isReadClosed) stream.closeRead().catch(error => stream.abort(error))
    else if (this.readStatus === 'paused') stream.pause()
    if (this.#isWriteClosed) stream.close().catch(error => stream.abort(error))
    else if (canSendMore) this.onMuxerDrain()
  }

  /** Passes on what the other tells. */
  #follow(stream: Stream): void {
    stream.addEventListener('drain', () => this.onMuxerDrain())
    stream.addEventListener('remoteCloseWrite', () => this.#onRemoteCloseWrite(stream))
    stream.addEventListener('close', ({ error, local }) => this.#onClose(stream, error, local))
    // Nobody reads a stream whose reading end is closed; listening would only keep its bytes flowing.
    if (!this.#isReadClosed) stream.addEventListener('message', ({ data }) => this.onData(data))
  }

  /** Takes note of what happened before the other was listened to: a peer may close, or reset, at once. */
  #catchUp(stream: Stream): void {
    const wasLost = stream.status === 'closed' && this.#kept.length > 0
    if (stream.status === 'reset') this.onRemoteReset()
    else if (stream.status === 'aborted' || wasLost) this.abort(new Error('Closed before it could be used'))
    else if (stream.status === 'closed') this.#onClose(stream, undefined, undefined)
    else if (stream.remoteWriteStatus === 'closed') this.#onRemoteCloseWrite(stream)
  }

  #onRemoteCloseWrite(stream: Stream): void {
    whenRead(stream, () => this.onRemoteCloseWrite())
  }

  #onClose(stream: Stream, error: Error | undefined, local: boolean | undefined): void {
    if (error !== undefined && local === false) this.onRemoteReset()
    else if (error !== undefined) this.onTransportClosed(error)
    else whenRead(stream, () => this.onTransportClosed())
  }

  #fail(error: Error | unknown): void {
    const reason = error instanceof Error ? error : new Error(String(error))
    this.#target?.abort(reason)
    this.abort(reason)
  }
}

/** Calls `then` when the stream has delivered everything it got: a peer may close while bytes of it lie unread. */
function whenRead(stream: Stream, then: () => void): void {
  if (stream.readBufferLength === 0) then()
  else stream.addEventListener('end', then, { once: true })
}
