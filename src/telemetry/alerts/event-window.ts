/** What was counted since a start that is always the same. */
export interface Counted {
  readonly successes: number
  readonly failures: number
  /** How long the successes took in all, in ms. */
  readonly sumMs: number
}

/** What came about in a window. */
export interface WindowSummary {
  /** Share of what ended that failed; `undefined` if too little has. */
  readonly failureRate: number | undefined
  /** Mean time of the successes, in ms; `undefined` if there are too few. */
  readonly meanMs: number | undefined
}

/** Turns what is counted for good into what came about of late. */
export class EventWindow {
  readonly #windowMs: number
  readonly #minEvents: number
  readonly #seen: Array<Counted & { readonly atMs: number }> = []

  constructor(windowMs: number, minEvents: number) {
    this.#windowMs = windowMs
    this.#minEvents = minEvents
  }

  look(counted: Counted, nowMs: number): WindowSummary {
    const last = this.#seen.at(-1)
    // Whoever counts has begun anew.
    if (last !== undefined && counted.successes + counted.failures < last.successes + last.failures)
      this.#seen.length = 0
    this.#seen.push({ ...counted, atMs: nowMs })
    while (this.#seen.length > 1 && this.#seen[0]!.atMs < nowMs - this.#windowMs) this.#seen.shift()
    const first = this.#seen[0]!
    const successes = counted.successes - first.successes
    const failures = counted.failures - first.failures
    return {
      failureRate: this.#isEnough(successes + failures) ? failures / (successes + failures) : undefined,
      meanMs: this.#isEnough(successes) ? (counted.sumMs - first.sumMs) / successes : undefined
    }
  }

  #isEnough(events: number): boolean {
    return events >= this.#minEvents
  }
}
