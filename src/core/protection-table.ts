import { answerCodes, type BreakerTable, stateCodes } from './breaker-table.ts'
import { CallTable, callLayout } from './call-table.ts'
import { CircuitTable, type CircuitTableOptions, type PastCircuit } from './circuit-table.ts'
import { type Counterfactual, CounterfactualTally } from './counterfactual.ts'
import type { Targets } from './ejection-cap.ts'
import type { RejectionReason } from './errors.ts'
import type { HealthOptions } from './health-monitor.ts'
import { HealthTable } from './health-table.ts'
import { Holds } from './holds.ts'
import { checkMode, type Mode } from './mode.ts'
import { outcomeCodes } from './outcome.ts'
import type { Ramp } from './ramp.ts'
import { callsPacking, layout, type RecordStore, statePacking } from './record-store.ts'
import { noRejections, rejectionCodes, rejectionsByReason } from './rejections.ts'
import { type SlotEventHandler, SlotEvents } from './slot-events.ts'
import type { TripRecord } from './trip-record.ts'

const { CLOSED, OPEN } = stateCodes
const { ADMITTED } = answerCodes
const { REJECTED_OPEN, REJECTED_IN_FLIGHT_FULL } = rejectionCodes
const { CALLS, STATE, GENERATION, EXPIRY, BUCKETS, COUNT_FIELDS, SUCCESS_RUN, FAILURE_RUN } = layout
const { BASE_MASK, SUCCESSES, CONSECUTIVE_SUCCESSES, CONSECUTIVE_FAILURES } = layout
const { IN_FLIGHT_SHIFT } = callsPacking
const { STATE_AND_FLAGS, BUCKET_SHIFT, BUCKET_MASK } = statePacking
const { SLOT, GENERATION: CALL_GENERATION, INTS, STARTED_AT, BUCKET_END, DOUBLES } = callLayout
const { success: SUCCESS, failure: FAILURE, ignored: IGNORED } = outcomeCodes

/** Token of a call that is let through although there is no room to follow it. */
const UNTRACKED = 0x7fffffff

// What a call has instead of a generation:
/** It passed although it should not have: its result tells of health, but is none of the breaker's business. */
const PASSED_ANYWAY = -1
/** It was admitted in mode `off`: its result tells of nothing. */
const PASSED_UNSEEN = -2
/** As PASSED_ANYWAY, because the mode is `observe`: what becomes of it is what enforcing would have changed. */
const PASSED_IN_OBSERVE = -3

/** Resolved options of a table. */
export interface ProtectionTableOptions extends CircuitTableOptions {
  /** Without it no health is kept. */
  readonly health: Readonly<HealthOptions> | undefined
  readonly maxInFlight: number
}

/**
 * Breaker, health, recovery and calls in flight of many targets by slot: the inner form of the protection.
 *
 * `admit` and `settle` work with integers and allocate nothing. Time comes in as an argument and must not go
 * back; a moment a call was due to be over, or a period to end, takes effect at its own time, whenever it is
 * noticed.
 */
export class ProtectionTable {
  readonly breakers: BreakerTable
  readonly health: HealthTable | undefined
  readonly #records: RecordStore
  readonly #calls: CallTable
  readonly #circuits: CircuitTable
  readonly #holds: Holds
  readonly #events: SlotEvents
  readonly #slowCallMs: number
  readonly #hungCallMs: number
  readonly #rejections = noRejections()
  readonly #counterfactual = new CounterfactualTally()
  #mode: Mode = 'enforce'
  #isOff = false
  #isEnforced = true
  /** Called with the token of a call that is out of time, after it was counted as a failure. */
  onOverdue: (token: number) => void = () => {}
  /** Called when {@link nextWake} has become earlier than it was. */
  onEarlierWake: () => void = () => {}

  constructor(
    options: ProtectionTableOptions,
    mode: Mode,
    random: () => number,
    nowMs: number,
    targets: Targets,
    onEvent: SlotEventHandler
  ) {
    this.mode = mode
    this.#events = new SlotEvents(onEvent)
    this.#circuits = new CircuitTable(options, random, targets, this.#events, () => this.onEarlierWake())
    this.breakers = this.#circuits.breakers
    this.#records = this.breakers.records
    this.#holds = new Holds(this.#records, this.#events)
    this.health = options.health && new HealthTable(options.health, this.#records, nowMs)
    this.#calls = new CallTable(options.maxInFlight)
    this.#slowCallMs = options.breaker.slowCallMs || Infinity
    this.#hungCallMs = options.breaker.hungCallMs || Infinity
  }

  /** Makes room for slots 0 to `slots - 1`. */
  resize(slots: number): void {
    this.#records.resize(slots)
  }

  /** Starts a slot afresh, for a new target. The former one must have no calls in flight. */
  reset(slot: number, nowMs: number): void {
    this.#circuits.reset(slot, nowMs)
    this.health?.reset(slot, nowMs)
  }

  get mode(): Mode {
    return this.#mode
  }

  /** @throws InvalidOptionError */
  set mode(mode: Mode) {
    this.#mode = checkMode(mode)
    this.#isOff = mode === 'off'
    this.#isEnforced = mode === 'enforce'
  }

  /**
   * Decides on a call.
   *
   * @param timeoutMs - time after which the call counts as failed, in ms; `hungCallMs` if 0 or left out
   * @returns a token, from 0, to settle the call with; or a negative reason
   */
  admit(slot: number, nowMs: number, timeoutMs = 0): number {
    const calls = this.#calls
    const { ints, doubles, stride } = this.#records
    const base = Math.imul(slot, stride) & BASE_MASK
    const expiry = doubles[(base >> 1) + EXPIRY]!
    // Nearly all calls find nothing to do but to count: no time is up, nothing is to be told.
    if (
      nowMs < expiry &&
      nowMs < calls.earliestDeadline &&
      calls.hasFree &&
      this.#isEnforced &&
      this.#events.isEmpty
    ) {
      const state = ints[base + STATE]! & STATE_AND_FLAGS
      if (state === OPEN) {
        this.#rejections[0]!++
        return REJECTED_OPEN
      }
      const deadline = nowMs + (timeoutMs || this.#hungCallMs)
      if (state === CLOSED && deadline >= calls.earliestDeadline) {
        this.breakers.admitClosed(ints, base)
        ints[base + CALLS]! += 1 << IN_FLIGHT_SHIFT
        return calls.open(slot, ints[base + GENERATION]!, expiry, nowMs, deadline)
      }
    }
    return this.#admitWithCare(slot, nowMs, timeoutMs)
  }

  /** {@link admit} in all other cases. */
  #admitWithCare(slot: number, nowMs: number, timeoutMs: number): number {
    if (this.#isOff) return this.#passUnseen(slot, nowMs, timeoutMs)
    if (nowMs >= this.#calls.earliestDeadline) this.#failOverdueCalls(nowMs)
    const answer = this.#refusal(slot) || this.#circuits.admit(slot, nowMs)
    const token =
      answer < 0
        ? this.#reject(slot, answer, nowMs, timeoutMs)
        : this.#open(slot, this.breakers.generation(slot), nowMs, timeoutMs || this.#hungCallMs)
    if (!this.#events.isEmpty) this.#events.tell()
    return token
  }

  /**
   * Follows a call that is made in any case, as part of one that was admitted. It counts as one more, if there is
   * room for one more; otherwise it tells of health alone.
   *
   * @param timeoutMs - as of {@link admit}
   * @param wasRefused - of the call it is part of, see {@link wasRefused}
   * @returns a token to settle it with
   */
  follow(slot: number, nowMs: number, timeoutMs = 0, wasRefused = false): number {
    if (this.#isOff) return this.#passUnseen(slot, nowMs, timeoutMs)
    this.catchUp(nowMs)
    const isFull = this.#calls.isFull
    const isAdmitted = !isFull && !wasRefused && this.breakers.admit(slot, nowMs) === ADMITTED
    const passed = wasRefused ? PASSED_IN_OBSERVE : PASSED_ANYWAY
    const generation = isAdmitted ? this.breakers.generation(slot) : passed
    const token = isFull ? UNTRACKED : this.#open(slot, generation, nowMs, timeoutMs || this.#hungCallMs)
    if (!this.#events.isEmpty) this.#events.tell()
    return token
  }

  /** What {@link admit} would answer: 0 or a negative reason. */
  wouldAdmit(slot: number, nowMs: number): number {
    if (this.#isOff) return ADMITTED
    this.catchUp(nowMs)
    const answer = this.#refusal(slot) || this.#circuits.wouldAdmit(slot, nowMs)
    if (!this.#events.isEmpty) this.#events.tell()
    return this.mode === 'observe' || this.#circuits.cap.isLastResort(slot, answer) ? ADMITTED : answer
  }

  /**
   * Settles a call, once.
   *
   * @param outcome - SUCCESS, FAILURE or IGNORED
   * @returns whether the token was good; a second settlement, or one after the call was out of time, is not
   */
  settle(slot: number, token: number, outcome: number, nowMs: number): boolean {
    const calls = this.#calls
    const call = calls.find(token)
    const { ints, doubles, stride } = this.#records
    const base = Math.imul(slot, stride) & BASE_MASK
    const expiry = doubles[(base >> 1) + EXPIRY]!
    // Nearly all calls are successes that find everything as it was when they were admitted. What the breaker does
    // with those is done here, so that V8 finds this too long to inline: there its own callees would not fit in.
    if (
      call >= 0 &&
      outcome === SUCCESS &&
      calls.ints[call * INTS + SLOT] === slot &&
      calls.ints[call * INTS + CALL_GENERATION] === ints[base + GENERATION] &&
      (ints[base + STATE]! & STATE_AND_FLAGS) === CLOSED &&
      nowMs < expiry &&
      calls.doubles[call * DOUBLES + BUCKET_END] === expiry &&
      nowMs < calls.earliestDeadline &&
      this.#events.isEmpty
    ) {
      const elapsedMs = nowMs - calls.doubles[call * DOUBLES + STARTED_AT]!
      const { health } = this
      if (
        elapsedMs <= this.#slowCallMs &&
        (health === undefined || health.recordHealthySuccess(ints, doubles, base, elapsedMs, nowMs))
      ) {
        const bucket = base + BUCKETS + ((ints[base + STATE]! >> BUCKET_SHIFT) & BUCKET_MASK) * COUNT_FIELDS
        ints[bucket + SUCCESSES]!++
        ints[bucket + CONSECUTIVE_SUCCESSES]!++
        ints[bucket + CONSECUTIVE_FAILURES] = 0
        ints[base + SUCCESS_RUN]!++
        ints[base + FAILURE_RUN] = 0
        ints[base + CALLS]! -= 1 << IN_FLIGHT_SHIFT
        calls.close(call)
        return true
      }
    }
    return this.#settleWithCare(slot, token, outcome, nowMs)
  }

  /**
   * As {@link settle}, of a call whose time is measured by whoever made it.
   *
   * @param elapsedMs - what it took in all
   * @param ownMs - what of that the target took for this call alone, by which it is found slow
   */
  settleMeasured(
    slot: number,
    token: number,
    outcome: number,
    nowMs: number,
    elapsedMs: number,
    ownMs: number
  ): boolean {
    const isSlow = outcome === SUCCESS && ownMs > this.#slowCallMs
    return this.#settleWithCare(slot, token, isSlow ? FAILURE : outcome, nowMs, elapsedMs)
  }

  /** {@link settle} in all other cases. */
  #settleWithCare(slot: number, token: number, outcome: number, nowMs: number, elapsedMs?: number): boolean {
    if (nowMs >= this.#calls.earliestDeadline) this.#failOverdueCalls(nowMs)
    const call = this.#calls.find(token)
    const isGood = call >= 0 && this.#calls.slot(call) === slot
    if (isGood) this.#finish(call, outcome, nowMs, elapsedMs)
    if (!this.#events.isEmpty) this.#events.tell()
    return isGood
  }

  /** Whether a call under way would have been rejected, and was let through only because the mode is `observe`. */
  wasRefused(token: number): boolean {
    const call = this.#calls.find(token)
    return call >= 0 && this.#calls.generation(call) === PASSED_IN_OBSERVE
  }

  /** Whether a call admitted with this token has neither been settled nor run out of time. */
  isInFlight(token: number): boolean {
    return token === UNTRACKED || this.#calls.find(token) >= 0
  }

  /** Does what became due up to now: calls out of time count as failed. */
  catchUp(nowMs: number): void {
    if (nowMs >= this.#calls.earliestDeadline) this.#failOverdueCalls(nowMs)
  }

  #failOverdueCalls(nowMs: number): void {
    const overdue = this.#calls.overdue(nowMs)
    for (const token of overdue) {
      const call = this.#calls.find(token)
      this.#finish(call, FAILURE, this.#calls.deadline(call))
    }
    // Told only now, since who is told may settle calls or start new ones.
    this.#events.tell()
    for (const token of overdue) this.onOverdue(token)
  }

  /** No call in flight is out of time before this, in ms; Infinity when none can be. */
  get nextDeadline(): number {
    return this.#calls.earliestDeadline
  }

  /** When {@link wake} should be called next, in ms; Infinity when nothing is waited for. */
  get nextWake(): number {
    return Math.min(this.#calls.earliestDeadline, this.#circuits.nextCheck)
  }

  /**
   * Lets time pass for all slots, so that changes happen, and are told of, without anybody calling. For so many at a time:
   * as long as {@link nextWake} is not later than `nowMs` there are more.
   */
  wake(nowMs: number): void {
    this.catchUp(nowMs)
    this.#circuits.check(nowMs)
  }

  isolate(slot: number, nowMs: number): void {
    this.state(slot, nowMs)
    this.#holds.isolate(slot, nowMs)
  }

  /** Ends {@link isolate}: the target is again what it was before, and what time has made of it since. */
  release(slot: number, nowMs: number): void {
    this.state(slot, nowMs)
    this.#holds.release(slot, nowMs)
  }

  /**
   * Holds a target back on one sign of trouble, until {@link clearSuspicion} or {@link trip}: whoever suspects it
   * must find out which it is to be.
   *
   * @returns whether that is new; one that is OPEN is held back already, unless as last resort
   */
  suspect(slot: number, nowMs: number): boolean {
    const isHeldBack = this.state(slot, nowMs) === OPEN && !this.isDemoted(slot)
    return !this.#isOff && !isHeldBack && this.#holds.suspect(slot)
  }

  /** Ends {@link suspect}. */
  clearSuspicion(slot: number): void {
    this.#holds.clearSuspicion(slot)
  }

  /** Opens a circuit on evidence that needs no counting: the target was found not to respond at all. */
  trip(slot: number, nowMs: number): void {
    this.clearSuspicion(slot)
    if (this.#isOff) return
    this.catchUp(nowMs)
    this.#circuits.trip(slot, nowMs)
  }

  /** Has a target whose circuit is OPEN probed before its time. Returns whether it was OPEN. */
  endOpen(slot: number, nowMs: number): boolean {
    this.catchUp(nowMs)
    return this.#circuits.endOpen(slot, nowMs)
  }

  /**
   * Takes up what was held against a target before.
   *
   * @param lastUsedMs - when the target gave reason for it
   */
  restore(slot: number, past: PastCircuit, lastUsedMs: number, nowMs: number): void {
    this.#circuits.restore(slot, past, nowMs)
    this.health?.touch(slot, lastUsedMs)
    this.#events.tell()
  }

  /**
   * Takes up of a new target only that it was bad: it has to be probed, and recovers. What comes of that is told with the
   * next call of anybody.
   */
  discredit(slot: number, nowMs: number): void {
    const openUntilMs = nowMs - 1
    const past = {
      isOpen: true,
      openUntilMs,
      isRecovering: false,
      trips: 1,
      relapses: 0,
      lastTrip: undefined
    }
    this.#circuits.restore(slot, past, nowMs)
  }

  /** Isolates a target that was isolated before. */
  isolateAgain(slot: number): void {
    this.#holds.isolateAgain(slot)
  }

  /** Whether nothing was learned of the target since its record was begun; calls in flight tell nothing yet. */
  isBlank(slot: number, nowMs: number): boolean {
    const { health } = this
    const { totalSuccesses, totalFailures } = this.breakers.counts(slot)
    const isClean = this.#circuits.isClean(slot, nowMs)
    this.#events.tell()
    const hasHealth =
      health !== undefined && (health.responseTimeMs(slot) > 0 || health.consecutiveErrors(slot) > 0)
    return isClean && totalSuccesses + totalFailures === 0 && !hasHealth
  }

  /** The longest time a circuit may stay OPEN, in ms. */
  get longestOpenMs(): number {
    return this.#circuits.longestOpenMs
  }

  /** The circuit's state at `nowMs`, after all that time calls for: a period that is over, a ramp that ends. */
  state(slot: number, nowMs: number): number {
    return this.#circuits.state(slot, nowMs)
  }

  isIsolated(slot: number): boolean {
    return this.#holds.isIsolated(slot)
  }

  /** Whether nothing is held against the target: it is CLOSED, and neither recovering nor suspect nor isolated. */
  isSteady(slot: number, nowMs: number): boolean {
    return this.state(slot, nowMs) === CLOSED && this.#records.flags(slot) === 0
  }

  isSuspect(slot: number): boolean {
    return this.#holds.isSuspect(slot)
  }

  /** Whether the target is kept as last resort, because enough others are ejected. */
  isDemoted(slot: number): boolean {
    return this.#circuits.cap.isDemoted(slot)
  }

  /** Whether the target is refused for what it did. */
  isEjected(slot: number): boolean {
    return this.#circuits.cap.isEjected(slot)
  }

  /** Refuses a target whose circuit is OPEN, be it one too many. Returns whether it is. */
  ejectAnyway(slot: number, nowMs: number): boolean {
    const isOpen = this.state(slot, nowMs) === OPEN
    if (isOpen) this.#circuits.cap.ejectAnyway(slot)
    return isOpen
  }

  /** Keeps an ejected target as last resort if it cannot be done without any more. Returns whether that is so. */
  reconsider(slot: number): boolean {
    return this.#circuits.cap.reconsider(slot)
  }

  /** The ramp of a target that is recovering at `nowMs`. */
  ramp(slot: number, nowMs: number): Ramp | undefined {
    return this.#circuits.ramp(slot, nowMs)
  }

  /** How the circuit last came to open; `undefined` if it never did. */
  lastTrip(slot: number): TripRecord | undefined {
    return this.#circuits.lastTrip(slot)
  }

  /** When that was, in ms. */
  lastTripAt(slot: number): number | undefined {
    return this.#circuits.lastTripAt(slot)
  }

  /** Whole ms until an OPEN target may be probed; 0 for one that is not OPEN. */
  retryAfterMs(slot: number, nowMs: number): number {
    return this.#circuits.retryAfterMs(slot, nowMs)
  }

  /** Calls in flight to one target. */
  inFlight(slot: number): number {
    return this.#records.ints[slot * this.#records.stride + CALLS]! >> IN_FLIGHT_SHIFT
  }

  /** Calls in flight in all. */
  get totalInFlight(): number {
    return this.#calls.inFlight
  }

  /** Targets refused now for what they did: OPEN, and neither demoted nor by hand. */
  get ejected(): number {
    return this.#circuits.cap.ejected
  }

  get recovering(): number {
    return this.#circuits.recovering
  }

  /** Calls rejected since the start, by reason; in observe mode, that would have been. */
  rejections(): Readonly<Record<RejectionReason, number>> {
    return rejectionsByReason(this.#rejections)
  }

  /** What enforcing would have changed while the mode was `observe`. */
  counterfactual(): Counterfactual {
    return this.#counterfactual.report()
  }

  /** Whether nothing is known of the target that must not be forgotten. */
  isClean(slot: number, nowMs: number): boolean {
    return this.inFlight(slot) === 0 && this.#circuits.isClean(slot, nowMs)
  }

  /** Demotes ejected targets until no more than the share allowed is left, as when others were forgotten. */
  capEjected(): void {
    this.#circuits.cap.apply()
    // What `isClean` noticed is told only now: while it is asked, records are being forgotten.
    this.#events.tell()
  }

  /** Why no call may start, whatever the target's circuit says: a negative reason, or 0. */
  #refusal(slot: number): number {
    return this.#calls.isFull ? REJECTED_IN_FLIGHT_FULL : this.#holds.refusal(slot)
  }

  #reject(slot: number, answer: number, nowMs: number, timeoutMs: number): number {
    const isLastResort = this.#circuits.cap.isLastResort(slot, answer)
    if (!isLastResort) {
      this.#rejections[-answer - 1]!++
      if (this.mode !== 'observe') return answer
      this.#counterfactual.reject()
    }
    if (answer === REJECTED_IN_FLIGHT_FULL) return UNTRACKED
    const generation = isLastResort ? PASSED_ANYWAY : PASSED_IN_OBSERVE
    return this.#open(slot, generation, nowMs, timeoutMs || this.#hungCallMs)
  }

  /** In mode `off` a call is followed only for the sake of a time limit its caller set. */
  #passUnseen(slot: number, nowMs: number, timeoutMs: number): number {
    this.catchUp(nowMs)
    return this.#calls.isFull ? UNTRACKED : this.#open(slot, PASSED_UNSEEN, nowMs, timeoutMs || Infinity)
  }

  #open(slot: number, generation: number, nowMs: number, limitMs: number): number {
    const deadline = nowMs + limitMs
    const isEarliest = deadline < this.#calls.earliestDeadline
    const token = this.#calls.open(slot, generation, this.breakers.bucketEnd(slot), nowMs, deadline)
    this.#records.ints[slot * this.#records.stride + CALLS]! += 1 << IN_FLIGHT_SHIFT
    if (isEarliest) this.onEarlierWake()
    return token
  }

  #finish(call: number, outcome: number, nowMs: number, measuredMs?: number): void {
    const calls = this.#calls
    const slot = calls.slot(call)
    const generation = calls.generation(call)
    const bucketEnd = calls.bucketEnd(call)
    const elapsedMs = measuredMs ?? nowMs - calls.startedAt(call)
    calls.close(call)
    this.#records.ints[slot * this.#records.stride + CALLS]! -= 1 << IN_FLIGHT_SHIFT

    const isSlow = measuredMs === undefined && elapsedMs > this.#slowCallMs
    const judged = outcome === SUCCESS && isSlow ? FAILURE : outcome
    if (generation === PASSED_UNSEEN) return
    if (generation === PASSED_IN_OBSERVE) this.#counterfactual.end(judged, elapsedMs)
    const isAdmitted = generation >= 0
    if (isAdmitted && !this.#circuits.record(slot, generation, bucketEnd, judged, nowMs)) return
    if (judged === IGNORED) this.health?.touch(slot, nowMs)
    else if (this.health !== undefined)
      this.#recordHealth(this.health, slot, elapsedMs, judged === FAILURE, nowMs)
  }

  #recordHealth(health: HealthTable, slot: number, elapsedMs: number, failed: boolean, nowMs: number): void {
    const before = health.lastStatus(slot)
    const after = health.record(slot, elapsedMs, failed, nowMs)
    if (after !== before) this.#events.note('health:change', slot, before, after, nowMs)
  }
}
