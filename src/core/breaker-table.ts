import type { CircuitBreakerOptions, CircuitState, Counts } from './circuit-breaker.ts'
import { outcomeCodes } from './outcome.ts'
import { layout, RecordStore, statePacking } from './record-store.ts'

/** States as integers; `circuitStates[code]` is the word. */
export const stateCodes = Object.freeze({ CLOSED: 0, OPEN: 1, HALF_OPEN: 2 })
export const { CLOSED, OPEN, HALF_OPEN } = stateCodes
export const circuitStates: readonly CircuitState[] = Object.freeze(['CLOSED', 'OPEN', 'HALF_OPEN'])

/** What {@link BreakerTable.admit} answers: 0, or why not. */
export const answerCodes = Object.freeze({ ADMITTED: 0, REJECTED_OPEN: -1, REJECTED_HALF_OPEN_FULL: -2 })
const { ADMITTED, REJECTED_OPEN, REJECTED_HALF_OPEN_FULL } = answerCodes

/** Told of each change of state, after it is complete. */
export type StateChangeHandler = (slot: number, from: number, to: number, nowMs: number) => void

const { SINCE, EXPIRY, GENERATION, STATE, SUCCESS_RUN, FAILURE_RUN, BUCKETS, COUNT_FIELDS } = layout
const { REQUESTS, SUCCESSES, FAILURES, EXCLUSIONS, CONSECUTIVE_SUCCESSES, CONSECUTIVE_FAILURES } = layout
const { success: SUCCESS, failure: FAILURE } = outcomeCodes

const { STATE_MASK, FLAGS_MASK, FLAGS_SHIFT, BUCKET_SHIFT, BUCKET_MASK } = statePacking
const { TRIPS_SHIFT, TRIPS_MASK, RELAPSES_SHIFT } = statePacking
/** Not the breaker's, so it leaves them alone. */
const FLAGS = FLAGS_MASK << FLAGS_SHIFT

/** More trips than this make no longer wait. */
export const MAX_TRIPS = 1000

/** More relapses than this ask for no more proof. */
export const MAX_RELAPSES = 31

/** Whoever proves itself this many times over has done enough, however often it tripped. */
const MAX_PROOF = 8

/** Generations are counted round, as many as fit a small integer. */
const MAX_GENERATION = 0x3fffffff

/** A rolling window has at most as many buckets as STATE can number. */
export const MAX_BUCKETS = BUCKET_MASK + 1

/**
 * Circuit breakers of many targets, one slot each: no object, timer or allocation per target or call.
 *
 * The machine is that of gobreaker v2 (github.com/sony/gobreaker, v2.4.0), rule by rule:
 * - time passes only when asked; a period is over strictly after its end, not at it;
 * - every change of state, and every end of a fixed window, starts a new generation with cleared counts, and
 *   results of an older generation are dropped;
 * - in HALF_OPEN at most `maxRequests` calls are admitted in all, excluded ones given back;
 * - a rolling window records a result in the bucket its call was admitted in, if that still counts.
 *
 * Added to it, off by default: a deadline for HALF_OPEN, `successThreshold`, and OPEN times and proof that grow with
 * each trip.
 */
export class BreakerTable {
  readonly records: RecordStore
  readonly #options: Readonly<CircuitBreakerOptions>
  readonly #random: () => number
  readonly #onChange: StateChangeHandler
  /** Buckets of the window; a window that does not roll is one bucket. */
  readonly #buckets: number
  /** Length of a bucket, in ms; 0 if counting goes on for as long as the circuit is CLOSED. */
  readonly #periodMs: number
  /** Handed to `readyToTrip`; one object, to allocate nothing. */
  readonly #view: Counts = noCounts()

  constructor(options: Readonly<CircuitBreakerOptions>, random: () => number, onChange: StateChangeHandler) {
    this.#options = options
    this.#random = random
    this.#onChange = onChange
    const rolls = options.intervalMs > 0 && options.bucketPeriodMs > 0
    this.#buckets = rolls ? Math.ceil(options.intervalMs / options.bucketPeriodMs) : 1
    this.#periodMs = rolls ? options.bucketPeriodMs : options.intervalMs
    this.records = new RecordStore(this.#buckets)
  }

  /** Makes room for slots 0 to `slots - 1`, keeping those there are. */
  resize(slots: number): void {
    this.records.resize(slots)
  }

  /** Starts a slot afresh: CLOSED, nothing counted, nothing remembered. */
  reset(slot: number, nowMs: number): void {
    this.#enter(slot * this.records.stride, CLOSED, 0, 0, nowMs)
  }

  /** Admits a call, or says why not. Rejections are counted nowhere. */
  admit(slot: number, nowMs: number): number {
    const base = slot * this.records.stride
    const state = this.state(slot, nowMs)
    if (state !== CLOSED) {
      const refusal = this.#refusal(base, state)
      if (refusal !== ADMITTED) return refusal
      if (this.#probesUnderWay(base) === 0) this.#startProbesDeadline(base, nowMs)
    }
    this.records.ints[this.#currentBucket(base) + REQUESTS]!++
    return ADMITTED
  }

  /** What {@link admit} would answer, without admitting. */
  wouldAdmit(slot: number, nowMs: number): number {
    return this.#refusal(slot * this.records.stride, this.state(slot, nowMs))
  }

  /**
   * Records how a call ended.
   *
   * @param generation - the slot's {@link generation} when the call was admitted
   * @param bucketEnd - its {@link bucketEnd} then
   * @returns whether the result counted; one of an older generation does not
   */
  record(slot: number, generation: number, bucketEnd: number, outcome: number, nowMs: number): boolean {
    const state = this.state(slot, nowMs)
    const { ints, doubles, stride } = this.records
    const base = slot * stride
    if (generation !== ints[base + GENERATION]) return false
    const isCurrent = bucketEnd === doubles[(base >> 1) + EXPIRY]
    const bucket = isCurrent ? this.#currentBucket(base) : this.#earlierBucket(base, bucketEnd)
    if (bucket >= 0) {
      if (outcome === SUCCESS) this.#countSuccess(base, bucket)
      else this.#countOther(base, bucket, outcome)
    }
    if (state === HALF_OPEN) this.#judgeProbe(slot, outcome, nowMs)
    // Asked even if the result was too old to count, as gobreaker does.
    else if (outcome === FAILURE && this.#options.readyToTrip(this.#sum(base, this.#view))) {
      this.#setState(slot, OPEN, nowMs)
    }
    return true
  }

  /** The state at `nowMs`: what a period that has passed since calls for is done first. */
  state(slot: number, nowMs: number): number {
    const { ints, doubles, stride } = this.records
    const base = slot * stride
    const state = ints[base + STATE]! & STATE_MASK
    return nowMs < doubles[(base >> 1) + EXPIRY]! ? state : this.#endPeriod(slot, state, nowMs)
  }

  /** The generation a call admitted now belongs to. */
  generation(slot: number): number {
    return this.records.ints[slot * this.records.stride + GENERATION]!
  }

  /** When the window's current bucket ends, in ms: tells which one a call admitted now belongs to. */
  bucketEnd(slot: number): number {
    return this.expiry(slot)
  }

  /** A copy of the counts as they stand; unlike {@link state} this lets no time pass. */
  counts(slot: number): Counts {
    return this.#sum(slot * this.records.stride, noCounts())
  }

  /** During a change of state: a copy of the counts the state before it ended with. */
  finalCounts(): Counts {
    return { ...this.#view }
  }

  /** When the present state began, in ms. */
  since(slot: number): number {
    return this.records.doubles[((slot * this.records.stride) >> 1) + SINCE]!
  }

  /** When the present period (OPEN time, window or its bucket, probes' deadline) ends, in ms; Infinity for never. */
  expiry(slot: number): number {
    return this.records.doubles[((slot * this.records.stride) >> 1) + EXPIRY]!
  }

  /** How many trips the next OPEN time is lengthened for: one per trip, less one per `timeoutDecayMs` spent CLOSED. */
  trips(slot: number, nowMs: number): number {
    const trips = (this.#word(slot) >> TRIPS_SHIFT) & TRIPS_MASK
    return trips === 0 ? 0 : Math.max(0, trips - this.#forgiven(slot, nowMs))
  }

  /**
   * How many trips were relapses, forgiven as trips are: out of CLOSED, before the one before was forgiven. A probe that
   * fails is none, as it only tells that the fault it was opened for goes on.
   */
  relapses(slot: number, nowMs: number): number {
    const relapses = this.#word(slot) >> RELAPSES_SHIFT
    return relapses === 0 ? 0 : Math.max(0, relapses - this.#forgiven(slot, nowMs))
  }

  /** How many times the usual number of successes is asked for, since the target relapsed: 1 to 8. */
  proof(slot: number, nowMs: number): number {
    return Math.min(this.#options.proofGrowth ** this.relapses(slot, nowMs), MAX_PROOF)
  }

  /** Opens a circuit for a reason of the caller's. */
  trip(slot: number, nowMs: number): void {
    if (this.state(slot, nowMs) !== OPEN) this.#setState(slot, OPEN, nowMs)
  }

  /** Has an OPEN circuit probed before its time. Returns whether it was OPEN. */
  endOpen(slot: number, nowMs: number): boolean {
    if (this.state(slot, nowMs) !== OPEN) return false
    this.#setState(slot, HALF_OPEN, nowMs)
    return true
  }

  /**
   * Puts a slot into a state it was in before.
   *
   * @param relapses - up to {@link MAX_RELAPSES}, as {@link MAX_TRIPS} for trips
   * @param sinceMs - when that began
   * @param untilMs - when an OPEN circuit may be probed
   */
  restore(
    slot: number,
    state: number,
    trips: number,
    relapses: number,
    sinceMs: number,
    untilMs: number
  ): void {
    const base = slot * this.records.stride
    this.#enter(base, state, trips, relapses, sinceMs)
    if (state === OPEN) this.#setExpiry(base, untilMs)
  }

  /** The longest time the options let a circuit stay OPEN, in ms. */
  get longestOpenMs(): number {
    const { timeoutMs, timeoutGrowth, maxTimeoutMs, timeoutJitter } = this.#options
    const longest = timeoutGrowth === 1 ? timeoutMs : Math.max(timeoutMs, maxTimeoutMs)
    return longest * (1 + timeoutJitter)
  }

  /** Keeps an OPEN circuit from being probed until `untilMs` at least. */
  stayOpen(slot: number, untilMs: number): void {
    this.#setExpiry(slot * this.records.stride, Math.max(untilMs, this.expiry(slot)))
  }

  /** Admits a call to a target that is CLOSED, in a period that is not over. */
  admitClosed(ints: Int32Array, base: number): void {
    const index = (ints[base + STATE]! >> BUCKET_SHIFT) & BUCKET_MASK
    ints[base + BUCKETS + index * COUNT_FIELDS + REQUESTS]!++
  }

  #refusal(base: number, state: number): number {
    if (state === OPEN) return REJECTED_OPEN
    const isFull = state === HALF_OPEN && this.#probesTaken(base) >= this.#options.maxRequests
    return isFull ? REJECTED_HALF_OPEN_FULL : ADMITTED
  }

  #endPeriod(slot: number, state: number, nowMs: number): number {
    const base = slot * this.records.stride
    if (state === CLOSED && this.#buckets > 1) {
      this.#roll(base, nowMs)
      return CLOSED
    }
    const expiry = this.expiry(slot)
    if (nowMs <= expiry) return state
    if (state === CLOSED) {
      this.#newGeneration(base, nowMs + this.#periodMs)
      return CLOSED
    }
    if (state === OPEN) {
      this.#setState(slot, HALF_OPEN, nowMs)
      return HALF_OPEN
    }
    // The probes had until then, so that is when the circuit opened again, however late anybody asked.
    this.#setState(slot, OPEN, expiry)
    return this.state(slot, nowMs)
  }

  #word(slot: number): number {
    return this.records.ints[slot * this.records.stride + STATE]!
  }

  /** How many trips are forgiven for the time the circuit has been CLOSED. */
  #forgiven(slot: number, nowMs: number): number {
    if ((this.#word(slot) & STATE_MASK) !== CLOSED) return 0
    return Math.floor((nowMs - this.since(slot)) / this.#options.timeoutDecayMs)
  }

  #setState(slot: number, to: number, nowMs: number): void {
    const base = slot * this.records.stride
    const from = this.records.ints[base + STATE]! & STATE_MASK
    const trips = this.trips(slot, nowMs)
    const relapses = this.relapses(slot, nowMs)
    this.#sum(base, this.#view)
    if (to !== OPEN) this.#enter(base, to, trips, relapses, nowMs)
    else this.#enterOpen(base, trips, from === CLOSED && trips > 0 ? relapses + 1 : relapses, nowMs)
    this.#onChange(slot, from, to, nowMs)
  }

  #enterOpen(base: number, tripsBefore: number, relapses: number, nowMs: number): void {
    const trips = Math.min(tripsBefore + 1, MAX_TRIPS)
    this.#enter(base, OPEN, trips, Math.min(relapses, MAX_RELAPSES), nowMs)
    this.#setExpiry(base, nowMs + this.#openMs(tripsBefore))
  }

  #enter(base: number, state: number, trips: number, relapses: number, nowMs: number): void {
    const { ints } = this.records
    const past = (relapses << RELAPSES_SHIFT) | (trips << TRIPS_SHIFT)
    ints[base + STATE] = past | (ints[base + STATE]! & FLAGS) | state
    this.records.doubles[(base >> 1) + SINCE] = nowMs
    this.#newGeneration(base, state === CLOSED && this.#periodMs > 0 ? nowMs + this.#periodMs : Infinity)
  }

  #newGeneration(base: number, expiry: number): void {
    const { ints } = this.records
    ints[base + GENERATION] = (ints[base + GENERATION]! + 1) & MAX_GENERATION
    this.#setExpiry(base, expiry)
    this.#clearCounts(base)
  }

  #clearCounts(base: number): void {
    const { ints, stride } = this.records
    ints[base + SUCCESS_RUN] = 0
    ints[base + FAILURE_RUN] = 0
    ints.fill(0, base + BUCKETS, base + stride)
  }

  #setExpiry(base: number, expiry: number): void {
    this.records.doubles[(base >> 1) + EXPIRY] = expiry
  }

  /** Time to stay OPEN after `trips` earlier trips: `timeoutMs · timeoutGrowth ^ trips`, bounded, plus jitter. */
  #openMs(trips: number): number {
    const { timeoutMs, timeoutGrowth, maxTimeoutMs, timeoutJitter } = this.#options
    const longest = Math.max(timeoutMs, maxTimeoutMs)
    const grown = timeoutGrowth === 1 ? timeoutMs : Math.min(timeoutMs * timeoutGrowth ** trips, longest)
    return timeoutJitter === 0 ? grown : grown * (1 + timeoutJitter * this.#random())
  }

  #judgeProbe(slot: number, outcome: number, nowMs: number): void {
    const base = slot * this.records.stride
    const { successThreshold, maxRequests } = this.#options
    const due = Math.min(successThreshold * this.proof(slot, nowMs), maxRequests)
    const successRun = this.records.ints[base + SUCCESS_RUN]!
    if (outcome === FAILURE) this.#setState(slot, OPEN, nowMs)
    else if (successRun >= due) this.#setState(slot, CLOSED, nowMs)
    else if (this.#probesUnderWay(base) > 0) this.#startProbesDeadline(base, nowMs)
    else this.#setExpiry(base, Infinity)
  }

  /** Probes under way must give another sign of life until then; while there are none, nobody is waited for. */
  #startProbesDeadline(base: number, nowMs: number): void {
    const { halfOpenTimeoutMs } = this.#options
    if (halfOpenTimeoutMs > 0) this.#setExpiry(base, nowMs + halfOpenTimeoutMs)
  }

  #probesTaken(base: number): number {
    const { ints } = this.records
    const bucket = this.#currentBucket(base)
    return ints[bucket + REQUESTS]! - ints[bucket + EXCLUSIONS]!
  }

  #probesUnderWay(base: number): number {
    const { ints } = this.records
    const bucket = this.#currentBucket(base)
    return this.#probesTaken(base) - ints[bucket + SUCCESSES]! - ints[bucket + FAILURES]!
  }

  #countSuccess(base: number, bucket: number): void {
    const { ints } = this.records
    ints[bucket + SUCCESSES]!++
    ints[bucket + CONSECUTIVE_SUCCESSES]!++
    ints[bucket + CONSECUTIVE_FAILURES] = 0
    ints[base + SUCCESS_RUN]!++
    ints[base + FAILURE_RUN] = 0
  }

  #countOther(base: number, bucket: number, outcome: number): void {
    const { ints } = this.records
    if (outcome !== FAILURE) {
      ints[bucket + EXCLUSIONS]!++
      return
    }
    ints[bucket + FAILURES]!++
    ints[bucket + CONSECUTIVE_FAILURES]!++
    ints[bucket + CONSECUTIVE_SUCCESSES] = 0
    ints[base + FAILURE_RUN]!++
    ints[base + SUCCESS_RUN] = 0
  }

  /** Where the counts of the current bucket begin. */
  #currentBucket(base: number): number {
    const index = (this.records.ints[base + STATE]! >> BUCKET_SHIFT) & BUCKET_MASK
    return base + BUCKETS + index * COUNT_FIELDS
  }

  /** Where the counts of the bucket begin that ended at `bucketEnd`; -1 if the window has left it behind. */
  #earlierBucket(base: number, bucketEnd: number): number {
    const current = this.#currentBucket(base)
    // A HALF_OPEN circuit uses one bucket, whatever its expiry was when the probe was admitted.
    if ((this.records.ints[base + STATE]! & STATE_MASK) !== CLOSED) return current
    const behind = Math.round(
      (this.records.doubles[(base >> 1) + EXPIRY]! - bucketEnd) / this.#options.bucketPeriodMs
    )
    if (behind >= this.#buckets) return -1
    const bucket = current - behind * COUNT_FIELDS
    return bucket >= base + BUCKETS ? bucket : bucket + this.#buckets * COUNT_FIELDS
  }

  /** Moves a rolling window on to the bucket of `nowMs`, dropping what it leaves behind. */
  #roll(base: number, nowMs: number): void {
    const { doubles } = this.records
    const { bucketPeriodMs } = this.#options
    const since = doubles[(base >> 1) + SINCE]!
    const next = Math.floor((nowMs - since) / bucketPeriodMs) + 1
    const passed = next - Math.round((doubles[(base >> 1) + EXPIRY]! - since) / bucketPeriodMs)
    if (passed <= 0) return
    if (passed >= this.#buckets) this.#clearCounts(base)
    else for (let step = 0; step < passed; step++) this.#rollOne(base)
    this.#setExpiry(base, since + next * bucketPeriodMs)
  }

  #rollOne(base: number): void {
    const { ints } = this.records
    const word = ints[base + STATE]!
    const index = (((word >> BUCKET_SHIFT) & BUCKET_MASK) + 1) % this.#buckets
    ints[base + STATE] = (word & ~(BUCKET_MASK << BUCKET_SHIFT)) | (index << BUCKET_SHIFT)
    const dropped = base + BUCKETS + index * COUNT_FIELDS
    this.#shortenRun(base, dropped, SUCCESS_RUN, SUCCESSES, CONSECUTIVE_SUCCESSES)
    this.#shortenRun(base, dropped, FAILURE_RUN, FAILURES, CONSECUTIVE_FAILURES)
    ints.fill(0, dropped, dropped + COUNT_FIELDS)
  }

  /**
   * A run of equal results loses what it had in the dropped bucket, but only if it spans all the others whole:
   * gobreaker's rule, kept literally.
   */
  #shortenRun(base: number, dropped: number, run: number, total: number, consecutive: number): void {
    const { ints, stride } = this.records
    let spanned = ints[dropped + consecutive]!
    for (let bucket = base + BUCKETS; bucket < base + stride; bucket += COUNT_FIELDS) {
      if (bucket !== dropped) spanned += ints[bucket + total]!
    }
    if (ints[base + run] === spanned) ints[base + run]! -= ints[dropped + consecutive]!
  }

  /** Adds up the buckets. */
  #sum(base: number, into: Counts): Counts {
    const { ints, stride } = this.records
    into.requests = 0
    into.totalSuccesses = 0
    into.totalFailures = 0
    into.totalExclusions = 0
    for (let bucket = base + BUCKETS; bucket < base + stride; bucket += COUNT_FIELDS) {
      into.requests += ints[bucket + REQUESTS]!
      into.totalSuccesses += ints[bucket + SUCCESSES]!
      into.totalFailures += ints[bucket + FAILURES]!
      into.totalExclusions += ints[bucket + EXCLUSIONS]!
    }
    into.consecutiveSuccesses = ints[base + SUCCESS_RUN]!
    into.consecutiveFailures = ints[base + FAILURE_RUN]!
    return into
  }
}

function noCounts(): Counts {
  return {
    requests: 0,
    totalSuccesses: 0,
    totalFailures: 0,
    totalExclusions: 0,
    consecutiveSuccesses: 0,
    consecutiveFailures: 0
  }
}
