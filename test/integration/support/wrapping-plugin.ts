import type { Connection, Libp2pEvents, Startable, Stream, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import { BITSWAP } from './client.ts'

interface Components {
  readonly connectionManager: ConnectionManager
  readonly events: TypedEventTarget<Libp2pEvents>
}

/** Another plugin that stands in for the ways to open a stream, as the protection does, and counts Bitswap's. */
export class WrappingPlugin implements Startable {
  readonly #components: Components
  /** Calls of `connectionManager.openStream`. */
  byPeer = 0
  /** Calls of `newStream` of connections, */
  byConnection = 0
  /** of which so many failed, with these errors. */
  readonly errors: string[] = []
  #undo: Array<() => void> = []

  constructor(components: Components) {
    this.#components = components
  }

  start(): void {
    const { connectionManager, events } = this.#components
    const { openStream } = connectionManager
    connectionManager.openStream = (peer, protocols, options) => {
      if ([protocols].flat().includes(BITSWAP)) this.byPeer++
      return openStream.call(connectionManager, peer, protocols, options)
    }
    this.#undo.push(() => {
      connectionManager.openStream = openStream
    })
    const onOpen = ({ detail }: CustomEvent<Connection>): void => this.#wrap(detail)
    events.addEventListener('connection:open', onOpen)
    this.#undo.push(() => events.removeEventListener('connection:open', onOpen))
  }

  stop(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo()
  }

  #wrap(connection: Connection): void {
    const { newStream } = connection
    connection.newStream = async (protocols, options): Promise<Stream> => {
      const isBitswap = [protocols].flat().includes(BITSWAP)
      if (isBitswap) this.byConnection++
      try {
        return await newStream.call(connection, protocols, options)
      } catch (error) {
        if (isBitswap) this.errors.push((error as Error).name)
        throw error
      }
    }
  }
}
