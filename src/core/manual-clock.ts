import type { Clock } from './clock.ts'

interface Timer {
  at: number
  callback: () => void
}

/** A clock that moves only when told to: for tests and for simulations in virtual time. */
export class ManualClock implements Clock {
  #now: number
  readonly #wallOffsetMs: number
  readonly #timers = new Set<Timer>()

  /**
   * @param startMs - first value of `now()`
   * @param wallTimeMs - first value of `wallTime()`; 2026 began at the default
   */
  constructor(startMs = 0, wallTimeMs = 1_767_225_600_000) {
    this.#now = startMs
    this.#wallOffsetMs = wallTimeMs - startMs
  }

  /** Timers waiting to run. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#now + this.#wallOffsetMs
  }

  schedule(callback: () => void, delayMs: number): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), callback }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  /** Moves time forward by `ms`, running each timer at its own time, in order. */
  advance(ms: number): void {
    const target = this.#now + ms
    for (let timer = this.#earliest(target); timer !== undefined; timer = this.#earliest(target)) {
      this.#timers.delete(timer)
      this.#now = Math.max(this.#now, timer.at)
      timer.callback()
    }
    this.#now = target
  }

  #earliest(untilMs: number): Timer | undefined {
    let earliest: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at <= untilMs && (earliest === undefined || timer.at < earliest.at)) earliest = timer
    }
    return earliest
  }
}
