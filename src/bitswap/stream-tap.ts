import type { Stream, StreamMessageEvent } from '@libp2p/interface'

type Bytes = Parameters<Stream['send']>[0]

/** Sees what is sent over a stream, while it is. */
export interface SendWatcher {
  /** Bytes about to be sent. What is thrown here, the sender gets, and nothing is sent. */
  sending(data: Bytes): void
  /** The same bytes were accepted. */
  sent(): void
  /** Nothing will be sent any more. */
  finished(): void
  /** The stream is closed; `wasReset` by the peer. */
  closed(wasReset: boolean): void
}

/** Lets a watcher see what is sent over a stream of ours. */
export function tapSending(stream: Stream, watcher: SendWatcher): void {
  const { send, close } = stream
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
  stream.addEventListener('close', ({ error, local }) =>
    watcher.closed(error !== undefined && local === false)
  )
  // The peer may have been quicker.
  if (stream.status === 'reset') watcher.closed(true)
}

/**
 * Lets a watcher see what comes over a stream that a peer opened, without being a reader of it: a listener of its own
 * would drain the stream before the one who is meant to read it has come.
 *
 * The watcher may abort the stream: then its reader gets nothing more of it, not even what was just looked at.
 */
export function tapReceiving(stream: Stream, onReceived: (data: Bytes) => void): void {
  const { dispatchEvent } = stream
  stream.dispatchEvent = event => {
    if (event.type === 'message') {
      onReceived((event as StreamMessageEvent).data)
      if (stream.status === 'aborted') return true
    }
    return dispatchEvent.call(stream, event)
  }
}
