import type {
  BlockAnnounceOptions,
  BlockBroker,
  BlockRetrievalOptions,
  CreateSessionOptions,
  HasherLoader,
  Routing,
  SessionBlockBroker
} from '@helia/interface'
import {
  type AbortOptions,
  type ComponentLogger,
  isPeerId,
  type Logger,
  type PeerId,
  start,
  stop
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { BitswapProtectionManager } from './bitswap-protection.ts'
import { type FetchProgress, progress } from './fetch/fetch-progress.ts'
import type { Provider } from './fetch/provider-search.ts'

/** What stock Bitswap is called among the block brokers of Helia. */
const NAME = 'bitswap'

type AddBlockBroker = (broker: BlockBroker) => void

/** What is needed of a Helia node. Its libp2p has the service `bitswapProtection()` among its services. */
interface ProtectableHelia {
  readonly libp2p: { readonly services: object }
  readonly routing: Routing
  readonly logger: ComponentLogger
  readonly getHasher: HasherLoader
  addBlockBroker: AddBlockBroker
}

/** There is no protection among the services of the libp2p node. */
export class ProtectionMissingError extends Error {
  static override readonly name = 'ProtectionMissingError'
  override readonly name = 'ProtectionMissingError'

  constructor() {
    super(
      'protectBitswap needs the libp2p service bitswapProtection(): add it to the services that the node is made with'
    )
  }
}

/** Nodes that are protected, with what undoes it. */
const protectedNodes = new WeakMap<object, () => void>()

/**
 * Has a Helia node fetch blocks by {@link BitswapProtectionManager.getBlock} in place of its stock Bitswap, which goes
 * on serving blocks. To be called before the node is started: `await protectBitswap(createHelia({ … })).start()`.
 *
 * @returns the node
 * @throws ProtectionMissingError when the node is started without the service
 */
export function protectBitswap<Helia extends object>(helia: Helia & Protectable<Helia>): Helia {
  if (protectedNodes.has(helia)) return helia
  const node = helia as unknown as ProtectableHelia
  const brokers = new Set<ProtectedBroker>()
  const add = node.addBlockBroker
  const own = Object.getOwnPropertyDescriptor(node, 'addBlockBroker')
  node.addBlockBroker = broker => {
    if (broker.name !== NAME) {
      add.call(node, broker)
      return
    }
    const standIn = new ProtectedBroker(broker, node)
    brokers.add(standIn)
    add.call(node, standIn)
  }
  protectedNodes.set(helia, () => {
    if (own === undefined) Reflect.deleteProperty(node, 'addBlockBroker')
    else Object.defineProperty(node, 'addBlockBroker', own)
    for (const broker of brokers) broker.release()
  })
  return helia
}

/** Undoes {@link protectBitswap}: the node fetches blocks as it would without, also while it is running. */
export function unprotectBitswap(helia: object): void {
  protectedNodes.get(helia)?.()
  protectedNodes.delete(helia)
}

/** Tells at compile time whether something is a Helia node. */
type Protectable<Helia> = Helia extends { libp2p: unknown; routing: unknown; blockstore: unknown }
  ? unknown
  : never

/** Stands in for the stock broker: fetches by itself, and leaves all else to that one. */
class ProtectedBroker implements BlockBroker {
  readonly name = NAME
  readonly #stock: BlockBroker
  readonly #helia: ProtectableHelia
  readonly #manager: BitswapProtectionManager
  readonly #log: Logger
  #isReleased = false

  constructor(stock: BlockBroker, helia: ProtectableHelia) {
    this.#stock = stock
    this.#helia = helia
    this.#log = helia.logger.forComponent('bitswap-protection:broker')
    const services = Object.values(helia.libp2p.services)
    const manager = services.find(service => service instanceof BitswapProtectionManager)
    if (manager === undefined) throw new ProtectionMissingError()
    this.#manager = manager
  }

  async start(): Promise<void> {
    await start(this.#stock)
  }

  async stop(): Promise<void> {
    await stop(this.#stock)
  }

  release(): void {
    this.#isReleased = true
  }

  async retrieve(cid: CID, options: BlockRetrievalOptions = {}): Promise<Uint8Array> {
    return this.#isStock ? this.#stock.retrieve!(cid, options) : this.#fetch(cid, options, options.providers)
  }

  /**
   * Peers that wait for the block are sent it by stock Bitswap, and other things of its own may come along; whoever
   * stored the block does not wait for them.
   */
  async announce(cid: CID, options?: BlockAnnounceOptions): Promise<void> {
    const announced = this.#stock.announce?.(cid, options)
    if (this.#isStock) await announced
    else announced?.catch(error => this.#log.error('could not announce %c - %e', cid, error))
  }

  createSession(options: CreateSessionOptions = {}): SessionBlockBroker {
    const stock = this.#stock.createSession?.(options)
    const providers = new Set<Provider>(options.providers)
    return {
      name: `${NAME}-session`,
      addPeer: async (peer: CID | Multiaddr | Multiaddr[], addOptions?: AbortOptions): Promise<void> => {
        providers.add(peer)
        await stock?.addPeer(peer, addOptions)
      },
      announce: (cid, announceOptions) => this.announce(cid, announceOptions),
      retrieve: (cid, retrieveOptions = {}) =>
        this.#isStock && stock?.retrieve !== undefined
          ? stock.retrieve(cid, retrieveOptions)
          : this.#fetch(cid, retrieveOptions, [...providers, ...(retrieveOptions.providers ?? [])])
    }
  }

  get #isStock(): boolean {
    return this.#isReleased || this.#manager.mode === 'off'
  }

  #fetch(
    cid: CID,
    { signal, onProgress }: BlockRetrievalOptions,
    providers: Iterable<Provider> | undefined
  ): Promise<Uint8Array> {
    const { routing, getHasher } = this.#helia
    return this.#manager.getBlock(cid, {
      signal,
      providers,
      routing,
      getHasher,
      onProgress: onProgress && (event => tellBoth(onProgress, event, cid))
    })
  }
}

/** Tells what happened as Bitswap does, and then as all block brokers do. */
function tellBoth(onProgress: (event: FetchProgress) => void, event: FetchProgress, cid: CID): void {
  onProgress(event)
  const from = (provider: PeerId) => ({ broker: NAME, provider: provider.toCID(), cid })
  if (event.type === 'connection:open' && isPeerId(event.detail))
    onProgress(progress('helia:block-broker:connect', { ...from(event.detail), type: 'connect' }))
  else if (event.type === 'connection:opened') {
    const { remotePeer, remoteAddr: address } = event.detail
    const detail = { ...from(remotePeer), type: 'connected', address } as const
    onProgress(progress('helia:block-broker:connected', detail))
  } else if (event.type === 'bitswap:send-wantlist')
    onProgress(progress('helia:block-broker:request-block', { ...from(event.detail), type: 'request-block' }))
  else if (event.type === 'bitswap:block')
    onProgress(
      progress('helia:block-broker:receive-block', { ...from(event.detail.sender), type: 'receive-block' })
    )
}
