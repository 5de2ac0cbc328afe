/** Lets a few run at a time, first come, first served. */
export class Turns {
  readonly #waiting: Array<() => void> = []
  #free: number

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  async run<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
