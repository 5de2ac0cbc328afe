import type { Connection, Stream, StreamHandlerRecord } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { Override } from './override.ts'
import { isBitswap } from './protocols.ts'

/**
 * Shows the Bitswap streams that peers open, just before they are handled. One that is aborted then is not.
 *
 * It stands in for `registrar.getHandler`. The registrar's middleware would be the place for it, but with libp2p 3.3 it
 * makes handlers run several times (https://github.com/libp2p/js-libp2p/pull/3534).
 */
export class InboundObserver {
  readonly #getHandler: Override<Registrar, 'getHandler'>

  constructor(registrar: Registrar, onStream: (stream: Stream, connection: Connection) => void) {
    this.#getHandler = new Override(registrar, 'getHandler', original => protocol => {
      const record = original(protocol)
      return isBitswap(protocol) ? observed(record, onStream) : record
    })
  }

  start(): void {
    this.#getHandler.activate()
  }

  stop(): void {
    this.#getHandler.deactivate()
  }
}

function observed(
  record: StreamHandlerRecord,
  onStream: (stream: Stream, connection: Connection) => void
): StreamHandlerRecord {
  const handler: StreamHandlerRecord['handler'] = (stream, connection) => {
    onStream(stream, connection)
    // Helia would wait for the end of it in vain, which has been told of already.
    if (stream.status === 'aborted') return
    return record.handler(stream, connection)
  }
  return { ...record, handler }
}
