/**
 * Where core gets its time from. Every class of core takes one; none reads time by itself.
 */
export interface Clock {
  /** Monotonic time in ms since an arbitrary start. Never goes back; setting the computer's clock does not move it. */
  now(): number

  /** Time in ms since 1970 (UTC). Only for timestamps shown to people, never for measuring. */
  wallTime(): number

  /**
   * Runs `callback` once, about `delayMs` from now or sooner, unless the returned function was called first.
   *
   * @param keepsAlive - whether the process must not end before: only where somebody waits for it, and nothing else is under way
   */
  schedule(callback: () => void, delayMs: number, keepsAlive?: boolean): () => void
}

/** Browsers have no `setImmediate`; there every reading is a fresh one. */
const immediate = (globalThis as { setImmediate?: (callback: () => void) => unknown }).setImmediate

/** A longer delay would make `setTimeout` fire at once. Callers look at the time when called, and wait on. */
const MAX_DELAY_MS = 2 ** 31 - 1

let loopTime = -1

function forgetLoopTime(): void {
  loopTime = -1
}

/**
 * The clock of the running system.
 *
 * `now()` is the time of the current turn of the event loop: read once per turn, as libuv, nginx and Redis
 * do, because a clock reading costs more than everything a breaker does with it. Work that blocks the loop
 * therefore counts as no time at all, which is right: it is not the peer that was slow.
 */
export const systemClock: Clock = {
  now() {
    if (loopTime >= 0) return loopTime
    const now = performance.now()
    if (immediate !== undefined) {
      loopTime = now
      immediate(forgetLoopTime)
    }
    return now
  },

  wallTime() {
    return Date.now()
  },

  schedule(callback, delayMs, keepsAlive = false) {
    // Of what is over already Node would warn.
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_DELAY_MS))
    // Node returns an object, browsers a number, which cannot keep anything alive.
    if (!keepsAlive && typeof timer === 'object') (timer as { unref(): void }).unref()
    return () => clearTimeout(timer)
  }
}

/** The chance of the running system: a number from 0 up to, not including, 1. Here because core has no other. */
export const systemRandom: () => number = Math.random
