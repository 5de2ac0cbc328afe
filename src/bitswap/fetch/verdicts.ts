import type { CID } from 'multiformats/cid'
import type { Deadlines } from '../../core/deadlines.ts'
import { FAILURE, IGNORED } from '../../core/index.ts'
import type { PeerLink } from '../peer-link.ts'
import type { Ask } from './ask.ts'
import type { AskCalls } from './ask-calls.ts'
import { type Fault, faultWeights, isSilence } from './fault.ts'
import { FaultGate } from './fault-gate.ts'
import type { Supplier } from './supplier.ts'

/** A peer counts as active for this long after it was asked, in ms. */
const ACTIVE_MS = 30_000

/** Who is told of faults that count. */
export interface FaultObserver {
  /** A peer did something wrong. */
  onFault(link: PeerLink, fault: Fault, cid: CID | undefined): void
  /** Who is told how asking goes. */
  readonly load: { failed(isTimeout: boolean): void }
}

/**
 * What a fault comes to. Silence and what breaks may be the fault of this node's own network, so it counts once it is sure that
 * it is the peer's; what is proven counts at once. Some faults stand for several failures.
 */
export class Verdicts {
  readonly #calls: AskCalls
  readonly #deadlines: Deadlines
  readonly #observer: FaultObserver
  readonly #gate: FaultGate<Supplier>

  constructor(
    calls: AskCalls,
    deadlines: Deadlines,
    suppliers: ReadonlyMap<string, Supplier>,
    observer: FaultObserver
  ) {
    this.#calls = calls
    this.#deadlines = deadlines
    this.#observer = observer
    this.#gate = new FaultGate({
      lastDeliveredMs: ({ lastDeliveredMs }) => lastDeliveredMs,
      activePeers: () => {
        const since = deadlines.awakeMs - ACTIVE_MS
        return [...suppliers.values()].filter(({ lastAskedMs }) => lastAskedMs > since).length
      },
      silentPeers: sinceMs => [...suppliers.values()].filter(({ silentAtMs }) => silentAtMs > sinceMs)
    })
  }

  /** Whether so many are silent that this node may be cut off. */
  get isOutage(): boolean {
    return this.#gate.isOutage
  }

  /** By how much it is in doubt whether silence is a fault, from 1. */
  get stretch(): number {
    return this.#gate.stretch
  }

  /** A peer did not answer in time, or got on too slowly. */
  blameSilence(ask: Ask): void {
    const { supplier, kind, multihash, isSilent } = ask
    const isPromised = kind === 'BLOCK' && supplier.hasPromised(multihash)
    const silence = isSilent ? 'TIMEOUT' : 'DRIP'
    this.blame(ask, isPromised ? 'HAVE_WITHOUT_BLOCK' : silence)
  }

  /** Counts a fault as soon as it is sure that it is the peer's. */
  blame(ask: Ask, fault: Fault): void {
    const { supplier, cid } = ask
    this.#gate.hold({
      peer: supplier,
      sinceMs: ask.askedAtMs,
      atMs: this.#deadlines.awakeMs,
      settle: isConfirmed => {
        if (!isConfirmed) this.#calls.settle(ask, IGNORED)
        else if (this.#calls.settle(ask, FAILURE)) {
          this.#observer.load.failed(isSilence(fault))
          this.proven(supplier.link, fault, cid)
        }
      }
    })
  }

  /** Counts a fault. @param counted - of the failures it stands for, so many have been counted */
  proven(link: PeerLink, fault: Fault, cid: CID | undefined, counted = 1): void {
    for (let count = counted; count < faultWeights[fault]; count++) this.#calls.fail(link)
    this.#observer.onFault(link, fault, cid)
  }

  /** Something arrives, if only words. */
  heard(): void {
    this.#gate.heard()
  }

  /** A verified block arrived. @param nowMs - awake */
  delivered(nowMs: number): void {
    this.#gate.delivered(nowMs)
  }

  /** What is not sure by now never counts. */
  clear(): void {
    this.#gate.clear()
  }
}
