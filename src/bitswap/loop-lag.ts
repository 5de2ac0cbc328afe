import type { Clock } from '../core/index.ts'

/** How far ahead of its time a callback is asked for that shows how late callbacks come, in ms. */
const SAMPLE_MS = 25

/** A lag that was seen counts half after this time, in ms: what stood in the queue then takes a while. */
const HALF_LIFE_MS = 250

/**
 * How late this process is at what it has to do, measured as long as somebody asks.
 *
 * Not by `monitorEventLoopDelay` of Node, which wakes the process all the time, is not to be had in browsers, and does
 * not go by the clock that is injected. Nor by {@link Deadlines}: they look at the time only while an answer is waited
 * for, which whoever just serves blocks never does, and forget how long a stall was.
 */
export class LoopLag {
  readonly #clock: Clock
  #seenMs = 0
  #seenAt = 0
  #cancelTimer: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The lag seen last, in ms. It falls with time, not at once. Asking has it measured anew. */
  read(): number {
    const now = this.#clock.now()
    if (this.#cancelTimer === undefined) this.#measure(now)
    return this.#remaining(now)
  }

  /** Stops the timer until somebody asks again. */
  stop(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  #measure(startedAt: number): void {
    this.#cancelTimer = this.#clock.schedule(() => {
      const now = this.#clock.now()
      this.#cancelTimer = undefined
      this.#seenMs = Math.max(now - startedAt - SAMPLE_MS, this.#remaining(now))
      this.#seenAt = now
    }, SAMPLE_MS)
  }

  #remaining(nowMs: number): number {
    return this.#seenMs * 2 ** ((this.#seenAt - nowMs) / HALF_LIFE_MS)
  }
}
