import { durationText } from '../terminal/quantities.ts'
import type { ReadingState } from './reading.ts'

/** A wait of this length is worth telling. */
const WORTH_TELLING_MS = 1500

/** Tells of a reader when it begins to wait, goes on, and ends: once each. */
export class WaitNews {
  #waitedMs = 0
  #hasEnded = false

  /** What is new since the last call, if anything. */
  next({ idleMs, ending, blocks }: ReadingState, totalMs: number): string | undefined {
    if (this.#hasEnded) return undefined
    if (ending !== undefined) {
      this.#hasEnded = true
      return ending === 'DONE'
        ? `has the whole file after ${durationText(totalMs)}`
        : `is stopped after ${durationText(totalMs)}, with ${blocks} blocks`
    }
    const wasWaitingMs = this.#waitedMs
    this.#waitedMs = idleMs < WORTH_TELLING_MS ? 0 : idleMs
    if (wasWaitingMs === 0 && this.#waitedMs > 0) return 'waits, no block comes any more'
    return wasWaitingMs > 0 && this.#waitedMs === 0
      ? `goes on after ${durationText(wasWaitingMs)}`
      : undefined
  }
}
