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
   * Whether nothing at all arrives although several peers that usually answer should have.
   *
   * @param usualMs - when most answers are there
   */
  isQuiet(suppliers: ReadonlyMap<string, Supplier>, nowMs: number, usualMs: number): boolean {
    if (nowMs - this.#lastMs < usualMs / 2) return false
    let late = 0
    for (const { asks, pace } of suppliers.values()) {
      const [oldest] = asks.values()
      if (pace.isKnown && oldest !== undefined && nowMs - oldest.askedAtMs >= usualMs) late++
    }
    return late >= MIN_QUIET_PEERS
  }
}
