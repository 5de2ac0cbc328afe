import type { Ask } from './ask.ts'
import type { Supplier } from './supplier.ts'

/** This node may be cut off if so many peers are late and nothing arrives. */
const MIN_QUIET_PEERS = 2

/**
 * When anything was heard of anybody. It shows that this node may be cut off long before anybody is at fault: one peer that is
 * late may be at fault himself, several at once while nothing at all arrives hardly are.
 */
export class LifeSigns {
  #lastMs = -Infinity

  /** Something was heard. @param nowMs - awake */
  note(nowMs: number): void {
    this.#lastMs = nowMs
  }

  /**
   * Whether nothing at all arrives although several peers that usually answer should have, more than did since those were asked.
   *
   * @param usualMs - when most answers are there
   */
  isQuiet(suppliers: ReadonlyMap<string, Supplier>, nowMs: number, usualMs: number): boolean {
    if (nowMs - this.#lastMs < usualMs / 2) return false
    const all = [...suppliers.values()]
    const late = all.filter(supplier => this.#isLate(supplier, nowMs, usualMs))
    if (late.length < MIN_QUIET_PEERS) return false
    const sinceMs = Math.min(...late.map(supplier => oldest(supplier)!.askedAtMs))
    const delivered = all.filter(supplier => supplier.lastDeliveredMs > sinceMs && !late.includes(supplier))
    return late.length > delivered.length
  }

  /** Who was late already when something was last heard is so for a reason of its own. */
  #isLate(supplier: Supplier, nowMs: number, usualMs: number): boolean {
    const ask = oldest(supplier)
    if (!supplier.pace.isKnown || ask === undefined) return false
    const dueAtMs = ask.askedAtMs + usualMs
    return dueAtMs <= nowMs && dueAtMs > this.#lastMs
  }
}

function oldest({ asks }: Supplier): Ask | undefined {
  const [first] = asks.values()
  return first
}
