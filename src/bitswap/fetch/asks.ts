import type { CID } from 'multiformats/cid'
import type { Deadlines } from '../../core/deadlines.ts'
import { IGNORED } from '../../core/index.ts'
import type { Ask, AskKind } from './ask.ts'
import type { AskCalls } from './ask-calls.ts'
import type { Fault } from './fault.ts'
import { getsOn, graceMs, limitMs } from './patience.ts'
import type { Supplier } from './supplier.ts'
import type { Verdicts } from './verdicts.ts'

/** Once its time is up and nobody wants it any more, it is listened for this long at most, in ms. */
const MAX_UNCONFIRMED_MS = 4_000

/** On whose behalf peers are asked. */
export interface Asker {
  /** An ask is over, and brought no block; or its peer is not waited for any longer. */
  ended(ask: Ask): void
}

/**
 * What peers are asked, from being said to its end: an answer, a fault, or that nobody wants it any more. The call in the core
 * ends with it, exactly once.
 */
export class Asks {
  readonly #calls: AskCalls
  readonly #verdicts: Verdicts
  readonly #deadlines: Deadlines
  readonly #askers: ReadonlyMap<string, Asker>

  /** @param askers - those who still want the block, by its multihash */
  constructor(calls: AskCalls, verdicts: Verdicts, deadlines: Deadlines, askers: ReadonlyMap<string, Asker>) {
    this.#calls = calls
    this.#verdicts = verdicts
    this.#deadlines = deadlines
    this.#askers = askers
  }

  /** Asks a peer; `undefined` if it may not be asked after all. */
  start(supplier: Supplier, cid: CID, multihash: string, kind: AskKind): Ask | undefined {
    const ask = this.#calls.start(supplier, cid, multihash, kind)
    if (ask === undefined) return undefined
    const earlier = supplier.asks.get(multihash)
    if (earlier !== undefined) this.end(earlier, IGNORED)
    supplier.asks.set(multihash, ask)
    supplier.lastAskedMs = ask.askedAtMs
    ask.deadline = this.#deadlines.add(limitMs(supplier), () => this.#late(ask))
    // What is asked a second time is ignored, unless the first was taken back.
    if (!supplier.link.wants.remember(multihash)) supplier.outbox.push({ cid, type: 'CANCEL' })
    supplier.outbox.push({ cid, type: kind })
    return ask
  }

  /** Takes back what was asked of a peer. */
  withdraw(supplier: Supplier, cid: CID, multihash: string): void {
    const ask = supplier.asks.get(multihash)
    if (ask === undefined) {
      // It has answered; this only keeps its list of our wants short.
      supplier.outbox.pushLater({ cid, type: 'CANCEL' })
      return
    }
    supplier.outbox.push({ cid, type: 'CANCEL' })
    if (ask.kind === 'BLOCK') this.takesLong(ask)
    this.end(ask, IGNORED)
  }

  /** Takes back all that was asked of a peer: nothing of it is waited for any longer. */
  withdrawAll(supplier: Supplier): void {
    supplier.failed()
    for (const ask of [...supplier.asks.values()]) {
      supplier.outbox.push({ cid: ask.cid, type: 'CANCEL' })
      this.end(ask, IGNORED)
      this.#tell(ask)
    }
  }

  /** Its peer takes longer than most, and ranks lower for that. */
  takesLong(ask: Ask): void {
    const { pace } = ask.supplier
    const now = this.#deadlines.awakeMs
    if (ask.isSilent) pace.wasSilentFor(now - ask.askedAtMs, now)
    else pace.tookLongerThan(now - ask.askedAtMs, now)
  }

  /** It may be that a peer does not respond: others are asked what it was asked. */
  suspect(supplier: Supplier): void {
    for (const ask of [...supplier.asks.values()]) {
      ask.isOverdue = true
      this.#tell(ask)
    }
  }

  /** All that a peer was asked is lost: one fault at most, however much it was asked. */
  failAll(supplier: Supplier, fault: Fault | undefined): void {
    let isBlamed = false
    for (const ask of [...supplier.asks.values()]) {
      supplier.asks.delete(ask.multihash)
      ask.deadline?.cancel()
      if (fault === undefined || isBlamed || ask.isOverdue) this.#calls.settle(ask, IGNORED)
      else {
        isBlamed = true
        supplier.failed()
        this.#verdicts.blame(ask, fault)
      }
      this.#tell(ask)
    }
  }

  /** An ask is over. Returns whether that it ended so is news. */
  end(ask: Ask, outcome: number): boolean {
    ask.deadline?.cancel()
    const { asks } = ask.supplier
    if (asks.get(ask.multihash) === ask) asks.delete(ask.multihash)
    return this.#calls.settle(ask, outcome)
  }

  /** A peer did not answer in time, or gets on too slowly: another is asked. */
  #late(ask: Ask): void {
    const { supplier } = ask
    const limit = limitMs(supplier)
    const grace = graceMs(limit, this.#verdicts.stretch)
    const isGettingOn = getsOn(ask, limit, this.#deadlines.awakeMs)
    // What is asked for nobody any more only matters if it is clear how it ends.
    if ((isGettingOn || grace > 0) && !this.#isWanted(ask)) {
      this.end(ask, IGNORED)
      return
    }
    if (isGettingOn) {
      ask.seenBytes = supplier.receivedBytes
      ask.deadline = this.#deadlines.add(limit, () => this.#late(ask))
      return
    }
    ask.isOverdue = true
    supplier.failed()
    if (ask.isSilent) supplier.silentAtMs = this.#deadlines.awakeMs
    // It is listened to on, and blamed later the more this node itself is in doubt.
    if (grace > 0) ask.deadline = this.#deadlines.add(grace, () => this.#blameSilence(ask))
    else this.#blameSilence(ask)
    this.#tell(ask)
  }

  #blameSilence(ask: Ask): void {
    this.#verdicts.blameSilence(ask)
    this.#listenOn(ask)
  }

  /** As long as somebody wants the block; he may not know of this ask, which was made for an earlier one who did. */
  #listenOn(ask: Ask): void {
    ask.deadline = this.#deadlines.add(MAX_UNCONFIRMED_MS, () => {
      if (this.#isWanted(ask)) this.#listenOn(ask)
      else this.end(ask, IGNORED)
    })
  }

  #isWanted({ multihash }: Ask): boolean {
    return this.#askers.has(multihash)
  }

  #tell(ask: Ask): void {
    this.#askers.get(ask.multihash)?.ended(ask)
  }
}
