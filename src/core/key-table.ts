import { InvalidOptionError } from './errors.ts'
import { wholeNumber } from './options.ts'

/** Targets there are records of, unless told otherwise. */
export const DEFAULT_MAX_TARGETS = 10_000

/** The most there may be. */
export const MAX_TARGETS = 10_000_000

const maxTargetsRule = wholeNumber(1, MAX_TARGETS)

/** @throws InvalidOptionError when `maxTargets` is no whole number from 1 to ten million */
export function checkMaxTargets(maxTargets: number): number {
  if (!maxTargetsRule.accepts(maxTargets))
    throw new InvalidOptionError('maxTargets', maxTargets, maxTargetsRule.allowed)
  return maxTargets
}

/** What a {@link KeyTable} asks of whoever keeps the records. */
export interface RecordKeeper {
  /** Makes room for slots 0 to `slots - 1`. */
  resize(slots: number): void
  /** Starts the record of a slot afresh, for a new key; `undefined` if it is for nobody now. */
  reset(slot: number, nowMs: number, key: string | undefined): void
  /** Whether the record may be forgotten to make room. */
  isEvictable(slot: number, nowMs: number): boolean
  /** When the record was last used, in ms. */
  lastUsed(slot: number): number
}

/** What becomes of records that must not be forgotten, where there is room for no more. */
export interface RecordOverflow {
  /** Whether the essence of the record is enough. */
  isReducible(slot: number, nowMs: number): boolean
  /** Remembers that, instead of the record. */
  reduce(key: string, nowMs: number): void
}

/** Slot that stands for all keys there is no room for. */
export const SHARED_SLOT = 0

/** Slots that whoever goes through all of them looks at in one turn of the event loop, so that it never stands still for long. */
export const SLOTS_PER_TURN = 1024

const FIRST_CAPACITY = 64
/** Slots looked at to find the one to evict: bounds the work a flood of new keys can cause. */
const EVICTION_SAMPLE = 64
/** Slots looked at to find any that can be reduced. A flood leaves long stretches of circuits opened one after the other. */
const REDUCTION_SAMPLE = 1024

/**
 * Which key has which slot, for at most `maxTargets` keys.
 *
 * A new key beyond that takes the place of the longest idle among the next 64 evictable records; if there is none, among
 * the next 64 of which the essence is enough, or of the first one of 1,024. When there is none either, the key gets
 * {@link SHARED_SLOT}, one record for all such keys: so a flood of identities can neither grow the table nor flush what
 * is known of bad ones.
 */
export class KeyTable {
  readonly #max: number
  readonly #records: RecordKeeper
  readonly #overflow: RecordOverflow | undefined
  readonly #slots = new Map<string, number>()
  readonly #keys: Array<string | undefined> = []
  readonly #free: number[] = []
  /** Slots 1 up to here have been given out. */
  #used = 0
  #hand = 0

  /** @throws InvalidOptionError */
  constructor(maxTargets: number, records: RecordKeeper, overflow?: RecordOverflow) {
    this.#max = checkMaxTargets(maxTargets)
    this.#overflow = overflow
    this.#records = records
    this.#resize(Math.min(FIRST_CAPACITY, this.#max) + 1)
  }

  /** Keys with a slot of their own. */
  get size(): number {
    return this.#slots.size
  }

  /** The highest slot there may be a key of. */
  get lastSlot(): number {
    return this.#used
  }

  /** The slot of a known key, or -1. */
  find(key: string): number {
    return this.#slots.get(key) ?? -1
  }

  /** The slot of a key, given one if it had none. */
  claim(key: string, nowMs: number): number {
    return this.#slots.get(key) ?? this.#add(key, nowMs)
  }

  /** The key of a slot; of {@link SHARED_SLOT} it is `undefined`. */
  key(slot: number): string | undefined {
    return this.#keys[slot]
  }

  /** Forgets a key and its record. */
  release(slot: number, nowMs: number): void {
    const key = this.#keys[slot]
    if (key === undefined) return
    this.#slots.delete(key)
    this.#keys[slot] = undefined
    this.#free.push(slot)
    this.#records.reset(slot, nowMs, undefined)
  }

  /** Every slot that has a key. */
  *slots(): Generator<number> {
    for (let slot = this.next(SHARED_SLOT); slot !== SHARED_SLOT; slot = this.next(slot)) yield slot
  }

  /** The next slot that has a key, or {@link SHARED_SLOT}: to go through all of them without allocating. */
  next(after: number): number {
    for (let slot = after + 1; slot <= this.#used; slot++) {
      if (this.#keys[slot] !== undefined) return slot
    }
    return SHARED_SLOT
  }

  #add(key: string, nowMs: number): number {
    const slot = this.#free.pop() ?? this.#unused() ?? this.#evict(nowMs)
    if (slot === SHARED_SLOT) return slot
    this.#slots.set(key, slot)
    this.#keys[slot] = key
    this.#records.reset(slot, nowMs, key)
    return slot
  }

  #unused(): number | undefined {
    if (this.#used === this.#max) return undefined
    this.#used++
    if (this.#used === this.#keys.length) this.#resize(Math.min(this.#keys.length * 2, this.#max + 1))
    return this.#used
  }

  #evict(nowMs: number): number {
    const evicted = this.#longestIdle(EVICTION_SAMPLE, slot => this.#records.isEvictable(slot, nowMs))
    if (evicted === SHARED_SLOT) return this.#reduce(nowMs)
    this.#slots.delete(this.#keys[evicted]!)
    return evicted
  }

  #reduce(nowMs: number): number {
    const overflow = this.#overflow
    if (overflow === undefined) return SHARED_SLOT
    const reduced = this.#longestIdle(REDUCTION_SAMPLE, slot => overflow.isReducible(slot, nowMs))
    if (reduced === SHARED_SLOT) return SHARED_SLOT
    const key = this.#keys[reduced]!
    this.#slots.delete(key)
    // These are other slots than those looked at before: of one that may be forgotten there is nothing to remember.
    if (!this.#records.isEvictable(reduced, nowMs)) overflow.reduce(key, nowMs)
    return reduced
  }

  /** The longest idle of those of the next slots that may go, or the first found beyond; {@link SHARED_SLOT} for none. */
  #longestIdle(mostLooks: number, mayGo: (slot: number) => boolean): number {
    let longestIdle = SHARED_SLOT
    for (let looked = 0; looked < Math.min(mostLooks, this.#max); looked++) {
      if (looked >= EVICTION_SAMPLE && longestIdle !== SHARED_SLOT) break
      this.#hand = (this.#hand % this.#max) + 1
      if (!mayGo(this.#hand)) continue
      if (
        longestIdle === SHARED_SLOT ||
        this.#records.lastUsed(this.#hand) < this.#records.lastUsed(longestIdle)
      ) {
        longestIdle = this.#hand
      }
    }
    return longestIdle
  }

  #resize(slots: number): void {
    this.#keys.length = slots
    this.#records.resize(slots)
  }
}
