import type { Deadline, Deadlines } from '../../core/deadlines.ts'

/**
 * When nobody is left to ask: after this long, in ms, at first and later, those who have said nothing are asked once
 * more. What they were asked before has been taken back by then, or they would not heed it.
 */
const MIN_RETRY_MS = 1_000
const MAX_RETRY_MS = 4_000

/** When those who have said nothing are asked once more: so a fetch comes to its block however often peers fail at first. */
export class Retry {
  readonly #deadlines: Deadlines
  readonly #random: () => number
  readonly #onDue: () => void
  #delayMs = MIN_RETRY_MS
  #deadline: Deadline | undefined

  /** @param onDue - called when they are to be asked */
  constructor(deadlines: Deadlines, random: () => number, onDue: () => void) {
    this.#deadlines = deadlines
    this.#random = random
    this.#onDue = onDue
  }

  /** Nobody is left to ask. It takes longer each time, unless it is planned already. */
  plan(): void {
    if (this.#deadline !== undefined) return
    // Not all at once.
    this.#planAfter(this.#delayMs * (1 - this.#random() / 2))
    this.#delayMs = Math.min(MAX_RETRY_MS, 2 * this.#delayMs)
  }

  /** There is more hope than there was: it is due then, and from there on as at first. */
  restart(afterMs: number): void {
    this.#delayMs = MIN_RETRY_MS
    this.#planAfter(afterMs)
  }

  /** For good. */
  cancel(): void {
    this.#deadline?.cancel()
  }

  #planAfter(afterMs: number): void {
    this.#deadline?.cancel()
    this.#deadline = this.#deadlines.add(afterMs, () => {
      this.#deadline = undefined
      this.#onDue()
    })
  }
}
