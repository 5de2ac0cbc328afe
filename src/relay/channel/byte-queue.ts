const NOTHING = new Uint8Array(0)

/** Bytes in the order they came in, taken out in other portions. Nothing is copied that comes out as it came in. */
export class ByteQueue {
  readonly #chunks: Uint8Array[] = []
  #size = 0

  /** How many there are. */
  get size(): number {
    return this.#size
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  /** Takes out what came first, up to so many bytes: at least one if there is any. */
  takeSome(max: number): Uint8Array {
    const first = this.#chunks[0]
    return first === undefined ? NOTHING : this.take(Math.min(max, first.length))
  }

  /** Takes out exactly so many; there must be as many. */
  take(count: number): Uint8Array {
    if (count > this.#size) throw new RangeError(`There are ${this.#size} bytes, not ${count}`)
    this.#size -= count
    const first = this.#chunks[0] ?? NOTHING
    return count <= first.length ? this.#takeOfFirst(count) : this.#gather(count)
  }

  clear(): void {
    this.#chunks.length = 0
    this.#size = 0
  }

  #takeOfFirst(count: number): Uint8Array {
    const first = this.#chunks[0] ?? NOTHING
    if (count < first.length) this.#chunks[0] = first.subarray(count)
    else this.#chunks.shift()
    return first.subarray(0, count)
  }

  #gather(count: number): Uint8Array {
    const gathered = new Uint8Array(count)
    let at = 0
    while (at < count) {
      const part = this.#takeOfFirst(Math.min(count - at, this.#chunks[0]!.length))
      gathered.set(part, at)
      at += part.length
    }
    return gathered
  }
}
