/** Of how many latencies are kept, and how many of each. */
const MAX_TRAILS = 500
const MAX_VALUES = 30

/** The latencies this page has seen, by key; whoever was longest out of sight is forgotten first. */
export class LatencyTrails {
  /** @type {Map<string, number[]>} */
  #trails = new Map()

  /**
   * @param {string} key
   * @param {number} latencyMs - 0 if it is not known yet
   */
  note(key, latencyMs) {
    if (latencyMs === 0) return
    const trail = this.#trails.get(key) ?? []
    trail.push(latencyMs)
    if (trail.length > MAX_VALUES) trail.shift()
    this.#trails.delete(key)
    this.#trails.set(key, trail)
    if (this.#trails.size > MAX_TRAILS) this.#trails.delete(this.#trails.keys().next().value ?? '')
  }

  /**
   * @param {string} key
   * @returns {readonly number[]}
   */
  of(key) {
    return this.#trails.get(key) ?? []
  }
}
