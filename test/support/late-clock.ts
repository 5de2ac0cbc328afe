import { type Clock, ManualClock } from '../../src/core/index.ts'

/** A clock whose timers may come late, as those of a process do that was held up. */
export class LateClock implements Clock {
  readonly #clock = new ManualClock()
  #lateMs = 0

  get pendingTimers(): number {
    return this.#clock.pendingTimers
  }

  now(): number {
    return this.#clock.now() + this.#lateMs
  }

  wallTime(): number {
    return this.#clock.wallTime() + this.#lateMs
  }

  schedule(callback: () => void, delayMs: number): () => void {
    return this.#clock.schedule(callback, delayMs)
  }

  advance(ms: number): void {
    this.#clock.advance(ms)
  }

  /** Lets time pass in which no timer can run. */
  stall(ms: number): void {
    this.#lateMs += ms
  }
}
