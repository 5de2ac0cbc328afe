import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'

type Bytes = Parameters<Stream['send']>[0]

/** Sees what goes over a stream, while it does. */
export interface StreamWatcher {
  /** Bytes about to be sent. What is thrown here, the sender gets, and nothing is sent. */
  sending(data: Bytes): void
  /** The same bytes were accepted. */
  sent(): void
  received(data: Bytes): void
  /** Nothing will be sent any more. */
  finished(): void
  /** The stream is closed; `wasReset` by the peer. */
  closed(wasReset: boolean): void
}

/**
 * Lets a watcher see what goes over a stream, without being a reader of it: a listener of its own would drain the
 * stream before the one who is meant to read it has come.
 */
export function tapStream(stream: Stream, watcher: StreamWatcher): void {
  const { send, close, dispatchEvent } = stream
  stream.send = data => {
    watcher.sending(data)
    const canSendMore = send.call(stream, data)
    watcher.sent()
    return canSendMore
  }
  stream.close = options => {
    watcher.finished()
    return close.call(stream, options)
  }
  stream.dispatchEvent = event => {
    if (event.type === 'message') watcher.received((event as StreamMessageEvent).data)
    else if (event.type === 'close') {
      const { error, local } = event as StreamCloseEvent
      watcher.closed(error !== undefined && local === false)
    }
    return dispatchEvent.call(stream, event)
  }
  // The peer may have been quicker.
  if (stream.status === 'reset') watcher.closed(true)
}
