import { ManualClock } from 'bitswap-protection'

/** A clock that jumps from one timer to the next: minutes pass in milliseconds, and always in the same way. */
export class VirtualTime extends ManualClock {
  readonly #due = new Set<number>()

  override schedule(callback: () => void, delayMs: number): () => void {
    this.#due.add(this.now() + Math.max(0, delayMs))
    return super.schedule(callback, delayMs)
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.schedule(resolve, ms)
    })
  }

  /** Lets happen what is due up to `endMs`, each thing at its time. */
  async runUntil(endMs: number): Promise<void> {
    while (this.now() < endMs) {
      const next = Math.min(endMs, ...this.#due)
      this.#due.delete(next)
      this.advance(next - this.now())
      await promisesToSettle()
    }
  }
}

/** Resolves after everything that waits on a promise already settled, and what follows from it. */
function promisesToSettle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
