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

  // Integers, counted in 4 bytes:
  GENERATION: 6,
  /** State (2 bits), current bucket (10 bits), trips (10 bits). */
  STATE: 7,
  /** Successes in a row, over the breaker's window; then failures in a row. */
  RUNS: 8,
  /** Number of the health window's present interval. */
  INTERVAL: 10,

  // 32-bit floats, counted in 4 bytes: smoothed response time and its deviation, in ms.
  MEAN: 11,
  DEVIATION: 12,

  // Small integers, counted in 2 bytes:
  /** Successes and failures of the health window's present interval, then those of the previous one. */
  RECENT: 26,
  IN_FLIGHT: 30,

  // And in single bytes:
  CONSECUTIVE_ERRORS: 62,
  FLAGS: 63,
  /** Health status as of the last result. */
  STATUS: 64,

  /** Where the buckets of the breaker's window begin, counted in 4 bytes, of so many counts each. */
  BUCKETS: 18,
  COUNT_FIELDS: 6
})

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
    this.stride = layout.BUCKETS + buckets * layout.COUNT_FIELDS
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
