import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p'
import { type Identify, identify } from '@libp2p/identify'
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import type { Libp2pOptions } from 'libp2p'
import type { CID } from 'multiformats/cid'
import {
  type BitswapPeerStatus,
  type BitswapProtectionEvents,
  type BitswapProtectionInit,
  type BitswapProtectionManager,
  bitswapProtection,
  protectBitswap
} from '../../../src/bitswap/index.ts'
import type { Block } from '../../../src/cli/swarm/blocks.ts'
import type { CoreComponents, RejectionReason } from '../../../src/core/index.ts'
import { protectionEventTypes } from '../../../src/core/slot-events.ts'
import { until } from './waiting.ts'

export const BITSWAP = '/ipfs/bitswap/1.2.0'

/** Longest a block is waited for, in ms: as long as a block of stock Helia would take twice over. */
const GET_LIMIT_MS = 30_000

/** Where a node can be reached, and who is there. */
export interface Reachable {
  readonly peerId: string
  readonly multiaddr: string
}

export interface ClientPlan {
  readonly protection?: BitswapProtectionInit
  /** Services that are built, and started, before the protection; and after it. */
  readonly before?: Libp2pOptions['services']
  readonly after?: Libp2pOptions['services']
  readonly libp2p?: Pick<
    Libp2pOptions,
    'addresses' | 'connectionGater' | 'connectionManager' | 'connectionMonitor'
  >
  /** Time and chance of the protection. */
  readonly core?: CoreComponents
  /** Whether blocks are fetched by `protectBitswap`. */
  readonly isDropIn?: boolean
  /** That of another node, or one like it; one of its own, in memory, if not given. */
  readonly datastore?: HeliaWithLibp2p['datastore']
}

type Services = { identify: Identify; ping: Ping; protection: BitswapProtectionManager }

const eventTypes: ReadonlyArray<keyof BitswapProtectionEvents> = protectionEventTypes

/** A stock Helia node with the service, which fetches from the peers it is told to connect to. */
export class Client implements AsyncDisposable {
  readonly helia: HeliaWithLibp2p<Services>
  /** What the service told, in order: type and peer. */
  readonly #events: Array<{ readonly type: keyof BitswapProtectionEvents; readonly peerId: string }> = []
  /** How often each peer was shown to Bitswap: once when it connected, and each time the service did so again. */
  readonly #introductions = new Map<string, number>()

  static async start(plan: ClientPlan = {}): Promise<Client> {
    const helia = withBitswap(
      withLibp2pLight(createHeliaLight({ ...(plan.datastore && { datastore: plan.datastore }) }), {
        addresses: { listen: [] },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        ...plan.libp2p,
        services: {
          identify: identify(),
          ping: ping(),
          ...plan.before,
          protection: bitswapProtection(plan.protection, plan.core),
          ...plan.after
        }
      })
    )
    if (plan.isDropIn === true) protectBitswap(helia)
    await helia.start()
    const client = new Client(helia as unknown as HeliaWithLibp2p<Services>)
    await client.#listen()
    return client
  }

  private constructor(helia: HeliaWithLibp2p<Services>) {
    this.helia = helia
  }

  get libp2p(): Libp2p<Services> {
    return this.helia.libp2p
  }

  get protection(): BitswapProtectionManager {
    return this.libp2p.services.protection
  }

  /** Connects to peers. Resolves when Bitswap has been told of them. */
  async connect(...peers: readonly Reachable[]): Promise<void> {
    await Promise.all(
      peers.map(async peer => {
        const before = this.introductions(peer)
        await this.libp2p.dial(multiaddr(peer.multiaddr))
        await until(() => this.introductions(peer) > before, `Bitswap learns of ${peer.peerId}`)
      })
    )
  }

  /** Gets one block the way everybody does. */
  async get(cid: CID, signal: AbortSignal = AbortSignal.timeout(GET_LIMIT_MS)): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for await (const part of this.helia.blockstore.get(cid, { signal })) parts.push(part)
    return Buffer.concat(parts)
  }

  /**
   * Gets blocks, so many at a time.
   *
   * @returns how long each took, in ms
   * @throws Error if one is not what it should be
   */
  async getAll(blocks: readonly Block[], concurrency: number): Promise<number[]> {
    const elapsedMs: number[] = []
    const queue = blocks.entries()
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        for (const [index, { cid, bytes }] of queue) {
          const startedAt = performance.now()
          const got = await this.get(cid)
          elapsedMs[index] = performance.now() - startedAt
          if (Buffer.compare(got, bytes) !== 0) throw new Error(`${cid} has the wrong content`)
        }
      })
    )
    return elapsedMs
  }

  introductions({ peerId }: Reachable): number {
    return this.#introductions.get(peerId) ?? 0
  }

  /** @throws Error if there is no record of the peer */
  status({ peerId }: Reachable): BitswapPeerStatus {
    const status = this.protection.getPeerStatus(idOf(peerId))
    if (status === undefined) throw new Error(`There is no record of ${peerId}`)
    return status
  }

  isSuspect({ peerId }: Reachable): boolean {
    return this.protection.getPeerStatus(idOf(peerId))?.isSuspect === true
  }

  /** Messages and calls that were held back so far; in mode observe, that would have been. */
  get rejections(): Readonly<Record<RejectionReason, number>> {
    return this.protection.getOverallStatus().rejections
  }

  /** Types of the events about a peer, or all, in order. */
  events(peer?: Reachable): string[] {
    const about = this.#events.filter(({ peerId }) => peer === undefined || peerId === peer.peerId)
    return about.map(({ type }) => type)
  }

  /** The connection to a peer, of which there must be exactly one. */
  connection({ peerId }: Reachable): Connection {
    const [connection, ...others] = this.libp2p.getConnections(idOf(peerId))
    if (connection === undefined || others.length > 0) {
      throw new Error(`${connection === undefined ? 'No' : 'More than one'} connection to ${peerId}`)
    }
    return connection
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.helia.stop()
  }

  async #listen(): Promise<void> {
    for (const type of eventTypes) {
      this.protection.addEventListener(type, ({ detail: { peer } }) => {
        this.#events.push({ type, peerId: peer.toString() })
      })
    }
    await this.libp2p.register(BITSWAP, {
      onConnect: (peer: PeerId) => {
        const peerId = peer.toString()
        this.#introductions.set(peerId, (this.#introductions.get(peerId) ?? 0) + 1)
      }
    })
  }
}

function idOf(peerId: string): PeerId {
  return peerIdFromString(peerId)
}
