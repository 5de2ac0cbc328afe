/** An outage is recognised when this share of the peers that were asked of late are silent, and at least two are. */
const OUTAGE_SHARE = 0.5
const MIN_OUTAGE_PEERS = 2

/** Verdicts held at most. Beyond it the oldest is dropped, to nobody's harm. */
const MAX_HELD = 1024

/** Deadlines are stretched at most this much: from 2 s to 64 s, as Bitcoin Core's BLOCK_STALLING_TIMEOUT. */
const MAX_STRETCH = 32

/** Deadlines go back by this factor for each block that arrives: also Bitcoin Core's. */
const STRETCH_DECAY = 0.85

/** A fault that is not counted yet. */
export interface HeldVerdict<Peer> {
  readonly peer: Peer
  /** Since when the peer was waited for, and when it was found to be at fault, in ms awake. */
  readonly sinceMs: number
  readonly atMs: number
  /** Counts it, or lets it count for nothing. */
  readonly settle: (isConfirmed: boolean) => void
}

/** What the gate has to know of peers. */
export interface GatePeers<Peer> {
  /** When the peer last delivered a block, in ms awake. */
  lastDeliveredMs(peer: Peer): number
  /** How many peers were asked of late. */
  activePeers(): number
  /** Who was found not to have answered in time since then, in ms awake, and has sent nothing. */
  silentPeers(sinceMs: number): Iterable<Peer>
}

/**
 * Keeps faults from being counted while they may be our own: when nothing at all arrives, the network of this node is
 * more likely broken than all of its peers. A verified block of any peer shows that it is not. Then those who have not
 * delivered one since are to blame; but if that is most of them there was an outage, and nobody is.
 */
export class FaultGate<Peer> {
  readonly #peers: GatePeers<Peer>
  #held: Array<HeldVerdict<Peer>> = []
  #stretch = 1
  /** Whether anything has arrived since there was an outage. */
  #isEnding = false
  /** When a block arrived last, and when the last outage ended, in ms awake. */
  #deliveredMs = -Infinity
  #reconnectedMs = -Infinity

  constructor(peers: GatePeers<Peer>) {
    this.#peers = peers
  }

  /** By how much deadlines are to be stretched, 1 to 32. */
  get stretch(): number {
    return this.#stretch
  }

  get size(): number {
    return this.#held.length
  }

  /** Whether nothing arrives from so many that this node may be cut off. */
  get isOutage(): boolean {
    if (this.#held.length === 0) return false
    const silent = new Set([
      ...this.#held.map(({ peer }) => peer),
      ...this.#peers.silentPeers(this.#deliveredMs)
    ]).size
    return silent >= MIN_OUTAGE_PEERS && silent >= OUTAGE_SHARE * this.#peers.activePeers()
  }

  /** Holds a verdict until it is known whether this node is connected. One that goes back to an outage counts for nothing. */
  hold(verdict: HeldVerdict<Peer>): void {
    if (verdict.sinceMs < this.#reconnectedMs) {
      verdict.settle(false)
      return
    }
    if (this.#held.length >= MAX_HELD) this.#held.shift()!.settle(false)
    this.#held.push(verdict)
    if (this.isOutage) this.#stretch = Math.min(MAX_STRETCH, this.#stretch * 2)
  }

  /** Something arrives, if only words: if there is an outage, it is ending, and who answers early bears no witness against others. */
  heard(): void {
    this.#isEnding ||= this.isOutage
  }

  /** A verified block arrived. @param nowMs - awake */
  delivered(nowMs: number): void {
    const wasOutage = this.#isEnding || this.isOutage
    if (wasOutage) this.#reconnectedMs = nowMs
    this.#deliveredMs = nowMs
    this.#isEnding = false
    this.#stretch = Math.max(1, this.#stretch * STRETCH_DECAY)
    for (const { peer, atMs, settle } of this.#release())
      settle(!wasOutage && this.#peers.lastDeliveredMs(peer) <= atMs)
  }

  /** Drops all verdicts, to nobody's harm. */
  clear(): void {
    for (const { settle } of this.#release()) settle(false)
    this.#stretch = 1
  }

  #release(): Array<HeldVerdict<Peer>> {
    const held = this.#held
    this.#held = []
    return held
  }
}
