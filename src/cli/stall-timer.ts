export interface StallHandlers {
  /** Nothing has happened for a share of the time. */
  onStall(): void
  /** Nothing has happened for all of it. */
  onGiveUp(): void
}

/** Tells when nothing has happened for too long. */
export class StallTimer implements Disposable {
  readonly #timers: readonly NodeJS.Timeout[]
  #lastSignOfLifeAt = performance.now()

  /** @param stallShare - of the limit, after which `onStall` is called */
  constructor(limitMs: number, stallShare: number, { onStall, onGiveUp }: StallHandlers) {
    this.#timers = [setTimeout(onStall, limitMs * stallShare), setTimeout(onGiveUp, limitMs)]
  }

  /** Time since something happened, in ms. */
  get idleMs(): number {
    return performance.now() - this.#lastSignOfLifeAt
  }

  /** Something has happened. */
  restart(): void {
    this.#lastSignOfLifeAt = performance.now()
    for (const timer of this.#timers) timer.refresh()
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
