import { type AbortOptions, isPeerId, type PeerId } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import { peerIdFromCID, peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import type { Deadlines } from '../../core/deadlines.ts'
import type { Clock } from '../../core/index.ts'
import { type FetchProgress, nobody, type ProgressListener, progress } from './fetch-progress.ts'

/** Somebody who may have a block: by peer id (as such or as a CID, as Helia gives them) or by address. */
export type Provider = PeerId | CID | Multiaddr | Multiaddr[]

/** Somebody the routing found; `router` is what found him. */
interface FoundProvider {
  readonly id: PeerId | CID
  readonly multiaddrs: Multiaddr[]
  readonly router?: string
}

/** Connects to somebody; an error only means that he is of no use. */
type Dial = (target: Dialable, signal: AbortSignal, listener: ProgressListener) => Promise<unknown>

/** Where it can be looked up who provides a block: the content routing of libp2p, or the routing of Helia. */
export interface ProviderRouting {
  findProviders(
    cid: CID,
    options?: AbortOptions & { onProgress?: (progress: FetchProgress) => void }
  ): AsyncIterable<FoundProvider>
}

/** What can be dialled: a peer, or addresses of one. */
type Dialable = PeerId | Multiaddr[]

/** Providers taken from one search: as boxo does. */
const MAX_FOUND = 10

/** Providers being dialled at once for one search. */
const MAX_DIALS = 8

/** One dial follows the other after this long, in ms, if that has not ended by then. */
const STAGGER_MS = 50

/**
 * A provider that was given and is not connected any more is dialled again after this long, in ms; after twice as long each
 * time it could not be connected to, up to the latter. So many are remembered.
 */
const MIN_REDIAL_MS = 1_000
const MAX_REDIAL_MS = 30_000
const MAX_REMEMBERED = 256

interface LastDial {
  readonly atMs: number
  redialMs: number
}

/** Connects to those who may have a block. */
export class ProviderSearch {
  readonly #connectionManager: ConnectionManager
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  readonly #dial: Dial
  /** Providers that were given, and are dialled or wait for that; the promises do not reject. */
  readonly #dialling = new Map<string, Promise<unknown>>()
  readonly #lastDials = new Map<string, LastDial>()

  constructor(connectionManager: ConnectionManager, clock: Clock, deadlines: Deadlines, dial: Dial) {
    this.#connectionManager = connectionManager
    this.#clock = clock
    this.#deadlines = deadlines
    this.#dial = dial
  }

  /**
   * Connects to those given that are not connected, unless that was tried not long before. Ends when none of them is being
   * dialled any more.
   *
   * @param most - of how many a connection is wanted, the first ones first
   */
  async connect(
    given: Iterable<Provider>,
    signal: AbortSignal,
    most = Infinity,
    listener = nobody
  ): Promise<void> {
    const targets = [...given].map(toDialable)
    const dialled = this.#dialAll(this.#takeDue(targets, most), signal, listener)
    await Promise.all([dialled, ...targets.map(target => this.#dialling.get(target.toString()))])
  }

  /** Those to dial now, so that `most` are connected. */
  #takeDue(targets: readonly Dialable[], most: number): Dialable[] {
    const isThere = (target: Dialable): boolean =>
      this.#isConnected(target) || this.#dialling.has(target.toString())
    const missing = most - targets.filter(isThere).length
    const due: Dialable[] = []
    for (const target of targets) if (due.length < missing && this.#isDue(target)) due.push(target)
    return due
  }

  /** Dials one after the other, without waiting long for any: all at once, each would take longer. */
  async #dialAll(
    targets: readonly Dialable[],
    signal: AbortSignal,
    listener: ProgressListener
  ): Promise<void> {
    const queue = targets.map(target => ({ target, end: Promise.withResolvers<void>() }))
    for (const { target, end } of queue) this.#dialling.set(target.toString(), end.promise)
    const dials = new Set<Promise<void>>()
    for (const { target, end } of queue) {
      const dial = this.#connect(target, signal, listener).then(() => {
        dials.delete(dial)
        this.#dialling.delete(target.toString())
        end.resolve()
      })
      dials.add(dial)
      await this.#stagger(dial)
      if (dials.size >= MAX_DIALS) await Promise.race(dials)
    }
    await Promise.all(dials)
  }

  /** Until a dial has ended, or the next one is due. */
  async #stagger(dial: Promise<void>): Promise<void> {
    const { promise: isDue, resolve } = Promise.withResolvers<void>()
    const deadline = this.#deadlines.add(STAGGER_MS, resolve)
    await Promise.race([dial, isDue])
    deadline.cancel()
  }

  /** Connects to those the routing finds. Ends when there are no more. */
  async find(cid: CID, routing: ProviderRouting, signal: AbortSignal, listener = nobody): Promise<void> {
    const dials = new Set<Promise<boolean>>()
    let found = 0
    listener.tell(cid => progress('bitswap:find-providers', cid))
    const onProgress = (progress: FetchProgress): void => listener.tell(() => progress)
    for await (const provider of routing.findProviders(cid, { signal, onProgress })) {
      listener.tell(cid => foundBy(cid, provider))
      const { id, multiaddrs } = provider
      const target = multiaddrs.length > 0 ? withPeer(multiaddrs, id) : toDialable(id)
      const dial: Promise<boolean> = this.#connect(target, signal, listener).then(() => dials.delete(dial))
      dials.add(dial)
      // Whether there are more may take long to find out.
      if (++found === MAX_FOUND) break
      if (dials.size >= MAX_DIALS) await Promise.race(dials)
    }
    await Promise.all(dials)
  }

  /** Whether one that was given is to be dialled now; if so, it is taken to be. */
  #isDue(target: Dialable): boolean {
    const key = target.toString()
    const atMs = this.#clock.now()
    const last = this.#lastDials.get(key)
    if (this.#isConnected(target) || (last !== undefined && atMs - last.atMs < last.redialMs)) return false
    this.#lastDials.delete(key)
    if (this.#lastDials.size >= MAX_REMEMBERED) this.#lastDials.delete(this.#lastDials.keys().next().value!)
    const redialMs = last === undefined ? MIN_REDIAL_MS : Math.min(MAX_REDIAL_MS, 2 * last.redialMs)
    this.#lastDials.set(key, { atMs, redialMs })
    return true
  }

  /** Never rejects. */
  async #connect(target: Dialable, signal: AbortSignal, listener: ProgressListener): Promise<void> {
    if (signal.aborted || this.#isConnected(target)) return
    listener.tell(() => progress('bitswap:dial', target))
    try {
      await this.#dial(target, signal, listener)
      const last = this.#lastDials.get(target.toString())
      if (last !== undefined) last.redialMs = MIN_REDIAL_MS
    } catch {
      // It is of no use now.
    }
  }

  #isConnected(target: Dialable): boolean {
    const peer = peerOf(target)
    return peer !== undefined && this.#connectionManager.getConnections(peer).length > 0
  }
}

function foundBy(cid: CID, { id, multiaddrs, router = 'libp2p' }: FoundProvider): FetchProgress {
  const provider = { id: isPeerId(id) ? id.toCID() : id, multiaddrs, router, fallback: false }
  return progress('bitswap:found-provider', { type: 'bitswap', cid, provider, router })
}

/** Who is meant; `undefined` if the addresses do not say whose they are. */
export function peerOf(target: PeerId | readonly Multiaddr[]): PeerId | undefined {
  if (isPeerId(target)) return target
  const [address] = target
  return address && readOnce(address, () => ownerOf(address))
}

function ownerOf(address: Multiaddr): PeerId | undefined {
  const id = address.getComponents().findLast(({ name }) => name === 'p2p')?.value
  return id === undefined ? undefined : peerIdFromString(id)
}

function toDialable(provider: Provider): Dialable {
  if (isPeerId(provider)) return provider
  const cid = CID.asCID(provider)
  return cid === null ? ([provider].flat() as Multiaddr[]) : readOnce(cid, () => peerIdFromCID(cid))
}

const peersRead = new WeakMap<Multiaddr | CID, PeerId | undefined>()

/** All providers of a session are looked at for each of its blocks: that takes longer than all else, if each is read anew. */
function readOnce<Peer extends PeerId | undefined>(provider: Multiaddr | CID, read: () => Peer): Peer {
  if (!peersRead.has(provider)) peersRead.set(provider, read())
  return peersRead.get(provider) as Peer
}

/** Addresses with the id of whose they are, so that nobody else can answer there. */
function withPeer(multiaddrs: readonly Multiaddr[], id: PeerId | CID): Multiaddr[] {
  const peer = isPeerId(id) ? id : peerIdFromCID(id)
  return multiaddrs.map(address =>
    address.getComponents().some(({ name }) => name === 'p2p') ? address : address.encapsulate(`/p2p/${peer}`)
  )
}
