/**
 * What a record holds and where, in one place because all that is kept of a target lies side by side: a call to
 * one of many targets then touches two lines of the processor's cache, instead of one for each thing.
 *
 * Modules take what they need out of it into constants of their own. Those cost nothing, whereas an imported
 * binding is looked up at each use, which V8 13.6 does not optimise away.
 */
export const layout = Object.freeze({
  // Doubles, counted in 8 bytes from the start of the record:
  /** When the present state began, in ms. */
  SINCE: 0,
  /** When the present period is over, in ms: OPEN time, window or its current bucket, probes' deadline. */
  EXPIRY: 1,
  /** When a call to the target last ended, or it was first seen, in ms. */
  LAST_USED: 2,
  /** Smoothed response time and its deviation, in ms. */
  MEAN: 3,
  DEVIATION: 4,

  // Integers, counted in 4 bytes:
  GENERATION: 10,
  /** State, flags, current bucket, trips and relapses: see {@link statePacking}. */
  STATE: 11,
  /** Successes and failures in a row, over the breaker's window. */
  SUCCESS_RUN: 12,
  FAILURE_RUN: 13,
  /** Number of the health window's present interval. */
  INTERVAL: 14,
  /** Successes (lower 16 bits) and failures (upper) of the health window's present interval. */
  RECENT: 15,
  /** The same of the previous one. */
  EARLIER: 16,
  /** Health status, errors in a row, calls in flight: see {@link callsPacking}. */
  CALLS: 17,

  /** Where the buckets of the breaker's window begin, counted in 4 bytes, of so many counts each. */
  BUCKETS: 18,
  COUNT_FIELDS: 6,

  // The counts of a bucket:
  REQUESTS: 0,
  SUCCESSES: 1,
  FAILURES: 2,
  EXCLUSIONS: 3,
  CONSECUTIVE_SUCCESSES: 4,
  CONSECUTIVE_FAILURES: 5,

  /**
   * Records begin below this, counted in 4 bytes. Of a number so masked V8 knows that adding a field to it does not
   * overflow, which it would otherwise check at each field.
   */
  BASE_MASK: 0x3fffffff
})

/** The parts of STATE. The lowest bits decide on most calls, so they are looked at together. */
export const statePacking = Object.freeze({
  STATE_MASK: 0x3,
  FLAGS_SHIFT: 2,
  FLAGS_MASK: 0xf,
  /** State and flags: 0 for a CLOSED target there is nothing else to say about, 1 for one that is just OPEN. */
  STATE_AND_FLAGS: 0x3f,
  BUCKET_SHIFT: 6,
  BUCKET_MASK: 0x3ff,
  TRIPS_SHIFT: 16,
  TRIPS_MASK: 0x3ff,
  /** What is left of 31 bits, so that the number is never negative: up to 31. */
  RELAPSES_SHIFT: 26
})

/** The parts of CALLS. */
export const callsPacking = Object.freeze({
  STATUS_MASK: 0x3,
  ERRORS_SHIFT: 2,
  ERRORS_MASK: 0xff,
  /** Status and errors in a row: the status alone when the last call was no error. */
  STATUS_AND_ERRORS: 0x3ff,
  IN_FLIGHT_SHIFT: 10
})

/** What can be said of a target besides the state of its circuit, each by one bit of STATE. */
export const slotFlags = Object.freeze({
  RECOVERING: 1,
  ISOLATED: 2,
  /** Kept as last resort, because no more may be ejected. */
  DEMOTED: 4,
  SUSPECT: 8
})

const { STATE } = layout
const { FLAGS_SHIFT, FLAGS_MASK } = statePacking

/** The records of all slots in one block of memory, seen as numbers of each width. */
export class RecordStore {
  /** Length of a record in 4 bytes: times this a slot's number is where its integers begin. */
  readonly stride: number
  doubles = new Float64Array(0)
  ints = new Int32Array(0)

  /** @param buckets - of the breaker's window; 0 for none */
  constructor(buckets: number) {
    this.stride = layout.BUCKETS + buckets * layout.COUNT_FIELDS
  }

  /** Makes room for slots 0 to `slots - 1`, keeping the records there are. */
  resize(slots: number): void {
    if (slots * this.stride > layout.BASE_MASK) throw new RangeError(`No room for ${slots} records`)
    const earlier = this.ints
    const memory = new ArrayBuffer(slots * this.stride * 4)
    this.doubles = new Float64Array(memory)
    this.ints = new Int32Array(memory)
    this.ints.set(earlier)
  }

  /** The flags of a slot; 0 for none. */
  flags(slot: number): number {
    return (this.ints[slot * this.stride + STATE]! >> FLAGS_SHIFT) & FLAGS_MASK
  }

  hasFlag(slot: number, flag: number): boolean {
    return (this.flags(slot) & flag) !== 0
  }

  raiseFlag(slot: number, flag: number): void {
    this.ints[slot * this.stride + STATE]! |= flag << FLAGS_SHIFT
  }

  lowerFlag(slot: number, flag: number): void {
    this.ints[slot * this.stride + STATE]! &= ~(flag << FLAGS_SHIFT)
  }

  clearFlags(slot: number): void {
    this.lowerFlag(slot, FLAGS_MASK)
  }
}
