/** The longest of waits: since it was last taken, and of all. In ms. */
export class LongestWait {
  #sinceTakenMs = 0
  longestMs = 0

  add(ms) {
    this.#sinceTakenMs = Math.max(this.#sinceTakenMs, ms)
    this.longestMs = Math.max(this.longestMs, ms)
  }

  take() {
    const ms = this.#sinceTakenMs
    this.#sinceTakenMs = 0
    return ms
  }
}
