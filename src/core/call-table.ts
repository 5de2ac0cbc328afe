/** What is kept of a call in flight, and where. */
export const callLayout = Object.freeze({
  // Integers, counted from the first of the call's integers:
  SLOT: 0,
  GENERATION: 1,
  TOKEN: 2,
  NEXT: 3,
  INTS: 4,

  // Doubles, counted from the first of the call's doubles:
  STARTED_AT: 0,
  DEADLINE: 1,
  BUCKET_END: 2,
  DOUBLES: 3
})

const { SLOT, GENERATION, TOKEN, NEXT, INTS, STARTED_AT, DEADLINE, BUCKET_END, DOUBLES } = callLayout

const INDEX_BITS = 16
const INDEX_MASK = (1 << INDEX_BITS) - 1
const FIRST_CAPACITY = 16
const NONE = -1

/** The most calls that can be in flight at once. One less than the bits allow: no token is 0x7fffffff. */
export const MAX_IN_FLIGHT = INDEX_MASK

/**
 * The calls in flight: to whom, since when, until when, and in which generation and bucket they were admitted.
 *
 * A call is known by its token, a number from 0, which is good for one settlement. Records are reused oldest
 * first, so a token comes again only after at least half a million other calls.
 */
export class CallTable {
  readonly #max: number
  /** Open to whoever reads more than one thing of a call: see {@link callLayout}. */
  ints = new Int32Array(0)
  doubles = new Float64Array(0)
  #capacity = 0
  #firstFree = NONE
  #lastFree = NONE
  /** No call's deadline is earlier than this, in ms; Infinity when no call has one. */
  earliestDeadline = Infinity

  /** @param max - calls in flight at once, at most {@link MAX_IN_FLIGHT} */
  constructor(max: number) {
    this.#max = max
  }

  /** Counted when asked for, not at each call. */
  get inFlight(): number {
    let count = 0
    for (let index = 0; index < this.#capacity; index++) {
      if (this.ints[index * INTS + TOKEN]! >= 0) count++
    }
    return count
  }

  /** Whether a call can be noted without making room. */
  get hasFree(): boolean {
    return this.#firstFree !== NONE
  }

  get isFull(): boolean {
    return this.#firstFree === NONE && this.#capacity === this.#max
  }

  /** Notes a call; returns its token. There must be room: see {@link isFull}. */
  open(slot: number, generation: number, bucketEnd: number, nowMs: number, deadline: number): number {
    if (this.#firstFree === NONE) this.#grow()
    const index = this.#firstFree
    const ints = this.ints
    const base = index * INTS
    this.#firstFree = ints[base + NEXT]!
    const token = ~ints[base + TOKEN]!
    ints[base + SLOT] = slot
    ints[base + GENERATION] = generation
    ints[base + TOKEN] = token
    const doubles = index * DOUBLES
    this.doubles[doubles + STARTED_AT] = nowMs
    this.doubles[doubles + DEADLINE] = deadline
    this.doubles[doubles + BUCKET_END] = bucketEnd
    if (deadline < this.earliestDeadline) this.earliestDeadline = deadline
    return token
  }

  /** The record of a call in flight, or -1 when the token is unknown or was settled. */
  find(token: number): number {
    const index = token & INDEX_MASK
    return index < this.#capacity && this.ints[index * INTS + TOKEN] === token ? index : NONE
  }

  /** Ends a call; its token is good for nothing from here on. */
  close(index: number): void {
    const ints = this.ints
    const base = index * INTS
    // A free record holds, as its complement, the token it will give out next: the same index, one round on.
    ints[base + TOKEN] = ~((ints[base + TOKEN]! + (1 << INDEX_BITS)) & 0x7fffffff)
    ints[base + NEXT] = NONE
    if (this.#firstFree === NONE) this.#firstFree = index
    else ints[this.#lastFree * INTS + NEXT] = index
    this.#lastFree = index
  }

  slot(index: number): number {
    return this.ints[index * INTS + SLOT]!
  }

  generation(index: number): number {
    return this.ints[index * INTS + GENERATION]!
  }

  bucketEnd(index: number): number {
    return this.doubles[index * DOUBLES + BUCKET_END]!
  }

  startedAt(index: number): number {
    return this.doubles[index * DOUBLES + STARTED_AT]!
  }

  deadline(index: number): number {
    return this.doubles[index * DOUBLES + DEADLINE]!
  }

  /**
   * The tokens of all calls whose deadline has come, earliest first, of equal ones the one started first. Works out
   * `earliestDeadline` anew.
   */
  overdue(nowMs: number): number[] {
    const due: number[] = []
    let earliest = Infinity
    for (let index = 0; index < this.#capacity; index++) {
      const token = this.ints[index * INTS + TOKEN]!
      if (token < 0) continue
      const deadline = this.deadline(index)
      if (deadline <= nowMs) due.push(token)
      else if (deadline < earliest) earliest = deadline
    }
    this.earliestDeadline = earliest
    return due.sort((a, b) => {
      const [first, second] = [this.find(a), this.find(b)]
      return this.deadline(first) - this.deadline(second) || this.startedAt(first) - this.startedAt(second)
    })
  }

  #grow(): void {
    const capacity = Math.min(this.#max, Math.max(FIRST_CAPACITY, this.#capacity * 2))
    const ints = new Int32Array(capacity * INTS)
    const doubles = new Float64Array(capacity * DOUBLES)
    ints.set(this.ints)
    doubles.set(this.doubles)
    for (let index = this.#capacity; index < capacity; index++) {
      ints[index * INTS + TOKEN] = ~index
      ints[index * INTS + NEXT] = index + 1 < capacity ? index + 1 : NONE
    }
    this.ints = ints
    this.doubles = doubles
    this.#firstFree = this.#capacity
    this.#lastFree = capacity - 1
    this.#capacity = capacity
  }
}
