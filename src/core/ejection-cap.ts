import { type RecordStore, slotFlags } from './record-store.ts'
import { rejectionCodes } from './rejections.ts'

const { DEMOTED } = slotFlags
const { REJECTED_RECOVERING } = rejectionCodes

/** What the cap has to know of targets beyond their records. */
export interface Targets {
  /** How many there are records of. */
  known(): number
  /** Whether one can be done without at all. */
  mayEject(slot: number): boolean
}

/**
 * Keeps the ejected targets, those refused because their circuit is OPEN, to a share of the known ones, and to those
 * that can be done without.
 *
 * Any other is demoted instead: it would be refused, but is kept as last resort. That lasts until it has recovered in
 * full, or opens again while there is room for it.
 */
export class EjectionCap {
  readonly #records: RecordStore
  readonly #maxShare: number
  readonly #targets: Targets
  /** Slots that are OPEN and not demoted. */
  readonly #ejected = new Set<number>()
  /** Slots that are OPEN, and were demoted because they were known again before most others were. */
  readonly #waiting = new Set<number>()

  /** @param maxShare - largest share of the known targets that may be ejected; it always leaves room for one */
  constructor(records: RecordStore, maxShare: number, targets: Targets) {
    this.#records = records
    this.#maxShare = maxShare
    this.#targets = targets
  }

  get ejected(): number {
    return this.#ejected.size
  }

  isDemoted(slot: number): boolean {
    return this.#records.hasFlag(slot, DEMOTED)
  }

  /** Whether a call rejected with `answer`, for what its target did, is let through all the same. */
  isLastResort(slot: number, answer: number): boolean {
    return answer >= REJECTED_RECOVERING && this.isDemoted(slot)
  }

  /** Ejects a target whose circuit opened, or demotes it if there is no room. */
  eject(slot: number): void {
    if (this.#ejected.size >= this.#most || !this.#targets.mayEject(slot)) this.#demote(slot)
    else this.ejectAnyway(slot)
  }

  /** Ejects a target whose circuit is OPEN, room or not. */
  ejectAnyway(slot: number): void {
    this.#records.lowerFlag(slot, DEMOTED)
    this.#waiting.delete(slot)
    this.#ejected.add(slot)
  }

  /** Ejects a target that was OPEN before: at once, or as soon as there is room for it. */
  ejectAgain(slot: number): void {
    this.eject(slot)
    if (this.isDemoted(slot)) this.#waiting.add(slot)
  }

  /** Makes room: a target is OPEN no more, or forgotten, or one more is known. One that is demoted stays so. */
  endEjection(slot: number): void {
    this.#ejected.delete(slot)
    this.#waiting.delete(slot)
    for (const waiting of this.#waiting) {
      if (this.#ejected.size >= this.#most) break
      this.#waiting.delete(waiting)
      this.eject(waiting)
    }
  }

  /** A target has recovered in full. */
  endDemotion(slot: number): void {
    this.#records.lowerFlag(slot, DEMOTED)
  }

  /** Demotes ejected targets until no more than the share allowed is left, as when others were forgotten. */
  apply(): void {
    for (const slot of this.#ejected) {
      if (this.#ejected.size <= this.#most) break
      this.#demote(slot)
    }
  }

  /** Demotes an ejected target if it cannot be done without any more. Returns whether it was. */
  reconsider(slot: number): boolean {
    if (!this.#ejected.has(slot) || this.#targets.mayEject(slot)) return false
    this.#demote(slot)
    return true
  }

  isEjected(slot: number): boolean {
    return this.#ejected.has(slot)
  }

  #demote(slot: number): void {
    this.#ejected.delete(slot)
    this.#records.raiseFlag(slot, DEMOTED)
  }

  get #most(): number {
    return Math.max(1, Math.floor(this.#maxShare * this.#targets.known()))
  }
}
