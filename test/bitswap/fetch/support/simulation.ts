import type { Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { BlockFetcher } from '../../../../src/bitswap/fetch/block-fetcher.ts'
import { loadSha2 } from '../../../../src/bitswap/fetch/block-hash.ts'
import type { Fault } from '../../../../src/bitswap/fetch/fault.ts'
import { MessageReader, type WantlistEntry } from '../../../../src/bitswap/message-reader.ts'
import { readMultihash } from '../../../../src/bitswap/multihash.ts'
import { type PeerLink, PeerLinks } from '../../../../src/bitswap/peer-link.ts'
import { Supply } from '../../../../src/bitswap/supply.ts'
import { Deadlines } from '../../../../src/core/deadlines.ts'
import { defaultProtectionOptions, Protection } from '../../../../src/core/index.ts'
import { settlePromises } from '../../../support/drive.ts'
import { LateClock } from '../../../support/late-clock.ts'
import { blockOf, type TestBlock } from '../../support/messages.ts'
import { FakeConnection } from '../../support/node.ts'
import { createLogger, peerOf } from '../../support/peers.ts'

/** How a peer treats a want. */
export type Behaviour =
  | 'GOOD'
  /** Says nothing. */
  | 'STALL'
  /** Says that it has the block, and does not send it. */
  | 'LIE'
  | 'CORRUPT'
  | 'DONT_HAVE'
  | 'DISCONNECT'
  /** Sends a few bytes now and then. */
  | 'DRIP'
  /** Takes two seconds longer. */
  | 'SLOW'

/** What a peer is like. */
export interface PeerPlan {
  /** From a want to its answer, in ms. */
  readonly delayMs: number
  /** How much it can send; as much as it likes if not given. */
  readonly bytesPerS?: number
  /** Whether it has the block of that number; all if not given. */
  readonly has?: (number: number) => boolean
  /** What it does with its next want; always good if not given. */
  readonly behaviour?: (situation: { served: number; nowMs: number }) => Behaviour
}

/** What is simulated. */
export interface Plan {
  readonly seed: number
  readonly peers: readonly PeerPlan[]
  readonly blocks: number
  /** Size of each block, but that the first is as small as a root is; all are as small as can be if not given. */
  readonly sizeBytes?: number
  /** Blocks fetched at once; the first is fetched alone, as a root is. */
  readonly concurrency?: number
  /** After this it is over, in ms of virtual time. */
  readonly limitMs?: number
  readonly hedgeShare?: number
  /** Every so often, in ms, this process is held up for so long. */
  readonly stalls?: { readonly everyMs: number; readonly lengthMs: number }
}

/** What came of it. */
export interface Outcome {
  readonly delivered: number
  readonly totalMs: number
  readonly latenciesMs: readonly number[]
  /** Blocks sent by peers, wanted or not. */
  readonly sentBlocks: number
  readonly wants: number
  /** Peers whose circuit was opened, by number. */
  readonly opened: ReadonlySet<number>
  readonly faults: ReadonlyArray<{ peer: number; fault: Fault }>
  readonly fetcher: BlockFetcher
  readonly protection: Protection
}

const STEP_MS = 5
/** How long a stream takes to open, in ms. */
const OPEN_MS = 2

/** A line lets so much through at a time. */
const PART_BYTES = 65_536

const blocksBySize = new Map<number | undefined, TestBlock[]>()

/** The same blocks for all simulations. */
async function makeBlocks(count: number, sizeBytes: number | undefined): Promise<readonly TestBlock[]> {
  const blocks = blocksBySize.get(sizeBytes) ?? []
  blocksBySize.set(sizeBytes, blocks)
  while (blocks.length < count)
    blocks.push(await blockOf(blocks.length, blocks.length === 0 ? undefined : sizeBytes))
  return blocks.slice(0, count)
}

/** Pseudo-random numbers of 0 to 1 (mulberry32), the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A peer that speaks Bitswap, in virtual time. */
class SimulatedPeer {
  readonly link: PeerLink
  readonly #simulation: Simulation
  readonly #plan: PeerPlan
  #served = 0
  #isConnected = false
  readonly #wants = new Set<string>()
  /** What is to go over its line, the first of them already does. */
  readonly #queued: Array<{ readonly multihash: string; readonly number: number }> = []
  readonly #connection: FakeConnection

  constructor(simulation: Simulation, link: PeerLink, plan: PeerPlan) {
    this.#simulation = simulation
    this.link = link
    this.#plan = plan
    this.#connection = new FakeConnection(link.peer)
  }

  connect(): void {
    this.#isConnected = true
    this.link.speaksBitswap = true
    this.link.connections.add(this.#connection)
    this.#simulation.fetcher.connected(this.link)
  }

  disconnect(): void {
    if (!this.#isConnected) return
    this.#isConnected = false
    this.link.connections.delete(this.#connection)
    this.#wants.clear()
    this.link.wants.forget()
    this.#simulation.fetcher.disconnected(this.link, true)
    this.#simulation.clock.schedule(() => this.connect(), 1_000)
  }

  open(): Promise<Stream> {
    const reader = new MessageReader({
      want: (cid, entry) => this.#onWant(cid, entry),
      fullWantlist: () => {},
      block: () => {},
      presence: () => {},
      message: () => {},
      needsData: () => false
    })
    const stream = {
      status: 'open',
      writeStatus: 'writable',
      send: (data: Uint8Array) => {
        reader.push(data)
        return true
      },
      addEventListener: () => {},
      close: async () => {},
      closeRead: async () => {},
      abort: () => {}
    }
    const { promise, resolve } = Promise.withResolvers<Stream>()
    this.#simulation.clock.schedule(() => resolve(stream as unknown as Stream), OPEN_MS)
    return promise
  }

  #onWant(cid: Uint8Array, entry: WantlistEntry): void {
    const multihash = readMultihash(cid)!
    if (entry.cancel) {
      for (const want of [multihash, `${multihash} true`, `${multihash} false`]) this.#wants.delete(want)
      return
    }
    this.#simulation.wants++
    // As Helia does.
    if (this.#wants.has(`${multihash} ${entry.isHave}`)) return
    this.#wants.add(`${multihash} ${entry.isHave}`)
    this.#wants.add(multihash)
    const number = this.#simulation.numberOf(multihash)
    const nowMs = this.#simulation.clock.now()
    const behaviour = this.#plan.behaviour?.({ served: this.#served++, nowMs }) ?? 'GOOD'
    const delayMs = this.#plan.delayMs * (0.9 + 0.2 * this.#simulation.random())
    const later = (action: () => void, ms = delayMs): void => {
      this.#simulation.clock.schedule(() => {
        if (this.#isConnected && this.#wants.has(multihash)) action()
      }, ms)
    }
    const has = behaviour !== 'DONT_HAVE' && (this.#plan.has?.(number) ?? true)
    if (behaviour === 'STALL') return
    if (behaviour === 'DISCONNECT') later(() => this.disconnect())
    else if (behaviour === 'DRIP') this.#drip(later)
    else if (!has || entry.isHave || behaviour === 'LIE') later(() => this.#tell(cid, has))
    else if (behaviour === 'SLOW') later(() => this.#send(number, false), delayMs + 2_000)
    else if (this.#plan.bytesPerS !== undefined) later(() => this.#queue(multihash, number))
    else later(() => this.#send(number, behaviour === 'CORRUPT'))
  }

  /** Sends a block over the line, after all that is to go over it before, if it is still wanted by then. */
  #queue(multihash: string, number: number): void {
    this.#queued.push({ multihash, number })
    if (this.#queued.length === 1) this.#sendNext()
  }

  #sendNext(): void {
    const next = this.#queued[0]
    if (next === undefined) return
    const onSent = (): void => {
      this.#queued.shift()
      this.#sendNext()
    }
    if (this.#isConnected && this.#wants.has(next.multihash)) this.#transmit(next.number, 0, onSent)
    else onSent()
  }

  /** Sends the rest of a block, of which so many bytes are sent. */
  #transmit(number: number, sentBytes: number, onSent: () => void): void {
    const restBytes = this.#simulation.blocks[number]!.data.length - sentBytes
    const bytes = Math.min(restBytes, PART_BYTES)
    this.#simulation.clock.schedule(
      () => {
        if (bytes < restBytes) {
          this.#heard(bytes)
          this.#transmit(number, sentBytes + bytes, onSent)
        } else {
          this.#send(number, false)
          onSent()
        }
      },
      (1_000 * bytes) / this.#plan.bytesPerS!
    )
  }

  #drip(later: (action: () => void, ms?: number) => void): void {
    const drop = (): void => {
      this.#heard(64)
      later(drop, 200)
    }
    later(drop)
  }

  #heard(bytes: number): void {
    this.link.lastHeardMs = this.#simulation.deadlines.awakeMs
    this.#simulation.fetcher.heard(this.link, bytes)
  }

  #tell(cid: Uint8Array, has: boolean): void {
    this.#heard(40)
    this.#simulation.fetcher.toldPresence(this.link, cid, has)
  }

  #send(number: number, isCorrupt: boolean): void {
    const { prefix, data } = this.#simulation.blocks[number]!
    this.#simulation.sentBlocks++
    this.#heard(8_000)
    const sent = isCorrupt ? Uint8Array.from(data, byte => byte ^ 1) : data
    void this.#simulation.fetcher.sentBlock(this.link, prefix, sent)
  }
}

class Simulation {
  readonly clock = new LateClock()
  readonly deadlines = new Deadlines(this.clock)
  readonly random: () => number
  readonly protection: Protection
  readonly fetcher: BlockFetcher
  readonly blocks: readonly TestBlock[]
  readonly peers: readonly SimulatedPeer[]
  readonly opened = new Set<number>()
  readonly faults: Array<{ peer: number; fault: Fault }> = []
  readonly #numbers: ReadonlyMap<string, number>
  wants = 0
  sentBlocks = 0

  constructor(plan: Plan, testBlocks: readonly TestBlock[]) {
    this.random = randomOf(plan.seed)
    this.blocks = testBlocks
    this.#numbers = new Map(testBlocks.map(({ cid }, number) => [readMultihash(cid.bytes)!, number]))
    const links = new PeerLinks()
    const supply = new Supply(links, {
      clock: this.clock,
      isEjected: key => this.protection.isEjected(key),
      kept: new Set(),
      maxShare: defaultProtectionOptions.maxEjectedShare
    })
    this.protection = new Protection(
      { preset: 'bitswap' },
      { clock: this.clock, random: this.random, mayEject: key => supply.mayEject(key) }
    )
    const { log } = createLogger()
    this.fetcher = new BlockFetcher(
      this.protection,
      this.clock,
      this.deadlines,
      {
        open: link => this.#peer(link).open(),
        connectMore: () => {},
        findProviders: async () => {},
        isAllowed: () => true,
        onWant: () => {},
        load: { answered() {}, failed() {}, hedged() {}, hedgeRefused() {} },
        onFault: (link, fault) => {
          this.faults.push({ peer: this.#peers.get(link)!, fault })
          if (fault === 'CORRUPT_BLOCK') this.protection.ejectAnyway(link.key)
        },
        onDelivered: link => supply.delivered(link)
      },
      this.random,
      { hedgeShare: plan.hedgeShare ?? 0.1 },
      loadSha2,
      log
    )
    this.peers = plan.peers.map((peer, number) => new SimulatedPeer(this, links.claim(peerOf(number)), peer))
    this.#peers = new Map(this.peers.map(({ link }, number) => [link, number]))
    const keys = new Map(this.peers.map(({ link }, number) => [link.key, number]))
    this.protection.onEvent(({ type, key }) => {
      if (type === 'circuit:open') this.opened.add(keys.get(key)!)
      if (type === 'circuit:half-open' || type === 'circuit:close' || type === 'release')
        this.fetcher.readmitted()
    })
    for (const peer of this.peers) peer.connect()
  }

  readonly #peers: ReadonlyMap<PeerLink, number>

  numberOf(multihash: string): number {
    return this.#numbers.get(multihash)!
  }

  #peer(link: PeerLink): SimulatedPeer {
    return this.peers[this.#peers.get(link)!]!
  }
}

/** Fetches blocks from simulated peers. */
export async function simulate(plan: Plan): Promise<Outcome> {
  const testBlocks = await makeBlocks(plan.blocks, plan.sizeBytes)
  const simulation = new Simulation(plan, testBlocks)
  const { clock, fetcher } = simulation
  const end = new AbortController()
  const latenciesMs: number[] = []
  const queue = testBlocks.map(({ cid }) => cid)
  let endedMs = 0
  const fetchOne = async (cid: CID): Promise<void> => {
    const startMs = clock.now()
    await fetcher.getBlock(cid, { signal: end.signal })
    endedMs = clock.now()
    latenciesMs.push(endedMs - startMs)
  }
  const work = async (): Promise<void> => {
    for (let cid = queue.shift(); cid !== undefined; cid = queue.shift()) await fetchOne(cid)
  }
  const { concurrency = 10, limitMs = 120_000 } = plan
  let isOver = false
  const all = fetchOne(queue.shift()!)
    .then(() => Promise.all(Array.from({ length: concurrency }, work)))
    .catch(() => {})
    .finally(() => {
      isOver = true
    })
  const { everyMs, lengthMs } = plan.stalls ?? { everyMs: Infinity, lengthMs: 0 }
  for (let stepMs = 0; !isOver && clock.now() < limitMs; stepMs += STEP_MS) {
    if (stepMs % everyMs === everyMs - STEP_MS) clock.stall(lengthMs)
    clock.advance(STEP_MS)
    await settlePromises()
  }
  end.abort(new Error('out of time'))
  await all
  return {
    delivered: latenciesMs.length,
    totalMs: endedMs,
    latenciesMs: latenciesMs.sort((one, other) => one - other),
    sentBlocks: simulation.sentBlocks,
    wants: simulation.wants,
    opened: simulation.opened,
    faults: simulation.faults,
    fetcher,
    protection: simulation.protection
  }
}
