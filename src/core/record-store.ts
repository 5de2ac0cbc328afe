// What a record holds, in one place because everything about a target lies side by side: a call to one of many
// targets then touches two lines of the processor's cache instead of one for each thing.

// Doubles, counted in 8 bytes from the start of the record:
/** When the present state began, in ms. */
export const SINCE = 0
/** When the present period is over, in ms: OPEN time, window or its current bucket, probes' deadline. */
export const EXPIRY = 1
/** When the target was last called with a result, or first seen, in ms. */
export const LAST_USED = 2

// Integers, counted in 4 bytes:
export const GENERATION = 6
/** State (2 bits), current bucket (10 bits), trips (10 bits). */
export const STATE = 7
/** Successes and failures in a row, of the breaker's window. */
export const RUNS = 8
/** Number of the health window's present interval. */
export const INTERVAL = 10
/** Smoothed response time and its deviation, in ms: 32-bit floats. */
export const MEAN = 11
export const DEVIATION = 12

// Small integers, counted in 2 bytes:
/** Successes and failures of the present interval, then those of the previous one. */
export const RECENT = 26
export const IN_FLIGHT = 30

// And in single bytes:
export const CONSECUTIVE_ERRORS = 62
export const FLAGS = 63
/** Health status as of the last result. */
export const STATUS = 64

/** The buckets of the breaker's window follow, six counts each. */
export const BUCKETS = 18
export const COUNT_FIELDS = 6

/** The records of all slots in one block of memory, seen as numbers of each width. */
export class RecordStore {
  /** Length of a record in 4 bytes: times this a slot's number is where its integers begin. */
  readonly stride: number
  doubles = new Float64Array(0)
  ints = new Int32Array(0)
  floats = new Float32Array(0)
  shorts = new Uint16Array(0)
  bytes = new Uint8Array(0)

  /** @param buckets - of the breaker's window; 0 for none */
  constructor(buckets: number) {
    this.stride = BUCKETS + buckets * COUNT_FIELDS
  }

  /** Makes room for slots 0 to `slots - 1`, keeping the records there are. */
  resize(slots: number): void {
    const earlier = this.ints
    const memory = new ArrayBuffer(slots * this.stride * 4)
    this.doubles = new Float64Array(memory)
    this.ints = new Int32Array(memory)
    this.floats = new Float32Array(memory)
    this.shorts = new Uint16Array(memory)
    this.bytes = new Uint8Array(memory)
    this.ints.set(earlier)
  }
}
