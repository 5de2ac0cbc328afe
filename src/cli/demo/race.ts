import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import type { BitswapProtectionManager } from '../../bitswap/index.ts'
import type { ProtectionEvent } from '../../core/index.ts'
import { CommandError } from '../command-error.ts'
import { exitCodes } from '../exit-codes.ts'
import { type FetchingNode, startFetchingNode } from '../helia-node.ts'
import { startProtectedNode } from '../protected-node.ts'
import { Provider } from '../provider.ts'
import type { Swarm } from '../swarm/swarm.ts'
import { troubleText } from '../trouble.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { cast, type Role } from './cast.ts'
import { type Moment, protectionText } from './moment.ts'
import type { PeerRow } from './peer-rows.ts'
import { Reading } from './reading.ts'
import { contestants } from './scene-lines.ts'
import { type Scene, script } from './script.ts'
import { BLOCK_BYTES, BLOCKS, END_MS, shortenedOptions } from './settings.ts'
import { WaitNews } from './wait-news.ts'

/** How often the readers are looked at for news. */
const LOOK_MS = 100
const MAX_ATTEMPTS = 3

const told: ReadonlyArray<ProtectionEvent['type']> = [
  'circuit:open',
  'circuit:half-open',
  'circuit:close',
  'recovery:start',
  'recovery:complete',
  'recovery:relapse'
]

type Node = FetchingNode<Record<never, never>>

/**
 * A stock node and a protected one, which read at the same time from the same peers while things happen to these.
 * Each reads a file of its own, of the same size: peers do not send one block twice to somebody, and nobody shall
 * profit from what the other asked for.
 */
export class Race implements AsyncDisposable {
  readonly readings: readonly Reading[] = contestants.map(() => new Reading())
  readonly #swarm: Swarm
  readonly #nodes: readonly Node[]
  #cids: readonly CID[] = []
  readonly #protection: BitswapProtectionManager
  readonly #onMoment: (moment: Moment) => void
  #startedAt = 0
  /** How the peers stood when the protected node was done. */
  #lastRows: readonly PeerRow[] | undefined

  /** Has the files made, and both nodes connected to all peers. */
  static async prepare(swarm: Swarm, onMoment: (moment: Moment) => void, signal: AbortSignal): Promise<Race> {
    const nodes = await Promise.all([startFetchingNode({}), startProtectedNode(shortenedOptions)])
    const race = new Race(swarm, nodes, nodes[1].libp2p.services.protection, onMoment)
    try {
      await unlessAborted(race.#prepare(signal), signal)
      return race
    } catch (error) {
      await race[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(
    swarm: Swarm,
    nodes: readonly Node[],
    protection: BitswapProtectionManager,
    onMoment: (moment: Moment) => void
  ) {
    this.#swarm = swarm
    this.#nodes = nodes
    this.#protection = protection
    this.#onMoment = onMoment
  }

  /** How the peers stand. */
  get rows(): readonly PeerRow[] {
    return this.#lastRows ?? cast.map(role => this.#row(role))
  }

  /** Resolves when both readers are done, or were stopped. */
  async run(signal: AbortSignal): Promise<void> {
    this.#startedAt = performance.now()
    const limited = AbortSignal.any([
      signal,
      AbortSignal.timeout(Math.max(0, Math.round(END_MS - performance.now())))
    ])
    const timers = script.map(scene => setTimeout(() => this.#play(scene), scene.atMs))
    const news = this.readings.map(() => new WaitNews())
    const look = setInterval(() => this.#tellNews(news), LOOK_MS)
    const stopListening = this.#listen()
    try {
      const [stock, guarded] = this.readings.map((reading, index) =>
        reading.run(this.#nodes[index]!.blockstore, this.#cids[index]!, limited)
      )
      await guarded
      this.#lastRows = this.rows
      stopListening()
      await stock
      signal.throwIfAborted()
      this.#tellNews(news)
    } finally {
      for (const timer of timers) clearTimeout(timer)
      clearInterval(look)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map(node => node.stop()))
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    const connected = this.#nodes.map(node => connect(node, this.#swarm, signal))
    const [cids] = await Promise.all([addFiles(this.#swarm), ...connected])
    this.#cids = cids
  }

  #play({ peer, text, play }: Scene): void {
    this.#tell('FAULT', peer, text)
    // A peer that is killed while it is being killed is no matter.
    void Promise.resolve(play(this.#swarm.peer(peer))).catch(() => {})
  }

  #tellNews(news: readonly WaitNews[]): void {
    for (const [index, { state, durationMs }] of this.readings.entries()) {
      const what = news[index]!.next(state, durationMs)
      if (what !== undefined) this.#tell('READER', contestants[index]!.name, what)
    }
  }

  #listen(): () => void {
    const listener = ({ detail }: CustomEvent<ProtectionEvent & { readonly peer: PeerId }>): void => {
      const status = this.#protection.getPeerStatus(detail.peer)
      const text = protectionText(detail.type, status === undefined ? '' : troubleText(status))
      if (text !== undefined) this.#tell('PROTECTION', this.#nameOf(detail.key), text)
    }
    for (const type of told) this.#protection.addEventListener(type, listener)
    return () => {
      for (const type of told) this.#protection.removeEventListener(type, listener)
    }
  }

  #tell(kind: Moment['kind'], who: string, what: string): void {
    this.#onMoment({ atMs: Math.round(performance.now() - this.#startedAt), kind, who, what })
  }

  #nameOf(peerId: string): string {
    return this.#swarm.peers.find(peer => peer.peerId === peerId)?.name ?? peerId
  }

  #row({ name, about }: Role): PeerRow {
    const { peerId } = this.#swarm.peer(name)
    const status = this.#protection.getPeerStatus(peerIdFromString(peerId))
    const [stockBlocks, blocks] = this.readings.map(({ blocksFrom }) => blocksFrom.get(peerId) ?? 0)
    return {
      name,
      about,
      status,
      trouble: status === undefined ? '' : troubleText(status),
      stockBlocks: stockBlocks!,
      blocks: blocks!
    }
  }
}

/** A file for each reader, at each peer. */
async function addFiles({ peers }: Swarm): Promise<CID[]> {
  const file = { sizeBytes: BLOCKS * BLOCK_BYTES, chunkBytes: BLOCK_BYTES }
  const roots = contestants.map(async (_, seed) => {
    const [root] = await Promise.all(peers.map(peer => peer.addFile({ ...file, seed })))
    return CID.parse(root!)
  })
  return await Promise.all(roots)
}

async function connect({ libp2p }: Node, { peers }: Swarm, signal: AbortSignal): Promise<void> {
  const providers = peers.map(
    ({ peerId, multiaddr: address }) =>
      new Provider(libp2p, { peerId, multiaddrs: [multiaddr(address)] }, signal)
  )
  await Promise.all(providers.map(connectSurely))
  signal.throwIfAborted()
  const problems = providers.map(({ state }) => state.problem).filter(problem => problem !== undefined)
  if (problems.length > 0)
    throw new CommandError(exitCodes.failed, `a peer could not be connected to: ${problems[0]}`)
}

/** On a busy machine an attempt may take too long. */
async function connectSurely(provider: Provider): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS && !provider.state.isReady; attempt++) await provider.connect()
}
