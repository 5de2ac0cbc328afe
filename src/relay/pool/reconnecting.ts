import type { Clock } from '../../core/index.ts'

/** The first wait, in ms, and the longest: an endpoint that is there again is used again within 5 s. */
const FIRST_MS = 250
const LONGEST_MS = 4_000

/** After this long without a failure, in ms, waits are short again. */
const FORGOTTEN_MS = 2 * LONGEST_MS

/**
 * When an endpoint that could not be connected to is tried again: after ever longer waits, part of which is chance, so that
 * not all who lost it come back at once.
 */
export class Reconnecting {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #onDue: () => void
  #failures = 0
  #failedAtMs = -Infinity
  #cancel: (() => void) | undefined

  constructor(clock: Clock, random: () => number, onDue: () => void) {
    this.#clock = clock
    this.#random = random
    this.#onDue = onDue
  }

  /** Whether it is waited for. */
  get isWaiting(): boolean {
    return this.#cancel !== undefined
  }

  /** It was in vain, or of no use: it is tried again, unless that is planned already. */
  failed(): void {
    if (this.isWaiting) return
    const now = this.#clock.now()
    if (now - this.#failedAtMs > FORGOTTEN_MS) this.#failures = 0
    this.#failedAtMs = now
    const waitMs = Math.min(FIRST_MS * 2 ** this.#failures++, LONGEST_MS)
    this.#cancel = this.#clock.schedule(
      () => {
        this.#cancel = undefined
        this.#onDue()
      },
      waitMs * (0.5 + this.#random() / 2)
    )
  }

  /** It need not be waited for any longer. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
