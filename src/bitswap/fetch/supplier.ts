import type { PeerLink } from '../peer-link.ts'
import type { Ask } from './ask.ts'
import type { Outbox } from './outbox.ts'
import { Pace } from './pace.ts'
import { TRIAL_BYTES } from './trial-budget.ts'

/**
 * How much a peer is asked at once: one that is not known yet, one that has delivered for the first time (TCP begins with as much:
 * RFC 6928), and at most. With each block it is one more, which doubles it each round trip (TCP's slow start: RFC 5681, 3.1).
 */
const UNKNOWN_WINDOW = 4
const FIRST_WINDOW = 10
const MAX_WINDOW = 64

/** A peer is tried out until it has delivered so many blocks or bytes: that it sent one does not tell that it goes on. */
const TRIAL_BLOCKS = 4

/** So many bytes count as a part of a block that is on its way: not what somebody sends only to seem to get on. */
const PART_BYTES = 16_384

/** Hashes remembered of what a peer has or lacks, each. */
const MAX_REMEMBERED = 4096

/** A connected peer that speaks Bitswap, as somebody to get blocks from. */
export class Supplier {
  readonly link: PeerLink
  readonly outbox: Outbox
  readonly pace = new Pace()
  /** What it is asked for and has not answered, by multihash. */
  readonly asks = new Map<string, Ask>()
  /** What it said it has. */
  readonly #promises = new Set<string>()
  /** What it said it lacks. */
  readonly #lacks = new Set<string>()
  #window = UNKNOWN_WINDOW
  #deliveredBlocks = 0
  #deliveredBytes = 0
  /** Bytes of Bitswap it sent; and when, in ms awake, and up to which of them a part of a block came last. */
  receivedBytes = 0
  #lastPartMs = -Infinity
  #partBytes = 0
  /** When it last was found not to have answered in time, in ms awake, if it has sent nothing since it was asked. */
  silentAtMs = -Infinity
  /** When it was last asked for anything, and when it last delivered a block, in ms awake. */
  lastAskedMs = -Infinity
  lastDeliveredMs = -Infinity
  /** When another was last asked as well for a block it is waited for, in ms awake; as long as it may show what that tells. */
  #hedgedAtMs = -Infinity
  /** Whether another was quicker with such a block, and it has delivered nothing since. */
  #isOutrun = false

  constructor(link: PeerLink, outbox: Outbox) {
    this.link = link
    this.outbox = outbox
  }

  get key(): string {
    return this.link.key
  }

  /** How much it is waited for. */
  get waiting(): number {
    let waiting = 0
    for (const { isOverdue } of this.asks.values()) if (!isOverdue) waiting++
    return waiting
  }

  /** Whether it is waited for as much as may be asked of it at once. */
  get isFull(): boolean {
    return this.waiting >= this.#window
  }

  /** Whether it is waited for with a block, and never delivered any. */
  get isFirstBlockDue(): boolean {
    if (this.pace.isKnown) return false
    return [...this.asks.values()].some(({ kind, isOverdue }) => kind === 'BLOCK' && !isOverdue)
  }

  /** Whether it has not delivered enough yet to be relied upon. */
  get isOnTrial(): boolean {
    return this.#deliveredBlocks < TRIAL_BLOCKS && this.#deliveredBytes < TRIAL_BYTES
  }

  hasPromised(multihash: string): boolean {
    return this.#promises.has(multihash)
  }

  lacks(multihash: string): boolean {
    return this.#lacks.has(multihash)
  }

  /** It sent so many bytes. */
  heard(bytes: number, nowMs: number): void {
    this.receivedBytes += bytes
    this.silentAtMs = -Infinity
    if (this.receivedBytes - this.#partBytes < PART_BYTES) return
    this.#partBytes = this.receivedBytes
    this.#lastPartMs = nowMs
  }

  /** It said whether it has a block. */
  told(multihash: string, has: boolean): void {
    remember(has ? this.#promises : this.#lacks, multihash)
    ;(has ? this.#lacks : this.#promises).delete(multihash)
    if (!has) this.pace.lacked()
  }

  delivered({ multihash, askedAtMs, place }: Ask, nowMs: number, bytes: number): void {
    this.#deliveredBlocks++
    this.#deliveredBytes += bytes
    this.lastDeliveredMs = nowMs
    this.#isOutrun = false
    this.#promises.delete(multihash)
    this.#window = this.pace.isKnown ? Math.min(MAX_WINDOW, this.#window + 1) : FIRST_WINDOW
    this.pace.delivered(nowMs - askedAtMs, place)
  }

  /**
   * When it last gave reason to wait for what else it was asked, in ms awake: by a block or a part of one, or since one of them is
   * being looked into.
   */
  get promisingAtMs(): number {
    return Math.max(this.cameAtMs, this.#hedgedAtMs)
  }

  /** When a block or a part of one came last, in ms awake. */
  get cameAtMs(): number {
    return Math.max(this.lastDeliveredMs, this.#lastPartMs)
  }

  /** Another is asked as well for a block it is waited for: how that ends tells of all it was asked. */
  hedged(nowMs: number): void {
    if (!this.#isOutrun) this.#hedgedAtMs = nowMs
  }

  /** Another was quicker with a block it is waited for. */
  outrun(): void {
    this.#isOutrun = true
    this.#hedgedAtMs = -Infinity
  }

  /** It did not answer as it should have: it is asked for less at once, as TCP does. */
  failed(): void {
    this.#window = Math.max(1, this.#window >> 1)
  }
}

function remember(memory: Set<string>, multihash: string): void {
  if (memory.size >= MAX_REMEMBERED) memory.delete(memory.values().next().value!)
  memory.add(multihash)
}
