import {
  type ComponentLogger,
  type Connection,
  type ContentRouting,
  type Logger,
  NotStartedError,
  type PeerId,
  type Stream,
  type StreamHandler,
  type Topology
} from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { type Deadlines, NO_LIMIT_MS } from '../../core/deadlines.ts'
import type { Clock, Outcome, Protection } from '../../core/index.ts'
import type { PeerLink, PeerLinks } from '../peer-link.ts'
import { BITSWAP_PROTOCOLS } from '../protocols.ts'
import type { Limits } from '../tuning.ts'
import type { WantResult } from '../want-result.ts'
import type { BlockFetch } from './block-fetch.ts'
import { BlockFetcher, type FetchOptions } from './block-fetcher.ts'
import { type HasherLoader, loadSha2 } from './block-hash.ts'
import { type Evidence, EvidenceLog } from './evidence-log.ts'
import type { Fault } from './fault.ts'
import type { FetchProgress, ProgressListener } from './fetch-progress.ts'
import type { LoadObserver } from './fetcher-host.ts'
import { type Provider, type ProviderRouting, ProviderSearch, peerOf } from './provider-search.ts'

/** Code of the identity function in the multicodec table: the "digest" is the block. */
const IDENTITY = 0

/**
 * Of the providers that were given so many are connected to at first, and so many more each time when those do not do. Most often two
 * do; each costs both sides some milliseconds of cryptography, and those that are not needed keep this node from what is.
 */
const PROVIDERS_AT_FIRST = 2
const PROVIDERS_AT_ONCE = 5

/** Providers that were given for a block. */
interface GivenProviders {
  readonly providers: readonly Provider[]
  /** How many of them are to be connected by now. */
  most: number
}

/** What a block is fetched with. */
export interface GetBlockOptions extends FetchOptions {
  /** Who may have it; they are connected to, and asked as all others are. */
  readonly providers?: Iterable<Provider> | undefined
  /** Where to look for providers; by default the content routing of the node. */
  readonly routing?: ProviderRouting | undefined
  /** Hash functions besides sha2-256 and sha2-512. */
  readonly getHasher?: HasherLoader | undefined
}

/** What it needs of the node. */
export interface BlockServiceComponents {
  readonly registrar: Registrar
  readonly connectionManager: ConnectionManager
  readonly logger: ComponentLogger
  readonly contentRouting?: ContentRouting
}

/** What it needs of the service it is part of. */
export interface BlockServiceContext {
  readonly protection: Protection
  readonly clock: Clock
  readonly random: () => number
  readonly deadlines: Deadlines
  readonly links: PeerLinks
  readonly limits: Pick<Limits, 'hedgeShare'>
  /** Who is told how asking goes. */
  readonly load: LoadObserver
  /** Something that was asked of a peer is over. */
  readonly onWant: (result: WantResult, elapsedMs: number) => void
  /** Whether blocks may be asked of a peer at all. */
  readonly isAllowed: (key: string) => boolean
  /** A peer delivered a block; `wasRefused` if enforcing would have kept it from being asked. */
  readonly onDelivered: (link: PeerLink, wasRefused: boolean) => void
  /** It is proven that a peer sends what is not what was asked for. */
  readonly onProof: (link: PeerLink) => void
  /** A peer could not be dialled, which began at `sinceMs` awake. Returns how that counts. */
  readonly judgeDial: (peer: PeerId, error: unknown, sinceMs: number) => Outcome
  /** Opens a stream for what has been admitted. */
  readonly open: (link: PeerLink) => Promise<Stream>
}

/** Fetches blocks for a node: knows who speaks Bitswap, and connects to who may have a block. */
export class BlockService {
  readonly #components: BlockServiceComponents
  readonly #context: BlockServiceContext
  readonly #log: Logger
  readonly #search: ProviderSearch
  readonly #evidence = new EvidenceLog()
  readonly #routings = new WeakMap<BlockFetch, ProviderRouting>()
  readonly #given = new WeakMap<BlockFetch, GivenProviders>()
  #loadHasher: HasherLoader = loadSha2
  #fetcher: BlockFetcher | undefined
  #topologies: ReadonlyArray<Promise<string>> = []
  /** Protocols whose streams are taken here. */
  #handled: readonly string[] = []
  /** Until it is sure that somebody takes them. */
  #handling: Promise<void> | undefined
  #isStarted = false
  #stopping = new AbortController()

  constructor(components: BlockServiceComponents, context: BlockServiceContext) {
    this.#components = components
    this.#context = context
    this.#log = components.logger.forComponent('bitswap-protection:fetch')
    const { connectionManager } = components
    const { clock, deadlines } = context
    this.#search = new ProviderSearch(connectionManager, clock, deadlines, (target, signal, listener) =>
      this.#dial(target, signal, listener)
    )
  }

  /** What sees the messages of peers; there is one as soon as a block was fetched. */
  get fetcher(): BlockFetcher | undefined {
    return this.#fetcher
  }

  start(): void {
    this.#isStarted = true
    this.#stopping = new AbortController()
    const topology: Topology = {
      notifyOnLimitedConnection: true,
      onConnect: peer => {
        const link = this.#context.links.claim(peer)
        link.speaksBitswap = true
        this.#fetcher?.connected(link)
      }
    }
    const { registrar } = this.#components
    this.#topologies = BITSWAP_PROTOCOLS.map(protocol => registrar.register(protocol, topology))
  }

  stop(): void {
    this.#isStarted = false
    this.#stopping.abort()
    const { registrar } = this.#components
    for (const id of this.#topologies) id.then(known => registrar.unregister(known))
    this.#topologies = []
    this.#fetcher?.stop(new NotStartedError('The node was stopped'))
    this.#fetcher = undefined
    for (const protocol of this.#handled) {
      registrar
        .unhandle(protocol)
        .catch(error => this.#log.error('could not unhandle %s - %e', protocol, error))
    }
    this.#handled = []
  }

  /** @throws NotStartedError; the signal's reason */
  async getBlock(cid: CID, options: GetBlockOptions = {}): Promise<Uint8Array> {
    if (!this.#isStarted) throw new NotStartedError('The node is not started')
    if (cid.multihash.code === IDENTITY) return cid.multihash.digest
    if (options.getHasher !== undefined) this.#loadHasher = options.getHasher
    this.#fetcher ??= this.#createFetcher()
    await this.#handling
    // Stopped meanwhile.
    if (this.#fetcher === undefined) throw new NotStartedError('The node was stopped')
    const { routing } = options
    const providers = options.providers && [...options.providers]
    return this.#fetcher.getBlock(cid, options, fetch => {
      if (routing !== undefined) this.#routings.set(fetch, routing)
      if (providers === undefined) return
      const most = this.#given.get(fetch)?.most ?? PROVIDERS_AT_FIRST
      this.#given.set(fetch, { providers, most })
      this.#connectGiven(fetch)
    })
  }

  /** What a peer did wrong of late, oldest first. */
  faults(key: string): readonly Evidence[] {
    return this.#evidence.of(key)
  }

  #createFetcher(): BlockFetcher {
    const {
      protection,
      clock,
      random,
      deadlines,
      links,
      limits,
      load,
      onWant,
      isAllowed,
      onDelivered,
      open
    } = this.#context
    const fetcher = new BlockFetcher(
      protection,
      clock,
      deadlines,
      {
        open,
        connectMore: fetch => this.#connectMore(fetch),
        findProviders: (fetch, signal) => this.#findProviders(fetch, signal),
        onFault: (link, fault, cid) => this.#onFault(link, fault, cid),
        onWant,
        isAllowed,
        onDelivered,
        load
      },
      random,
      limits,
      code => loadSha2(code) ?? this.#loadHasher(code),
      this.#log
    )
    for (const link of links.values()) {
      if (link.speaksBitswap && link.connections.size > 0) fetcher.connected(link)
    }
    this.#handling = this.#handle()
    return fetcher
  }

  /** Who is said to have a block speaks Bitswap, it is presumed: to hear it from the peer takes as long as to ask for the block. */
  #presume({ remotePeer }: Connection): void {
    const link = this.#context.links.find(remotePeer.toString())
    if (link !== undefined && link.connections.size > 0) this.#fetcher?.connected(link)
  }

  #onFault(link: PeerLink, fault: Fault, cid: CID | undefined): void {
    this.#evidence.note(link.key, fault, cid, this.#context.clock.wallTime())
    if (fault === 'CORRUPT_BLOCK') this.#context.onProof(link)
  }

  /** Where nobody speaks Bitswap on this node, somebody has to take the streams peers answer on. */
  async #handle(): Promise<void> {
    const { registrar } = this.#components
    const handled = registrar.getProtocols()
    if (BITSWAP_PROTOCOLS.some(protocol => handled.includes(protocol))) return
    this.#handled = BITSWAP_PROTOCOLS
    const onStream: StreamHandler = async stream => {
      // Read by the observer; here only so that it flows.
      stream.addEventListener('message', () => {})
      await stream.close().catch(error => stream.abort(error))
    }
    await Promise.all(this.#handled.map(protocol => registrar.handle(protocol, onStream)))
  }

  /** Connects to as many as are wanted by now of the providers that were given: who can be connected to is asked. */
  #connectGiven(fetch: BlockFetch, moreOfThem = 0): void {
    const given = this.#given.get(fetch)
    if (given === undefined) return
    given.most += moreOfThem
    const connected = this.#search.connect(given.providers, this.#stopping.signal, given.most, fetch)
    fetch.expectPeers(connected.catch(error => this.#log.error('%e', error)))
  }

  #connectMore(fetch: BlockFetch): void {
    const given = this.#given.get(fetch)
    if (given !== undefined && given.most < given.providers.length)
      this.#connectGiven(fetch, PROVIDERS_AT_ONCE)
  }

  async #findProviders(fetch: BlockFetch, signal: AbortSignal): Promise<void> {
    this.#connectGiven(fetch, PROVIDERS_AT_ONCE)
    const routing = this.#routings.get(fetch) ?? this.#components.contentRouting
    if (routing !== undefined) await this.#search.find(fetch.cid, routing, signal, fetch)
  }

  /** Connects to a peer, unless it may not be called; whether that worked counts. */
  async #dial(target: PeerId | Multiaddr[], signal: AbortSignal, listener: ProgressListener): Promise<void> {
    const { connectionManager } = this.#components
    const onProgress = (progress: FetchProgress): void => listener.tell(() => progress)
    const { protection, deadlines, isAllowed, judgeDial } = this.#context
    const peer = peerOf(target)
    if (peer === undefined) {
      this.#presume(await connectionManager.openConnection(target, { signal, onProgress }))
      return
    }
    const key = peer.toString()
    if (!isAllowed(key)) return
    const permit = protection.admit(key, { timeoutMs: NO_LIMIT_MS })
    // Lets awake time go on, by which it is told whether others responded meanwhile.
    const dialling = deadlines.add(NO_LIMIT_MS, () => {})
    const sinceMs = deadlines.awakeMs
    try {
      this.#presume(await connectionManager.openConnection(target, { signal, onProgress }))
    } catch (error) {
      const isBlamed = !signal.aborted && judgeDial(peer, error, sinceMs) === 'failure'
      if (isBlamed && permit.settle('failure'))
        this.#evidence.note(key, 'DIAL_FAILURE', undefined, this.#context.clock.wallTime())
      throw error
    } finally {
      dialling.cancel()
      permit.settle('ignored')
    }
  }
}
