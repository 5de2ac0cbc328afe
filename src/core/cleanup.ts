import { type KeyTable, SHARED_SLOT, SLOTS_PER_TURN } from './key-table.ts'

/**
 * Forgets old records now and then. Of very many it looks at some in each turn of the event loop, so that it never stands
 * still for long.
 */
export class Cleanup {
  readonly #keys: KeyTable
  readonly #intervalMs: number
  readonly #isOld: (slot: number, nowMs: number) => boolean
  #next = Infinity
  /** The cleanup under way has looked at the slots up to here. */
  #reached = SHARED_SLOT

  /**
   * @param intervalMs - from the end of one cleanup to the next, in ms
   * @param isOld - whether a record may go
   */
  constructor(keys: KeyTable, intervalMs: number, isOld: (slot: number, nowMs: number) => boolean) {
    this.#keys = keys
    this.#intervalMs = intervalMs
    this.#isOld = isOld
  }

  /** When {@link turn} should be called next, in ms; Infinity while there are no records. */
  get next(): number {
    return this.#next
  }

  get isPlanned(): boolean {
    return this.#next !== Infinity
  }

  /** To be called when there are records, and none is planned. */
  plan(nowMs: number): void {
    this.#next = nowMs + this.#intervalMs
  }

  /**
   * Looks at the next records. As long as {@link next} is not later than `nowMs` there are more.
   *
   * @returns whether that was the end of a cleanup
   */
  turn(nowMs: number): boolean {
    if (nowMs < this.#next) return false
    const last = Math.min(this.#reached + SLOTS_PER_TURN, this.#keys.lastSlot)
    for (let slot = this.#reached + 1; slot <= last; slot++) {
      if (this.#keys.key(slot) !== undefined && this.#isOld(slot, nowMs)) this.#keys.release(slot, nowMs)
    }
    this.#reached = last
    return last === this.#keys.lastSlot && this.#end(nowMs)
  }

  #end(nowMs: number): true {
    this.#reached = SHARED_SLOT
    if (this.#keys.size > 0) this.plan(nowMs)
    else this.#next = Infinity
    return true
  }
}
