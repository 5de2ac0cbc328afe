import {
  type Connection,
  type ConnectionGater,
  type ConnectionLimits,
  type ConnectionStatus,
  type IdentifyResult,
  isPeerId,
  type Libp2pEvents,
  type Logger,
  type MessageStreamEvents,
  type NewStreamOptions,
  type PeerId,
  type Stream,
  StreamCloseEvent,
  type StreamHandler,
  type StreamHandlerRecord,
  type Topology,
  TypedEventEmitter
} from '@libp2p/interface'
import type { ConnectionManager, OpenConnectionOptions, Registrar } from '@libp2p/interface-internal'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { BITSWAP } from '../../../src/bitswap/protocols.ts'
import { createLogger } from './peers.ts'
import { openPair } from './streams.ts'

/** Something asked of the network, that the test answers. */
class Pending<Value> {
  readonly promise: Promise<Value>
  readonly resolve: (value: Value) => void
  readonly reject: (error: unknown) => void

  constructor(signal: AbortSignal | null | undefined) {
    const { promise, resolve, reject } = Promise.withResolvers<Value>()
    this.promise = promise
    this.resolve = resolve
    this.reject = reject
    // As libp2p does.
    if (signal?.aborted) reject(signal.reason)
    signal?.addEventListener('abort', () => reject(signal.reason))
  }
}

/** A stream that is being opened. */
export class Opening extends Pending<Stream> {
  readonly protocols: string | string[]
  readonly options: NewStreamOptions | undefined
  /** All that `newStream` was called with. */
  readonly args: readonly unknown[]

  constructor(args: [protocols: string | string[], options?: NewStreamOptions]) {
    super(args[1]?.signal)
    this.args = args
    this.protocols = args[0]
    this.options = args[1]
  }

  /** Opens it, and returns both its ends. */
  async open(protocol: string = BITSWAP): Promise<{ ours: Stream; theirs: Stream }> {
    const [ours, theirs] = await openPair(protocol)
    this.resolve(ours)
    await this.promise
    return { ours, theirs }
  }
}

type ConnectionEvents = Omit<MessageStreamEvents, 'drain' | 'message' | 'end'>

let connections = 0

/** A connection on which streams open when the test says so. */
export class FakeConnection extends TypedEventEmitter<ConnectionEvents> implements Connection {
  readonly id = `connection-${++connections}`
  readonly remoteAddr: Multiaddr
  readonly remotePeer: PeerId
  readonly direction = 'outbound'
  readonly timeline = { open: 0 }
  readonly direct = true
  readonly streams: Stream[] = []
  readonly log: Logger = createLogger().log
  readonly limits?: ConnectionLimits
  status: ConnectionStatus = 'open'
  readonly openings: Opening[] = []
  /** What the next openings are answered with at once; without it they wait. */
  onOpening: ((opening: Opening) => void) | undefined

  constructor(remotePeer: PeerId, limits?: ConnectionLimits, host = '127.0.0.1') {
    super()
    this.remotePeer = remotePeer
    this.remoteAddr = multiaddr(`/ip4/${host}/tcp/4001/p2p/${remotePeer}`)
    if (limits !== undefined) this.limits = limits
  }

  /** An own property, as in libp2p. */
  newStream = (...args: [protocols: string | string[], options?: NewStreamOptions]): Promise<Stream> => {
    const opening = new Opening(args)
    this.openings.push(opening)
    this.onOpening?.(opening)
    return opening.promise
  }

  get opening(): Opening {
    return this.openings.at(-1)!
  }

  /** What breaks a connection comes with its error; being closed comes without. */
  lose(error?: Error): void {
    this.status = 'closed'
    this.dispatchEvent(new StreamCloseEvent(undefined, error))
  }

  async close(): Promise<void> {
    this.lose()
  }

  abort(error: Error): void {
    this.lose(error)
  }
}

type DialTarget = PeerId | Multiaddr | Multiaddr[]

/** A peer that is being dialled. */
export class Dial extends Pending<FakeConnection> {
  readonly target: DialTarget

  constructor(target: DialTarget, options: OpenConnectionOptions | undefined) {
    super(options?.signal)
    this.target = target
  }
}

function unused(): never {
  throw new Error('Not needed here')
}

/** The parts of a libp2p node that the service touches, without a network. */
export class FakeNode {
  readonly events = new TypedEventEmitter<Libp2pEvents>()
  readonly connectionManager = new FakeConnectionManager()
  readonly registrar = new FakeRegistrar()
  readonly connectionGater: ConnectionGater = {}
  readonly #logger = createLogger()
  readonly logger = this.#logger.logger
  readonly log = this.#logger.log
  readonly errors = this.#logger.errors

  /** Connects, as libp2p tells of it. */
  connect(peer: PeerId, limits?: ConnectionLimits): FakeConnection {
    return this.add(new FakeConnection(peer, limits))
  }

  add(connection: FakeConnection): FakeConnection {
    const { connections } = this.connectionManager
    connections.push(connection)
    connection.addEventListener('close', () => connections.splice(connections.indexOf(connection), 1))
    this.events.dispatchEvent(new CustomEvent<Connection>('connection:open', { detail: connection }))
    return connection
  }

  identify(connection: FakeConnection): void {
    const detail = { peerId: connection.remotePeer, connection, protocols: [BITSWAP] } as unknown
    this.events.dispatchEvent(new CustomEvent('peer:identify', { detail: detail as IdentifyResult }))
  }

  /** What a dial comes to, as libp2p does it: it is told of before whoever dialled hears. */
  answer(dial: Dial, peer: PeerId): FakeConnection {
    const connection = this.connect(peer)
    dial.resolve(connection)
    return connection
  }

  /** A peer opens a stream, which is handled here; returns both its ends. */
  async receive(
    connection: FakeConnection,
    protocol: string = BITSWAP
  ): Promise<{ ours: Stream; theirs: Stream }> {
    const [ours, theirs] = await openPair(protocol)
    await this.registrar.getHandler(protocol).handler(ours, connection)
    return { ours, theirs }
  }

  /** Adds a topology of these protocols, and returns what it is told. */
  follow(protocols: readonly string[] = [BITSWAP], topology: Topology = {}): Array<[PeerId, Connection]> {
    const told: Array<[PeerId, Connection]> = []
    const follower: Topology = {
      ...topology,
      onConnect: (peer, connection) => {
        told.push([peer, connection])
        return topology.onConnect?.(peer, connection)
      }
    }
    const { topologies } = this.registrar
    for (const protocol of protocols)
      topologies.set(protocol, [...this.registrar.getTopologies(protocol), follower])
    return told
  }
}

class FakeConnectionManager implements ConnectionManager {
  readonly connections: FakeConnection[] = []
  readonly dials: Dial[] = []
  /** All that `openStream` was called with. */
  readonly calls: unknown[][] = []

  /** On the prototype, as in libp2p. */
  async openStream(
    ...args: [
      target: DialTarget,
      protocols: string | string[],
      options?: OpenConnectionOptions & NewStreamOptions
    ]
  ): Promise<Stream> {
    this.calls.push(args)
    const [target, protocols, options] = args
    const connection = await this.openConnection(target, options)
    return connection.newStream(protocols, options)
  }

  openConnection(target: DialTarget, options?: OpenConnectionOptions): Promise<Connection> {
    const known = isPeerId(target) ? this.getConnections(target)[0] : undefined
    if (known !== undefined) return Promise.resolve(known)
    const dial = new Dial(target, options)
    this.dials.push(dial)
    return dial.promise
  }

  getConnections(peer?: PeerId): FakeConnection[] {
    return this.connections.filter(({ remotePeer }) => peer === undefined || remotePeer.equals(peer))
  }

  getConnectionsMap = unused
  getMaxConnections = unused
  setMaxConnections = unused
  closeConnections = unused
  acceptIncomingConnection = unused
  afterUpgradeInbound = unused
  getDialQueue = unused
  isDialable = unused
}

export class FakeRegistrar implements Registrar {
  readonly handlers = new Map<string, StreamHandlerRecord>()
  readonly topologies = new Map<string, Topology[]>()

  /** On the prototype, as in libp2p. */
  getHandler(protocol: string): StreamHandlerRecord {
    const record = this.handlers.get(protocol)
    if (record === undefined) throw new Error(`No handler registered for protocol ${protocol}`)
    return record
  }

  async handle(protocol: string, handler: StreamHandler): Promise<void> {
    this.handlers.set(protocol, { handler, options: { maxInboundStreams: 32, maxOutboundStreams: 64 } })
  }

  getTopologies(protocol: string): Topology[] {
    return this.topologies.get(protocol) ?? []
  }

  getProtocols(): string[] {
    return [...this.handlers.keys()]
  }

  async register(protocol: string, topology: Topology): Promise<string> {
    this.topologies.set(protocol, [...this.getTopologies(protocol), topology])
    return protocol
  }

  unhandle = unused
  use = unused
  unuse = unused
  getMiddleware = unused
  unregister(): void {}
}
