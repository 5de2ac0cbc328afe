import { type RecordStore, slotFlags } from './record-store.ts'
import { rejectionCodes } from './rejections.ts'
import type { SlotEvents } from './slot-events.ts'

const { ISOLATED, SUSPECT } = slotFlags
const { REJECTED_ISOLATED, REJECTED_SUSPECT } = rejectionCodes

/**
 * What keeps calls from a target whatever its circuit says: it was isolated by hand, or is suspect for as long as it
 * takes to find out whether it responds.
 */
export class Holds {
  readonly #records: RecordStore
  readonly #events: SlotEvents

  /** @param records - where it is noted of each slot */
  constructor(records: RecordStore, events: SlotEvents) {
    this.#records = records
    this.#events = events
  }

  /** Why the target may not be called: a negative reason, or 0. */
  refusal(slot: number): number {
    const flags = this.#records.flags(slot)
    if ((flags & ISOLATED) !== 0) return REJECTED_ISOLATED
    return (flags & SUSPECT) !== 0 ? REJECTED_SUSPECT : 0
  }

  isolate(slot: number, nowMs: number): void {
    if (this.isIsolated(slot)) return
    this.#records.raiseFlag(slot, ISOLATED)
    this.#events.note('isolate', slot, 0, 0, nowMs)
    this.#events.tell()
  }

  /** Isolates a target that was isolated before, which is no news to anybody. */
  isolateAgain(slot: number): void {
    this.#records.raiseFlag(slot, ISOLATED)
  }

  release(slot: number, nowMs: number): void {
    if (!this.isIsolated(slot)) return
    this.#records.lowerFlag(slot, ISOLATED)
    this.#events.note('release', slot, 0, 0, nowMs)
    this.#events.tell()
  }

  isIsolated(slot: number): boolean {
    return this.#records.hasFlag(slot, ISOLATED)
  }

  /** Returns whether that is new. */
  suspect(slot: number): boolean {
    if (this.isSuspect(slot)) return false
    this.#records.raiseFlag(slot, SUSPECT)
    return true
  }

  clearSuspicion(slot: number): void {
    this.#records.lowerFlag(slot, SUSPECT)
  }

  isSuspect(slot: number): boolean {
    return this.#records.hasFlag(slot, SUSPECT)
  }
}
