/** It is looked at least this often, in ms, and at most that often. */
const IDLE_MS = 5_000
const MIN_MS = 2_000

/** Does something again and again, never twice at a time: every few seconds, and sooner if something has happened. */
export class Refresher {
  #work
  #isRunning = false
  #isBusy = false
  #isWantedSoon = false
  #beganAtMs = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer

  /** @param {() => Promise<boolean>} work - answers whether it went well */
  constructor(work) {
    this.#work = work
  }

  /** Begins at once, or looks at once if it has begun. */
  start() {
    this.#isRunning = true
    this.#plan(0)
  }

  stop() {
    this.#isRunning = false
    clearTimeout(this.#timer)
  }

  /** Something has happened. */
  soon() {
    if (this.#isBusy) this.#isWantedSoon = true
    else this.#plan(Math.max(0, this.#beganAtMs + MIN_MS - performance.now()))
  }

  /** @param {number} delayMs */
  #plan(delayMs) {
    clearTimeout(this.#timer)
    if (this.#isRunning) this.#timer = setTimeout(() => this.#run(), delayMs)
  }

  async #run() {
    if (this.#isBusy) {
      this.#isWantedSoon = true
      return
    }
    this.#isBusy = true
    this.#isWantedSoon = false
    this.#beganAtMs = performance.now()
    const isWell = await this.#work()
    this.#isBusy = false
    this.#plan(isWell && !this.#isWantedSoon ? IDLE_MS : MIN_MS)
  }
}
