import { type Clock, systemClock } from '../../../src/core/index.ts'

/** The system's clock, which also knows how many timers are waiting. */
export class CountingClock implements Clock {
  readonly #waiting = new Set<object>()

  get waiting(): number {
    return this.#waiting.size
  }

  now(): number {
    return systemClock.now()
  }

  wallTime(): number {
    return systemClock.wallTime()
  }

  schedule(callback: () => void, delayMs: number): () => void {
    const timer = {}
    this.#waiting.add(timer)
    const cancel = systemClock.schedule(() => {
      this.#waiting.delete(timer)
      callback()
    }, delayMs)
    return () => {
      this.#waiting.delete(timer)
      cancel()
    }
  }
}
