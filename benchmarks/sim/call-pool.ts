const FIRST_CAPACITY = 1024

/** The calls under way in a simulation, each a number, which is used again when the call has ended. */
export class CallPool {
  peer = new Int32Array(FIRST_CAPACITY)
  identity = new Float64Array(FIRST_CAPACITY)
  slot = new Int32Array(FIRST_CAPACITY)
  token = new Int32Array(FIRST_CAPACITY)
  outcome = new Uint8Array(FIRST_CAPACITY)
  request = new Int32Array(FIRST_CAPACITY)
  /** How many calls were made for the same request, this one included. */
  tries = new Uint8Array(FIRST_CAPACITY)
  startedMs = new Float64Array(FIRST_CAPACITY)
  readonly #free: number[] = []
  #used = 0

  take(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#used === this.peer.length) this.#grow()
    return this.#used++
  }

  release(call: number): void {
    this.#free.push(call)
  }

  #grow(): void {
    this.peer = grown(this.peer, Int32Array)
    this.identity = grown(this.identity, Float64Array)
    this.slot = grown(this.slot, Int32Array)
    this.token = grown(this.token, Int32Array)
    this.outcome = grown(this.outcome, Uint8Array)
    this.request = grown(this.request, Int32Array)
    this.tries = grown(this.tries, Uint8Array)
    this.startedMs = grown(this.startedMs, Float64Array)
  }
}

type Numbers = Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Float64Array<ArrayBuffer>

function grown<Kind extends Numbers>(array: Kind, kind: new (length: number) => Kind): Kind {
  const longer = new kind(array.length * 2)
  longer.set(array)
  return longer
}
