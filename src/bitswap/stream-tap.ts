import { type Stream, StreamMessageEvent } from '@libp2p/interface'

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

/** What becomes of bytes that came: they are passed on, held until more of them are there, or dropped with those that are held. */
export type Delivery = 'PASS' | 'HOLD' | 'DROP'

/** In place of what is dropped: a message with an empty wantlist. Helia resets a stream on which it gets none for 10 s. */
const EMPTY_MESSAGE = Uint8Array.of(2, 0x0a, 0)

/** After these nothing more comes of what is held. */
const LAST_EVENTS: readonly string[] = ['remoteCloseWrite', 'close']

/**
 * Lets a watcher see what comes over a stream that a peer opened, without being a reader of it: a listener of its own
 * would drain the stream before the one who is meant to read it has come. He says what the reader gets of it.
 *
 * The watcher may abort the stream: then its reader gets nothing more of it, not even what was just looked at.
 */
export function tapReceiving(stream: Stream, onReceived: (data: Bytes) => Delivery): void {
  const { dispatchEvent } = stream
  const held: Event[] = []
  const passOn = (event: Event): boolean => {
    for (const earlier of held.splice(0)) dispatchEvent.call(stream, earlier)
    return dispatchEvent.call(stream, event)
  }
  stream.dispatchEvent = event => {
    if (event.type !== 'message')
      return LAST_EVENTS.includes(event.type) ? passOn(event) : dispatchEvent.call(stream, event)
    const delivery = onReceived((event as StreamMessageEvent).data)
    if (stream.status === 'aborted') return true
    if (delivery === 'PASS') return passOn(event)
    if (delivery === 'HOLD') {
      held.push(event)
      return true
    }
    held.length = 0
    return dispatchEvent.call(stream, new StreamMessageEvent(EMPTY_MESSAGE))
  }
}
