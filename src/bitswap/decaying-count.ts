/** A count of what happened of late: what was counted is worth half of it after each half-life. */
export class DecayingCount {
  readonly #halfLifeMs: number
  #value = 0
  #atMs = 0

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs
  }

  /** @param nowMs - never earlier than before */
  increment(nowMs: number): void {
    this.#value = this.at(nowMs) + 1
    this.#atMs = nowMs
  }

  at(nowMs: number): number {
    return this.#value * 2 ** ((this.#atMs - nowMs) / this.#halfLifeMs)
  }
}
