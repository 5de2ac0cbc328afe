import { ConnectionClosedError, type PeerId, type Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { BlockFetch } from '../../../../src/bitswap/fetch/block-fetch.ts'
import { BlockFetcher, type FetchOptions } from '../../../../src/bitswap/fetch/block-fetcher.ts'
import { type HasherLoader, loadSha2 } from '../../../../src/bitswap/fetch/block-hash.ts'
import type { Fault } from '../../../../src/bitswap/fetch/fault.ts'
import { readMultihash } from '../../../../src/bitswap/multihash.ts'
import { type PeerLink, PeerLinks } from '../../../../src/bitswap/peer-link.ts'
import { Deadlines } from '../../../../src/core/deadlines.ts'
import {
  ManualClock,
  type PeerStatus,
  Protection,
  type ProtectionOptions
} from '../../../../src/core/index.ts'
import { settlePromises } from '../../../support/drive.ts'
import { blockOf, type TestBlock } from '../../support/messages.ts'
import { createLogger, peerOf } from '../../support/peers.ts'
import { FakeStream } from './fake-stream.ts'

/** How exact time is in these tests, in ms: that of the deadlines. */
export const STEP_MS = 25

/** The same for all tests. */
export const blocks: readonly TestBlock[] = await Promise.all(
  Array.from({ length: 64 }, (_, n) => blockOf(n))
)

const numbers = new Map(blocks.map(({ cid }, number) => [readMultihash(cid.bytes)!, number]))

/** A block somebody waits for. */
export class Got {
  bytes: Uint8Array | undefined
  error: unknown
  /** Peers that were asked for the block, and that delivered it. */
  readonly asked: PeerId[] = []
  readonly from: PeerId[] = []
  readonly #controller = new AbortController()

  get options(): FetchOptions {
    return {
      signal: this.#controller.signal,
      onProgress: ({ type, detail }) => {
        if (type === 'bitswap:send-wantlist') this.asked.push(detail)
        if (type === 'bitswap:block') this.from.push(detail.sender)
      }
    }
  }

  get isPending(): boolean {
    return this.bytes === undefined && this.error === undefined
  }

  follow(block: Promise<Uint8Array>): this {
    block.then(
      bytes => {
        this.bytes = bytes
      },
      error => {
        this.error = error
      }
    )
    return this
  }

  abort(reason: unknown = new Error('given up')): void {
    this.#controller.abort(reason)
  }
}

/** A peer that says and does what the test wants. */
export class FakePeer {
  readonly link: PeerLink
  readonly #bench: Bench
  /** What it was told, by message, such as `want 3`. */
  readonly messages: string[][] = []
  readonly streams: FakeStream[] = []
  /** How streams to it open: at once, unless a test has them do otherwise. */
  onOpen: () => Promise<Stream> | Stream = () => this.newStream()
  /** What it does with what it is told. */
  onLine: (word: string, number: number) => void = () => {}

  constructor(bench: Bench, link: PeerLink) {
    this.#bench = bench
    this.link = link
  }

  newStream(): Stream {
    const fake = new FakeStream(lines => {
      const told = lines.map(({ cid, word }) => [word, numbers.get(readMultihash(cid)!)!] as const)
      this.messages.push(told.map(([word, number]) => `${word} ${number}`))
      for (const [word, number] of told) this.onLine(word, number)
    })
    this.streams.push(fake)
    return fake.stream
  }

  get stream(): FakeStream {
    return this.streams.at(-1)!
  }

  /** What it was told since this was last asked. */
  takeLines(): string[] {
    return this.messages.splice(0).flat()
  }

  /** As {@link takeLines}, by message. */
  takeMessages(): string[][] {
    return this.messages.splice(0)
  }

  connect(): this {
    this.#bench.fetcher.connected(this.link)
    return this
  }

  /** It is gone, by its own fault or not. */
  leave(isItsFault: boolean): void {
    // As the judge does.
    this.link.wants.forget()
    this.#bench.fetcher.disconnected(this.link, isItsFault)
  }

  /** So many bytes come from it. */
  trickle(bytes: number): void {
    this.#bench.fetcher.heard(this.link, bytes)
  }

  /** It says whether it has a block. Returns whether that was taken. */
  tell(number: number, has: boolean): boolean {
    this.trickle(40)
    return this.#bench.fetcher.toldPresence(this.link, blocks[number]!.cid.bytes, has)
  }

  /** It sends a block. Returns whether that was taken. */
  send(number: number): Promise<boolean> {
    const { prefix, data } = blocks[number]!
    return this.sendBytes(prefix, data)
  }

  /** It sends what a block is not. */
  sendSpoilt(number: number): Promise<boolean> {
    const { prefix, data } = blocks[number]!
    return this.sendBytes(
      prefix,
      Uint8Array.from(data, byte => byte ^ 1)
    )
  }

  sendBytes(prefix: Uint8Array, data: Uint8Array): Promise<boolean> {
    this.trickle(prefix.length + data.length)
    return this.#bench.fetcher.sentBlock(this.link, prefix, data)
  }

  get status(): PeerStatus | undefined {
    return this.#bench.protection.getPeerStatus(this.link.key)
  }

  get failures(): number {
    return this.status?.counts.totalFailures ?? 0
  }

  get successes(): number {
    return this.status?.counts.totalSuccesses ?? 0
  }

  get inFlight(): number {
    const { protection, clock } = this.#bench
    return protection.table.inFlight(protection.slot(this.link.key, clock.now()))
  }

  /** What it did wrong, and with which block. */
  get faults(): Array<[fault: Fault, number: number | undefined]> {
    return this.#bench.faults.flatMap(({ link, fault, number }) =>
      link === this.link ? [[fault, number] as [Fault, number | undefined]] : []
    )
  }
}

/** What a bench is made with. */
export interface BenchOptions extends Partial<ProtectionOptions> {
  readonly hedgeShare?: number
  readonly random?: () => number
  readonly loadHasher?: HasherLoader
  readonly isAllowed?: (key: string) => boolean
}

/** A manual clock that can be made to stand as after a stall of the event loop: timers are late. */
class StallingClock extends ManualClock {
  #stalledMs = 0

  override now(): number {
    return super.now() + this.#stalledMs
  }

  stall(ms: number): void {
    this.#stalledMs += ms
  }
}

/** A fetcher on a clock moved by hand, among peers that do what the test says. */
export class Bench {
  readonly clock = new StallingClock()
  readonly deadlines = new Deadlines(this.clock)
  readonly links = new PeerLinks()
  readonly protection: Protection
  readonly fetcher: BlockFetcher
  readonly faults: Array<{ link: PeerLink; fault: Fault; number: number | undefined }> = []
  /** What was told of how asking went, in order. */
  readonly told: string[] = []
  readonly load = {
    answered: (elapsedMs: number) => this.told.push(`answered ${elapsedMs}`),
    failed: (isTimeout: boolean) => this.told.push(isTimeout ? 'timed out' : 'failed'),
    hedged: () => this.told.push('hedged'),
    hedgeRefused: () => this.told.push('hedge refused')
  }
  readonly deliveries: Array<{ link: PeerLink; wasRefused: boolean }> = []
  /** Blocks that providers were looked for of. */
  readonly searches: Array<{ number: number; signal: AbortSignal }> = []
  /** Blocks for which more providers were to be connected to. */
  readonly more: number[] = []
  /** What is done with a fetch when it begins. */
  onFetch: (fetch: BlockFetch) => void = () => {}
  /** What happens while more are being connected to. */
  onMore: () => void = () => {}
  /** How a search goes. */
  onSearch: (fetch: BlockFetch, signal: AbortSignal) => Promise<void> = async () => {}
  readonly logger = createLogger()
  readonly #peers = new Map<PeerLink, FakePeer>()

  constructor({
    hedgeShare = 0.1,
    random = () => 0,
    loadHasher = loadSha2,
    isAllowed = () => true,
    ...options
  }: BenchOptions = {}) {
    this.protection = new Protection(
      // Counts, and opens only where a test wants it.
      {
        maxEjectedShare: 1,
        ...options,
        breaker: { readyToTrip: () => false, timeoutJitter: 0, ...options.breaker }
      },
      { clock: this.clock, random }
    )
    this.protection.onEvent(({ type }) => {
      if (type === 'circuit:half-open' || type === 'circuit:close' || type === 'release')
        this.fetcher.readmitted()
    })
    this.fetcher = new BlockFetcher(
      this.protection,
      this.clock,
      this.deadlines,
      {
        open: async link =>
          this.#peers.get(link)?.onOpen() ?? Promise.reject(new ConnectionClosedError('gone')),
        connectMore: fetch => {
          this.more.push(numberOf(fetch.cid))
          this.onMore()
        },
        findProviders: (fetch, signal) => {
          this.searches.push({ number: numberOf(fetch.cid), signal })
          return this.onSearch(fetch, signal)
        },
        onFault: (link, fault, cid) => this.faults.push({ link, fault, number: cid && numberOf(cid) }),
        onDelivered: (link, wasRefused) => this.deliveries.push({ link, wasRefused }),
        isAllowed: key => isAllowed(key),
        onWant: () => {},
        load: this.load
      },
      random,
      { hedgeShare },
      loadHasher,
      this.logger.log
    )
  }

  /** Peers that are connected. */
  connect(count: number): FakePeer[] {
    return Array.from({ length: count }, () => this.peer().connect())
  }

  /** A peer that is not connected yet. */
  peer(): FakePeer {
    const peer = new FakePeer(this, this.links.claim(peerOf(this.#peers.size + 1)))
    this.#peers.set(peer.link, peer)
    return peer
  }

  get(number: number, options: FetchOptions = {}): Got {
    const got = new Got()
    return got.follow(
      this.fetcher.getBlock(blocks[number]!.cid, { ...got.options, ...options }, this.onFetch)
    )
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await settlePromises()
  }

  /** Moves time in small steps, between which promises settle, as they would. */
  async advance(ms: number): Promise<void> {
    await this.settle()
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.clock.advance(Math.min(STEP_MS, ms - passed))
      await settlePromises()
    }
    await this.settle()
  }

  /** Time passes, and nobody is told. */
  skip(ms: number): void {
    this.clock.stall(ms)
  }

  /** A peer that has delivered blocks in `ms` each, so that nothing about it is new; block 63 is spent on that. */
  async teach(peer: FakePeer, ms: number, times = 20): Promise<void> {
    for (let time = 0; time < times; time++) {
      const got = this.get(KNOWN)
      await this.advance(ms)
      await peer.send(KNOWN)
      await this.settle()
      if (got.bytes === undefined) throw new Error('It was not asked')
    }
    for (const { messages } of this.#peers.values()) messages.length = 0
  }

  get inFlight(): number {
    return this.protection.getOverallStatus().inFlight
  }

  /** What is under way: nothing once all is over. */
  get remains(): { inFlight: number; deadlines: number; asks: number } {
    const asks = [...this.fetcher.suppliers()].reduce((sum, supplier) => sum + supplier.asks.size, 0)
    return { inFlight: this.inFlight, deadlines: this.deadlines.size, asks }
  }
}

export const NOTHING = Object.freeze({ inFlight: 0, deadlines: 0, asks: 0 })

/** The block peers are known by. */
const KNOWN = 63

function numberOf(cid: CID): number {
  return numbers.get(readMultihash(cid.bytes)!)!
}

/** Time until the last cancel has gone, streams are closed, and nothing is listened for any more, in ms. */
export const REST_MS = 6_200

/** Peers that have delivered blocks in `ms` each. */
export async function withKnown(bench: Bench, ...everyMs: readonly number[]): Promise<FakePeer[]> {
  const peers: FakePeer[] = []
  for (const ms of everyMs) {
    // Only this one, so that it is asked.
    const others = [...bench.fetcher.suppliers()].map(({ key }) => key)
    for (const key of others) bench.protection.isolate(key)
    const peer = bench.peer().connect()
    await bench.teach(peer, ms)
    for (const key of others) bench.protection.release(key)
    peers.push(peer)
  }
  await bench.advance(REST_MS)
  for (const peer of peers) peer.takeLines()
  return peers
}
