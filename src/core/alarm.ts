import type { Clock } from './clock.ts'

/** One timer for everything that waits: set for the earliest time wanted, and again after each time it rang. */
export class Alarm {
  readonly #clock: Clock
  readonly #nextWake: () => number
  readonly #wake: (nowMs: number) => void
  #setFor = Infinity
  #cancel: (() => void) | undefined

  /**
   * @param nextWake - the earliest time wanted, in ms; Infinity for none
   * @param wake - called when it has come
   */
  constructor(clock: Clock, nextWake: () => number, wake: (nowMs: number) => void) {
    this.#clock = clock
    this.#nextWake = nextWake
    this.#wake = wake
  }

  /** Looks again what time is wanted. To be called when it has become earlier. */
  check(): void {
    const at = this.#nextWake()
    if (at >= this.#setFor) return
    this.#cancel?.()
    this.#setFor = at
    this.#cancel = this.#clock.schedule(() => this.#ring(), at - this.#clock.now())
  }

  /** Sets no timer until {@link check}. */
  pause(): void {
    this.#cancel?.()
    this.#cancel = undefined
    if (this.#setFor !== -Infinity) this.#setFor = Infinity
  }

  stop(): void {
    this.pause()
    // Nothing is earlier than this, so nothing sets the alarm again.
    this.#setFor = -Infinity
  }

  #ring(): void {
    this.#setFor = Infinity
    this.#cancel = undefined
    this.#wake(this.#clock.now())
    this.check()
  }
}
