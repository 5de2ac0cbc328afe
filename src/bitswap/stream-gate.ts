import {
  type Connection,
  ConnectionClosedError,
  type DialTarget,
  type IdentifyResult,
  isPeerId,
  type Libp2pEvents,
  type Logger,
  type NewStreamOptions,
  type PeerId,
  type Stream,
  type StreamCloseEvent,
  type TypedEventTarget
} from '@libp2p/interface'
import type { ConnectionManager, OpenConnectionOptions } from '@libp2p/interface-internal'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Deadlines, NO_LIMIT_MS } from '../core/deadlines.ts'
import { rejectionError } from '../core/errors.ts'
import { type Clock, type Protection, RejectedError } from '../core/index.ts'
import { isPeersFault } from './blame.ts'
import { type HoldHandlers, type HoldStreams, isCrowded, MessageHold } from './message-hold.ts'
import { Override } from './override.ts'
import { isReply, mayAnswer, Pass } from './pass.ts'
import type { PeerJudge } from './peer-judge.ts'
import { type PeerLink, type PeerLinks, untriedConnection } from './peer-link.ts'
import { BITSWAP, BITSWAP_PROTOCOLS, isBitswap, PING } from './protocols.ts'
import { discard, type NewStream, type OpenLimits, StreamOpener } from './stream-opener.ts'

type OpenStream = ConnectionManager['openStream']
type OpenOptions = OpenConnectionOptions & NewStreamOptions
type Options = NewStreamOptions & { [PASS]?: Pass; message?: unknown }

/** The first guess of how quick a peer is, in ms, is no worse than this: the node itself may have been busy. */
const MAX_SEED_MS = 2_000

/** Where a pass travels from the one wrapper to the other. */
const PASS = Symbol('bitswap-protection.pass')

/** What the gate needs of the node. */
export interface GateComponents {
  readonly connectionManager: ConnectionManager
  readonly events: TypedEventTarget<Libp2pEvents>
}

/** Who is told what happens at the gate. */
export interface GateHandlers extends HoldHandlers {
  /** A stream is open: whoever wants to see what goes over it must look from now on. */
  onStream(stream: Stream, link: PeerLink, connection: Connection | undefined, pass: Pass): void
  /** The last connection to a peer is gone, because the peer closed it or it broke if `isItsFault`. */
  onGone(link: PeerLink, isItsFault: boolean): void
  onOpened(elapsedMs: number): void
}

/**
 * Decides whether a Bitswap stream to a peer is opened, and sees to it that nobody waits for one that is slow to come.
 *
 * It stands in for `connectionManager.openStream`, so that a peer that is held back is not dialled either, and for
 * `newStream` of each connection, where all ways to a stream meet. Other protocols pass unseen.
 */
export class StreamGate {
  readonly #components: GateComponents
  readonly #protection: Protection
  readonly #clock: Clock
  readonly #links: PeerLinks
  readonly #judge: PeerJudge
  readonly #deadlines: Deadlines
  readonly #opener: StreamOpener
  readonly #hold: MessageHold
  readonly #handlers: GateHandlers
  readonly #log: Logger
  readonly #openStream: Override<ConnectionManager, 'openStream'>
  #openStreamUnguarded: OpenStream | undefined
  readonly #connections = new Map<Connection, GuardedConnection>()

  constructor(
    components: GateComponents,
    protection: Protection,
    clock: Clock,
    links: PeerLinks,
    judge: PeerJudge,
    deadlines: Deadlines,
    limits: OpenLimits,
    handlers: GateHandlers,
    log: Logger
  ) {
    this.#components = components
    this.#protection = protection
    this.#clock = clock
    this.#links = links
    this.#judge = judge
    this.#deadlines = deadlines
    this.#handlers = handlers
    this.#log = log
    const holdBack = (link: PeerLink): RejectedError => this.#holdBack(link)
    const onSettled = (link: PeerLink): void => this.#hold.sendOn(link)
    const opened = { ...handlers, holdBack, onSettled }
    this.#opener = new StreamOpener(links, judge, deadlines, limits, opened, log)
    const streams: HoldStreams = {
      open: (link, admit) => this.#openNewest(link, admit),
      openUnguarded: async link =>
        this.#newest(link).newStream([...BITSWAP_PROTOCOLS], { runOnLimitedConnection: true })
    }
    this.#hold = new MessageHold(protection, streams, handlers, log)
    this.#openStream = new Override(components.connectionManager, 'openStream', original => {
      this.#openStreamUnguarded = original
      return (...args) => {
        const [target, protocols, options] = args
        const peer = readPeerId(target)
        // To a connected peer, `newStream` decides.
        if (peer === undefined || !this.#isGuarded(protocols) || this.#isConnected(peer))
          return original(...args)
        return this.#openByPeer(original, peer, target, protocols, options as Options | undefined)
      }
    })
  }

  start(): void {
    const { events, connectionManager } = this.#components
    this.#openStream.activate()
    events.addEventListener('connection:open', this.#onConnection)
    events.addEventListener('peer:identify', this.#onIdentify)
    for (const connection of connectionManager.getConnections()) this.#guard(connection)
  }

  /** Streams being opened go on, since what was written to them is taken for sent; but nobody waits for them. */
  stop(): void {
    const { events } = this.#components
    events.removeEventListener('connection:open', this.#onConnection)
    events.removeEventListener('peer:identify', this.#onIdentify)
    for (const link of this.#links.values()) this.#hold.sendUnguarded(link)
    for (const connection of [...this.#connections.keys()]) this.#release(connection)
    this.#openStream.deactivate()
    this.#opener.stop()
  }

  readonly #onConnection = ({ detail }: CustomEvent<Connection>): void => this.#guard(detail)

  /** Identify has opened a stream and had its answer by now, which is about two ways there and back. */
  readonly #onIdentify = ({ detail }: CustomEvent<IdentifyResult>): void => {
    const guarded = this.#connections.get(detail.connection)
    if (guarded === undefined || guarded.link.openTime.isKnown) return
    const elapsedMs = this.#clock.now() - guarded.openedAtMs
    this.#judge.seedOpenTime(guarded.link, Math.min(elapsedMs / 2, MAX_SEED_MS))
  }

  #guard(connection: Connection): void {
    if (this.#connections.has(connection) || connection.status !== 'open') return
    const link = this.#links.claim(connection.remotePeer)
    let unguarded: NewStream | undefined
    const newStream = new Override(connection, 'newStream', original => {
      unguarded = original
      return (...args) => {
        const [protocols, options] = args
        return this.#isGuarded(protocols)
          ? this.#openOn(link, connection, original, protocols, options as Options | undefined)
          : original(...args)
      }
    })
    newStream.activate()
    let wasClosedHere = false
    const close = new Override(connection, 'close', original => options => {
      wasClosedHere = true
      return original(options)
    })
    close.activate()
    const onClose = ({ error }: StreamCloseEvent): void => {
      this.#release(connection)
      this.#judge.lost(link, connection, error, wasClosedHere)
      const isItsFault = !wasClosedHere && (error === undefined || isPeersFault(error))
      if (link.connections.size === 0) {
        this.#hold.lose(link)
        this.#handlers.onGone(link, isItsFault)
      }
      this.#links.release(link)
    }
    connection.addEventListener('close', onClose)
    link.connections.add(connection)
    this.#connections.set(connection, {
      connection,
      link,
      openedAtMs: this.#clock.now(),
      newStream: unguarded!,
      release: () => {
        newStream.deactivate()
        close.deactivate()
        connection.removeEventListener('close', onClose)
      }
    })
  }

  #release(connection: Connection): void {
    const guarded = this.#connections.get(connection)
    if (guarded === undefined) return
    this.#connections.delete(connection)
    guarded.link.connections.delete(connection)
    guarded.release()
  }

  /** Stands in for `connectionManager.openStream`. */
  async #openByPeer(
    original: OpenStream,
    peer: PeerId,
    target: DialTarget,
    protocols: string | string[],
    options: Options = {}
  ): Promise<Stream> {
    options.signal?.throwIfAborted()
    const link = this.#links.claim(peer)
    try {
      return await this.#dial(
        link,
        this.#admit(link, options),
        passed => original(target, protocols, { ...options, [PASS]: passed } as OpenOptions),
        options.signal
      )
    } finally {
      this.#links.release(link)
    }
  }

  async #dial(
    link: PeerLink,
    pass: Pass,
    open: (pass: Pass) => Promise<Stream>,
    signal: AbortSignal | undefined
  ): Promise<Stream> {
    // Lets awake time go on, by which it is told whether others responded meanwhile.
    const dialling = this.#deadlines.add(NO_LIMIT_MS, () => {})
    const sinceMs = this.#deadlines.awakeMs
    try {
      return await open(pass)
    } catch (error) {
      // Once it got to the stream, that has been judged.
      if (!pass.isUsed && signal?.aborted !== true)
        pass.settle(this.#judge.openFailed(link, undefined, error, sinceMs))
      throw error
    } finally {
      dialling.cancel()
      if (!pass.isUsed) pass.settle('ignored')
    }
  }

  #isGuarded(protocols: string | string[]): boolean {
    return isBitswap(protocols) && this.#protection.mode !== 'off'
  }

  #isConnected(peer: PeerId): boolean {
    return (this.#links.find(peer.toString())?.connections.size ?? 0) > 0
  }

  /** Stands in for `newStream` of a connection. */
  async #openOn(
    link: PeerLink,
    connection: Connection,
    newStream: NewStream,
    protocols: string | string[],
    options: Options = {}
  ): Promise<Stream> {
    options.signal?.throwIfAborted()
    const names = typeof protocols === 'string' ? [protocols] : protocols
    const isAdmitted = options[PASS] !== undefined || link.executing > 0
    const held = isAdmitted ? undefined : this.#hold.add(link, connection, names, options)
    if (held !== undefined) return held
    const pass = options[PASS] ?? this.#admit(link, options)
    pass.isUsed = true
    const request = { link, connection, newStream, protocols: names, options, pass }
    // Whoever opened it with a time limit of his own, or to be useful to the peer, waits himself.
    if (pass.kind !== 'CALL' || this.#protection.mode === 'observe') return this.#opener.open(request)
    return this.#opener.openPatiently(request, this.#protection.isSteady(link.key))
  }

  /** @throws RejectedError */
  #admit(link: PeerLink, options: Options): Pass {
    if (link.executing > 0) return Pass.ride()
    if (isReply(options.message)) return Pass.answer()
    try {
      if (isCrowded(link) && this.#protection.mode === 'enforce')
        throw this.#localRejection(link, 'IN_FLIGHT_FULL')
      return Pass.call(this.#protection.admit(link.key, { timeoutMs: NO_LIMIT_MS }))
    } catch (error) {
      if (error instanceof RejectedError && mayAnswer(options.message, link.peerWants))
        return Pass.answer(error)
      if (error instanceof RejectedError) this.#handlers.onHeldBack(link, error)
      throw error
    }
  }

  /** Whoever waited for a stream that nothing can stand for, since the protocol is not known yet, waits no longer. */
  #holdBack(link: PeerLink): RejectedError {
    const rejection = this.#localRejection(link, 'SUSPECT')
    this.#handlers.onHeldBack(link, rejection)
    return rejection
  }

  /** The error for what is not done for a reason that lies here. */
  #localRejection({ key }: PeerLink, reason: 'IN_FLIGHT_FULL' | 'SUSPECT'): RejectedError {
    const state = this.#protection.getPeerStatus(key)?.circuitState ?? 'CLOSED'
    return rejectionError({ key, reason, state, retryAfterMs: 0 })
  }

  /** Opens a stream for what has been admitted already; it goes on until it is open or out of time. */
  open(link: PeerLink): Promise<Stream> {
    return this.#openNewest(link, Pass.taker)
  }

  async #openNewest(link: PeerLink, admit: () => Pass): Promise<Stream> {
    const { connection, newStream } = this.#newest(link)
    const options = { runOnLimitedConnection: true }
    const protocols = [...BITSWAP_PROTOCOLS]
    return this.#opener.openDetached({ link, connection, newStream, protocols, options, pass: admit() })
  }

  /**
   * The connection that libp2p would take as well.
   *
   * @throws ConnectionClosedError
   */
  #newest({ key, connections }: PeerLink): GuardedConnection {
    const newest = [...connections].at(-1)
    const guarded = newest && this.#connections.get(newest)
    if (guarded === undefined) throw new ConnectionClosedError(`Not connected to ${key}`)
    return guarded
  }

  /** Finds out whether a suspect responds, if that is not under way: opens a stream, dialling it first if need be. */
  probe(link: PeerLink): void {
    const { connections, isProbed, tryingOn } = link
    const isBeingTried = [...connections].some(connection => tryingOn.includes(connection))
    const connection = untriedConnection(link) ?? (isBeingTried ? undefined : [...connections][0])
    if (isProbed || (connection === undefined && connections.size > 0)) return
    const guarded = connection && this.#connections.get(connection)
    const newStream: NewStream =
      guarded?.newStream ??
      ((protocols, options) => this.#openStreamUnguarded!(link.peer, protocols, options as OpenOptions))
    const protocols = [link.protocol ?? BITSWAP, PING]
    this.#log.trace('probing %p', link.peer)
    const options = { runOnLimitedConnection: true }
    this.#opener
      .openDetached({ link, connection, newStream, protocols, options, pass: Pass.answer(), isProbe: true })
      .then(discard, error => this.#log.trace('probe of %p failed - %e', link.peer, error))
  }
}

interface GuardedConnection {
  readonly connection: Connection
  readonly link: PeerLink
  readonly openedAtMs: number
  /** As it was. */
  readonly newStream: NewStream
  readonly release: () => void
}

function readPeerId(target: DialTarget): PeerId | undefined {
  if (isPeerId(target)) return target
  const [address] = [target].flat()
  const id = address?.getComponents().findLast(({ name }) => name === 'p2p')?.value
  return id === undefined ? undefined : peerIdFromString(id)
}
