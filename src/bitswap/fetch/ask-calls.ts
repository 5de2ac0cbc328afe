import type { CID } from 'multiformats/cid'
import { CLOSED, HALF_OPEN } from '../../core/breaker-table.ts'
import { type Deadlines, NO_LIMIT_MS } from '../../core/deadlines.ts'
import { type Clock, FAILURE, type Protection, SUCCESS } from '../../core/index.ts'
import { rejectionCodes } from '../../core/rejections.ts'
import type { PeerLink } from '../peer-link.ts'
import { resultOf, type WantResult } from '../want-result.ts'
import { Ask, type AskKind } from './ask.ts'
import type { Standing } from './ranking.ts'
import type { Supplier } from './supplier.ts'

const { REJECTED_RECOVERING } = rejectionCodes

/**
 * Questions to peers as calls in the core, which says who may be asked and learns how that ended. Nothing else speaks to the
 * core when peers are asked; a dial is a call as well, made by whoever dials.
 */
export class AskCalls {
  readonly #protection: Protection
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  readonly #onWant: (result: WantResult, elapsedMs: number) => void

  /** @param onWant - told what came of each, once */
  constructor(
    protection: Protection,
    clock: Clock,
    deadlines: Deadlines,
    onWant: (result: WantResult, elapsedMs: number) => void
  ) {
    this.#protection = protection
    this.#clock = clock
    this.#deadlines = deadlines
    this.#onWant = onWant
  }

  mayAsk({ key }: Supplier): boolean {
    const now = this.#clock.now()
    const answer = this.#protection.table.wouldAdmit(this.#protection.slot(key, now), now)
    // A share of what a recovering peer is offered it gets, so it has to be offered it.
    return answer === 0 || answer === REJECTED_RECOVERING
  }

  standing({ key }: Supplier): Standing {
    const now = this.#clock.now()
    const state = this.#protection.table.state(this.#protection.slot(key, now), now)
    if (state === CLOSED) return 'ORDINARY'
    return state === HALF_OPEN ? 'PROBATION' : 'LAST_RESORT'
  }

  /** A call to a peer; `undefined` if it may not be asked after all. */
  start(supplier: Supplier, cid: CID, multihash: string, kind: AskKind): Ask | undefined {
    const now = this.#clock.now()
    const slot = this.#protection.slot(supplier.key, now)
    const token = this.#protection.table.admit(slot, now, NO_LIMIT_MS)
    if (token < 0) return undefined
    return new Ask(supplier, cid, multihash, kind, this.#deadlines.awakeMs, slot, token)
  }

  /** Whether enforcing would have kept it from being asked. */
  wasRefused({ token }: Ask): boolean {
    return this.#protection.table.wasRefused(token)
  }

  /** Ends a call. Returns whether that it ended so is news. */
  settle({ supplier, askedAtMs, slot, token }: Ask, outcome: number): boolean {
    const { link } = supplier
    const now = this.#deadlines.awakeMs
    const ownMs = now - Math.max(askedAtMs, link.lastAnsweredMs)
    if (outcome === SUCCESS) link.lastAnsweredMs = now
    const { table } = this.#protection
    const elapsedMs = now - askedAtMs
    const isNews = table.settleMeasured(slot, token, outcome, this.#clock.now(), elapsedMs, ownMs)
    if (isNews) this.#onWant(resultOf(outcome), elapsedMs)
    return isNews
  }

  /** Counts a failure of a peer for which there is no call. */
  fail({ key }: PeerLink): void {
    const { table } = this.#protection
    const now = this.#clock.now()
    const slot = this.#protection.slot(key, now)
    table.settle(slot, table.follow(slot, now, NO_LIMIT_MS), FAILURE, now)
  }
}
