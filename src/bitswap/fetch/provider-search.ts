import { type AbortOptions, isPeerId, type PeerId } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import { peerIdFromCID } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'

/** Somebody who may have a block: by peer id (as such or as a CID, as Helia gives them) or by address. */
export type Provider = PeerId | CID | Multiaddr | Multiaddr[]

/** Where it can be looked up who provides a block: the content routing of libp2p, or the routing of Helia. */
export interface ProviderRouting {
  findProviders(
    cid: CID,
    options?: AbortOptions
  ): AsyncIterable<{ readonly id: PeerId | CID; readonly multiaddrs: Multiaddr[] }>
}

/** Providers taken from one search: as boxo does. */
const MAX_FOUND = 10

/** Providers being dialled at once for one search. */
const MAX_DIALS = 8

/** Connects to those who may have a block. */
export class ProviderSearch {
  readonly #connectionManager: ConnectionManager
  readonly #dial: (peer: PeerId | Multiaddr[], signal: AbortSignal) => Promise<unknown>

  /** @param dial - connects to a peer; an error only means that this one is of no use */
  constructor(
    connectionManager: ConnectionManager,
    dial: (peer: PeerId | Multiaddr[], signal: AbortSignal) => Promise<unknown>
  ) {
    this.#connectionManager = connectionManager
    this.#dial = dial
  }

  /** Connects to those given, then to those that are found. Ends when there are no more. */
  async run(
    cid: CID,
    given: Iterable<Provider>,
    routing: ProviderRouting | undefined,
    signal: AbortSignal
  ): Promise<void> {
    await this.#connectAll(given, signal)
    if (routing === undefined || signal.aborted) return
    const dials = new Set<Promise<boolean>>()
    let found = 0
    for await (const { id, multiaddrs } of routing.findProviders(cid, { signal })) {
      if (found++ === MAX_FOUND) break
      const target = multiaddrs.length > 0 ? withPeer(multiaddrs, id) : id
      const dial: Promise<boolean> = this.#connect(target, signal).then(() => dials.delete(dial))
      dials.add(dial)
      if (dials.size >= MAX_DIALS) await Promise.race(dials)
    }
    await Promise.all(dials)
  }

  async #connectAll(providers: Iterable<Provider>, signal: AbortSignal): Promise<void> {
    const queue = [...providers]
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        await this.#connect(next, signal)
    }
    await Promise.all(Array.from({ length: MAX_DIALS }, work))
  }

  /** Never rejects. */
  async #connect(provider: Provider, signal: AbortSignal): Promise<void> {
    const target = toDialable(provider)
    if (signal.aborted || (isPeerId(target) && this.#connectionManager.getConnections(target).length > 0))
      return
    await this.#dial(target, signal).catch(() => {})
  }
}

function toDialable(provider: Provider): PeerId | Multiaddr[] {
  if (isPeerId(provider)) return provider
  const cid = CID.asCID(provider)
  return cid === null ? ([provider].flat() as Multiaddr[]) : peerIdFromCID(cid)
}

/** Addresses with the id of whose they are, so that nobody else can answer there. */
function withPeer(multiaddrs: readonly Multiaddr[], id: PeerId | CID): Multiaddr[] {
  const peer = isPeerId(id) ? id : peerIdFromCID(id)
  return multiaddrs.map(address =>
    address.getComponents().some(({ name }) => name === 'p2p') ? address : address.encapsulate(`/p2p/${peer}`)
  )
}
