const FIRST_CAPACITY = 1024

/** What is to happen when, the earliest first: a binary heap that allocates nothing per event. */
export class EventQueue {
  #timesMs = new Float64Array(FIRST_CAPACITY)
  #items = new Int32Array(FIRST_CAPACITY)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** When the earliest event is due; Infinity if there is none. */
  get nextMs(): number {
    return this.#size === 0 ? Infinity : this.#timesMs[0]!
  }

  push(atMs: number, item: number): void {
    if (this.#size === this.#items.length) this.#grow()
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#timesMs[parent]! <= atMs) break
      this.#move(parent, at)
      at = parent
    }
    this.#put(at, atMs, item)
  }

  /** Takes out the earliest event; there must be one. */
  pop(): number {
    const earliest = this.#items[0]!
    const last = --this.#size
    const [atMs, item] = [this.#timesMs[last]!, this.#items[last]!]
    let at = 0
    for (let child = 1; child < last; child = 2 * at + 1) {
      if (child + 1 < last && this.#timesMs[child + 1]! < this.#timesMs[child]!) child++
      if (this.#timesMs[child]! >= atMs) break
      this.#move(child, at)
      at = child
    }
    this.#put(at, atMs, item)
    return earliest
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#timesMs[from]!, this.#items[from]!)
  }

  #put(at: number, atMs: number, item: number): void {
    this.#timesMs[at] = atMs
    this.#items[at] = item
  }

  #grow(): void {
    const timesMs = new Float64Array(this.#items.length * 2)
    const items = new Int32Array(this.#items.length * 2)
    timesMs.set(this.#timesMs)
    items.set(this.#items)
    this.#timesMs = timesMs
    this.#items = items
  }
}
