import type { Clock } from '../core/index.ts'
import { KeyTable } from '../core/key-table.ts'

/**
 * A budget for each of many keys, by the generic cell rate algorithm (ITU-T I.371, Annex A.1: virtual scheduling).
 *
 * All that is known of a key is when what it took will be paid off; the rate lies in the costs, which are times: what
 * may be done 100 times a second costs 10 ms. Nobody ever owes more than the burst and his credit, whatever he does: so
 * none is kept out for longer than that takes.
 *
 * A key without debt is forgotten to make room for another. Where all are in debt, newcomers share one budget.
 */
export class RateLimit {
  readonly #clock: Clock
  readonly #burstMs: number
  readonly #keys: KeyTable
  /** By slot, in ms. */
  #paidOffAt = new Float64Array(0)

  /** @param burstMs - what a key may take at once */
  constructor(maxKeys: number, burstMs: number, clock: Clock) {
    this.#clock = clock
    this.#burstMs = burstMs
    this.#keys = new KeyTable(maxKeys, {
      resize: slots => this.#resize(slots),
      reset: (slot, nowMs) => {
        this.#paidOffAt[slot] = nowMs
      },
      isEvictable: (slot, nowMs) => this.#debtMs(slot, nowMs) === 0,
      lastUsed: slot => this.#paidOffAt[slot]!
    })
  }

  /** Keys that have a budget of their own. */
  get size(): number {
    return this.#keys.size
  }

  /**
   * Takes from the budget of a key, if it has that left.
   *
   * @param creditMs - how much it may take beyond the burst
   * @returns whether it had
   */
  take(key: string, costMs: number, creditMs = 0): boolean {
    const now = this.#clock.now()
    const slot = this.#keys.claim(key, now)
    const debtMs = this.#debtMs(slot, now) + costMs
    if (debtMs > this.#burstMs + creditMs) return false
    this.#paidOffAt[slot] = now + debtMs
    return true
  }

  /** Takes what is left of the budget of a key, up to this: for what was done already. */
  charge(key: string, costMs: number): void {
    const now = this.#clock.now()
    const slot = this.#keys.claim(key, now)
    const debtMs = this.#debtMs(slot, now)
    this.#paidOffAt[slot] = now + Math.max(debtMs, Math.min(debtMs + costMs, this.#burstMs))
  }

  /** What a key took and has not paid off, in ms. */
  debtMs(key: string): number {
    const slot = this.#keys.find(key)
    return slot < 0 ? 0 : this.#debtMs(slot, this.#clock.now())
  }

  /** Takes something back that turned out to cost nothing. The budget all newcomers share stays as it is. */
  giveBack(key: string, costMs: number): void {
    const slot = this.#keys.find(key)
    if (slot >= 0) this.#paidOffAt[slot]! -= costMs
  }

  #debtMs(slot: number, nowMs: number): number {
    return Math.max(0, this.#paidOffAt[slot]! - nowMs)
  }

  #resize(slots: number): void {
    const grown = new Float64Array(slots)
    grown.set(this.#paidOffAt)
    this.#paidOffAt = grown
  }
}
