import { answerCodes, BreakerTable, circuitStates, stateCodes } from './breaker-table.ts'
import { CallTable, callLayout } from './call-table.ts'
import type { CircuitBreakerOptions, Counts } from './circuit-breaker.ts'
import { InvalidOptionError, type Rejection, type RejectionReason } from './errors.ts'
import type { HealthOptions } from './health-monitor.ts'
import { HealthTable } from './health-table.ts'
import { oneOf } from './options.ts'
import { outcomeCodes } from './outcome.ts'
import { Ramp, rampRates } from './ramp.ts'
import { callsPacking, layout, type RecordStore, statePacking } from './record-store.ts'
import type { RecoveryOptions } from './recovery-manager.ts'

/** enforce: reject. observe: only record what would have been rejected. off: do nothing at all. */
export type Mode = 'enforce' | 'observe' | 'off'

export const modes: readonly Mode[] = Object.freeze(['enforce', 'observe', 'off'])

const modeRule = oneOf(modes)

/** @throws InvalidOptionError */
function checkMode(mode: Mode): Mode {
  if (!modeRule.accepts(mode)) throw new InvalidOptionError('mode', mode, modeRule.allowed)
  return mode
}

const { CLOSED, OPEN, HALF_OPEN } = stateCodes
const { ADMITTED, REJECTED_OPEN } = answerCodes
const { CALLS, STATE, GENERATION, EXPIRY, BUCKETS, COUNT_FIELDS, SUCCESS_RUN, FAILURE_RUN } = layout
const { BASE_MASK, SUCCESSES, CONSECUTIVE_SUCCESSES, CONSECUTIVE_FAILURES } = layout
const { IN_FLIGHT_SHIFT } = callsPacking
const { FLAGS_SHIFT, FLAGS_MASK, STATE_AND_FLAGS, BUCKET_SHIFT, BUCKET_MASK } = statePacking
const { SLOT, GENERATION: CALL_GENERATION, INTS, STARTED_AT, BUCKET_END, DOUBLES } = callLayout
const { success: SUCCESS, failure: FAILURE, ignored: IGNORED } = outcomeCodes

// Answers of `admit` besides those of the breaker; all negative.
const REJECTED_RECOVERING = -3
const REJECTED_ISOLATED = -4
const REJECTED_IN_FLIGHT_FULL = -5
const REJECTED_SUSPECT = -6

/** The answer -1 is the first of these, -2 the second, and so on. */
const rejectionReasons: readonly RejectionReason[] = Object.freeze([
  'OPEN',
  'HALF_OPEN_FULL',
  'RECOVERING',
  'ISOLATED',
  'IN_FLIGHT_FULL',
  'SUSPECT'
])

/** Token of a call that is let through although there is no room to follow it. */
const UNTRACKED = 0x7fffffff

// What a call has instead of a generation:
/** It passed although it should not have: its result tells of health, but is none of the breaker's business. */
const PASSED_ANYWAY = -1
/** It was admitted in mode `off`: its result tells of nothing. */
const PASSED_UNSEEN = -2

// Flags of a slot.
const RECOVERING = 1
const ISOLATED = 2
const DEMOTED = 4
const SUSPECT = 8

/** While targets are OPEN, their times are looked at no more often than this, in ms. */
const LEAST_WAKE_INTERVAL_MS = 250

/** What the table tells of, by slot. */
export type ProtectionEventType =
  | 'circuit:open'
  | 'circuit:half-open'
  | 'circuit:close'
  | 'recovery:start'
  | 'recovery:complete'
  | 'recovery:relapse'
  | 'health:change'
  | 'isolate'
  | 'release'

/**
 * Why a circuit opened: too many failures, a probe that failed or did not end, a recovery that failed, or because
 * its adapter found that the target does not respond at all.
 */
export type TripReason = 'FAILURES' | 'PROBE_FAILED' | 'PROBES_OVERDUE' | 'RELAPSE' | 'UNRESPONSIVE'

/** How a circuit came to open. */
export interface TripRecord {
  readonly reason: TripReason
  /** What was counted when it did. */
  readonly counts: Readonly<Counts>
}

/** Called when a public operation of the table that changed something is complete. */
export type SlotEventHandler = (
  type: ProtectionEventType,
  slot: number,
  from: number,
  to: number,
  nowMs: number
) => void

/** Resolved options of a table. */
export interface ProtectionTableOptions {
  readonly breaker: Readonly<CircuitBreakerOptions>
  /** Without it no health is kept. */
  readonly health: Readonly<HealthOptions> | undefined
  /** Without it a circuit that closes takes all calls at once. */
  readonly recovery: Readonly<RecoveryOptions> | undefined
  readonly maxInFlight: number
  readonly maxEjectedShare: number
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
  readonly #options: ProtectionTableOptions
  readonly #rates: readonly number[]
  readonly #slowCallMs: number
  readonly #hungCallMs: number
  readonly #ramps = new Map<number, Ramp>()
  /** Slots that are OPEN or HALF_OPEN. */
  readonly #unclosed = new Set<number>()
  /** Slots that are OPEN and not demoted. */
  readonly #ejected = new Set<number>()
  readonly #lastTrips = new Map<number, TripRecord>()
  /** Set while a circuit is opened for what its adapter found out. */
  #isUnresponsive = false
  readonly #knownTargets: () => number
  readonly #onEvent: SlotEventHandler
  #nextStateCheck = Infinity
  readonly #events: Array<Parameters<SlotEventHandler>> = []
  #told = 0
  readonly #rejections = new Float64Array(rejectionReasons.length)
  #mode: Mode = 'enforce'
  #isOff = false
  #isEnforced = true
  /** Called with the token of a call that is out of time, after it was counted as a failure. */
  onOverdue: (token: number) => void = () => {}
  /** Called when {@link nextWake} has become earlier than it was. */
  onEarlierWake: () => void = () => {}

  /** @param knownTargets - how many targets there are records of: what may be ejected is a share of them */
  constructor(
    options: ProtectionTableOptions,
    mode: Mode,
    random: () => number,
    nowMs: number,
    knownTargets: () => number,
    onEvent: SlotEventHandler
  ) {
    this.#options = options
    this.mode = mode
    this.#knownTargets = knownTargets
    this.#onEvent = onEvent
    this.breakers = new BreakerTable(options.breaker, random, (slot, from, to, at) =>
      this.#onStateChange(slot, from, to, at)
    )
    this.#records = this.breakers.records
    this.health = options.health && new HealthTable(options.health, this.#records, nowMs)
    this.#rates = options.recovery === undefined ? [] : rampRates(options.recovery)
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
    this.#ejected.delete(slot)
    this.#unclosed.delete(slot)
    this.#ramps.delete(slot)
    this.#lastTrips.delete(slot)
    this.#setFlags(slot, 0)
    this.breakers.reset(slot, nowMs)
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
      this.#events.length === 0
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
    const answer = this.#ask(slot, nowMs)
    const token =
      answer < 0
        ? this.#reject(slot, answer, nowMs, timeoutMs)
        : this.#open(slot, this.breakers.generation(slot), nowMs, timeoutMs || this.#hungCallMs)
    if (this.#events.length > 0) this.#tell()
    return token
  }

  /**
   * Follows a call that is made in any case, as part of one that was admitted. It counts as one more, if there is
   * room for one more; otherwise it tells of health alone.
   *
   * @param timeoutMs - as of {@link admit}
   * @returns a token to settle it with
   */
  follow(slot: number, nowMs: number, timeoutMs = 0): number {
    if (this.#isOff) return this.#passUnseen(slot, nowMs, timeoutMs)
    this.catchUp(nowMs)
    const isFull = this.#calls.isFull
    const isAdmitted = !isFull && this.breakers.admit(slot, nowMs) === ADMITTED
    const generation = isAdmitted ? this.breakers.generation(slot) : PASSED_ANYWAY
    const token = isFull ? UNTRACKED : this.#open(slot, generation, nowMs, timeoutMs || this.#hungCallMs)
    if (this.#events.length > 0) this.#tell()
    return token
  }

  /** What {@link admit} would answer: 0 or a negative reason. */
  wouldAdmit(slot: number, nowMs: number): number {
    if (this.#isOff) return ADMITTED
    this.catchUp(nowMs)
    const answer = this.#wouldAsk(slot, nowMs)
    if (this.#events.length > 0) this.#tell()
    return this.mode === 'observe' || this.#isLastResort(slot, answer) ? ADMITTED : answer
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
      this.#events.length === 0
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
    if (this.#events.length > 0) this.#tell()
    return isGood
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
    this.#tell()
    for (const token of overdue) this.onOverdue(token)
  }

  /** No call in flight is out of time before this, in ms; Infinity when none can be. */
  get nextDeadline(): number {
    return this.#calls.earliestDeadline
  }

  /** When {@link wake} should be called next, in ms; Infinity when nothing is waited for. */
  get nextWake(): number {
    return Math.min(this.#calls.earliestDeadline, this.#nextStateCheck)
  }

  /** Lets time pass for all slots, so that changes happen, and are told of, without anybody calling. */
  wake(nowMs: number): void {
    this.catchUp(nowMs)
    if (nowMs < this.#nextStateCheck) return
    let next = Infinity
    for (const slot of this.#unclosed) {
      this.breakers.state(slot, nowMs)
      // Probes not yet admitted have no deadline yet; they get it within this time.
      const { halfOpenTimeoutMs } = this.#options.breaker
      const unset = halfOpenTimeoutMs > 0 ? nowMs + halfOpenTimeoutMs : Infinity
      next = Math.min(next, this.breakers.expiry(slot), unset)
    }
    // A period is over only after its end, so look just after it.
    this.#nextStateCheck = Math.max(next + 1, nowMs + LEAST_WAKE_INTERVAL_MS)
    this.#tell()
  }

  isolate(slot: number, nowMs: number): void {
    this.state(slot, nowMs)
    if (this.isIsolated(slot)) return
    this.#setFlags(slot, this.#flags(slot) | ISOLATED)
    this.#note('isolate', slot, 0, 0, nowMs)
    this.#tell()
  }

  /** Ends {@link isolate}: the target is again what it was before, and what time has made of it since. */
  release(slot: number, nowMs: number): void {
    this.state(slot, nowMs)
    if (!this.isIsolated(slot)) return
    this.#setFlags(slot, this.#flags(slot) & ~ISOLATED)
    this.#note('release', slot, 0, 0, nowMs)
    this.#tell()
  }

  /**
   * Holds a target back on one sign of trouble, until {@link clearSuspicion} or {@link trip}: whoever suspects it
   * must find out which it is to be.
   *
   * @returns whether that is new; one that is OPEN is held back already, unless as last resort
   */
  suspect(slot: number, nowMs: number): boolean {
    const isHeldBack = this.state(slot, nowMs) === OPEN && !this.isDemoted(slot)
    if (this.#isOff || isHeldBack || this.isSuspect(slot)) return false
    this.#setFlags(slot, this.#flags(slot) | SUSPECT)
    return true
  }

  /** Ends {@link suspect}. */
  clearSuspicion(slot: number): void {
    this.#setFlags(slot, this.#flags(slot) & ~SUSPECT)
  }

  /** Opens a circuit on evidence that needs no counting: the target was found not to respond at all. */
  trip(slot: number, nowMs: number): void {
    this.clearSuspicion(slot)
    if (this.#isOff) return
    this.catchUp(nowMs)
    this.#isUnresponsive = true
    this.breakers.trip(slot, nowMs)
    this.#isUnresponsive = false
    this.#tell()
  }

  /** The circuit's state at `nowMs`, after all that time calls for: a period that is over, a ramp that ends. */
  state(slot: number, nowMs: number): number {
    if ((this.#flags(slot) & RECOVERING) !== 0) this.#judgedRamp(slot, nowMs)
    const state = this.breakers.state(slot, nowMs)
    this.#tell()
    return state
  }

  isIsolated(slot: number): boolean {
    return (this.#flags(slot) & ISOLATED) !== 0
  }

  /** Whether nothing is held against the target: it is CLOSED, and neither recovering nor suspect nor isolated. */
  isSteady(slot: number, nowMs: number): boolean {
    return this.state(slot, nowMs) === CLOSED && this.#flags(slot) === 0
  }

  isSuspect(slot: number): boolean {
    return (this.#flags(slot) & SUSPECT) !== 0
  }

  /** Whether the target is kept as last resort, because enough others are ejected. */
  isDemoted(slot: number): boolean {
    return (this.#flags(slot) & DEMOTED) !== 0
  }

  /** The ramp of a target that is recovering at `nowMs`. */
  ramp(slot: number, nowMs: number): Ramp | undefined {
    this.state(slot, nowMs)
    return this.#ramps.get(slot)
  }

  /** How the circuit last came to open; `undefined` if it never did. */
  lastTrip(slot: number): TripRecord | undefined {
    return this.#lastTrips.get(slot)
  }

  /** Whole ms until an OPEN target may be probed; 0 for one that is not OPEN. */
  retryAfterMs(slot: number, nowMs: number): number {
    if (this.state(slot, nowMs) !== OPEN) return 0
    // The period is over strictly after its end.
    return Math.floor(this.breakers.expiry(slot) - nowMs) + 1
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
    return this.#ejected.size
  }

  get recovering(): number {
    return this.#ramps.size
  }

  /** Calls rejected since the start, by reason; in observe mode, that would have been. */
  rejections(): Readonly<Record<RejectionReason, number>> {
    return Object.freeze(
      Object.fromEntries(rejectionReasons.map((reason, index) => [reason, this.#rejections[index]!]))
    ) as Readonly<Record<RejectionReason, number>>
  }

  /** Whether nothing is known of the target that must not be forgotten. */
  isClean(slot: number, nowMs: number): boolean {
    return (
      this.inFlight(slot) === 0 &&
      this.#flags(slot) === 0 &&
      this.breakers.state(slot, nowMs) === CLOSED &&
      this.breakers.trips(slot, nowMs) === 0
    )
  }

  /** Demotes ejected targets until no more than the share allowed is left, as when others were forgotten. */
  capEjected(): void {
    for (const slot of this.#ejected) {
      if (this.#ejected.size <= this.#maxEjected()) break
      this.#ejected.delete(slot)
      this.#setFlags(slot, this.#flags(slot) | DEMOTED)
    }
    this.#tell()
  }

  #ask(slot: number, nowMs: number): number {
    if (this.#calls.isFull) return REJECTED_IN_FLIGHT_FULL
    const flags = this.#flags(slot)
    if (flags !== 0) {
      if ((flags & ISOLATED) !== 0) return REJECTED_ISOLATED
      if ((flags & SUSPECT) !== 0) return REJECTED_SUSPECT
      if ((flags & RECOVERING) !== 0 && this.#judgedRamp(slot, nowMs)?.take() === false)
        return REJECTED_RECOVERING
    }
    return this.breakers.admit(slot, nowMs)
  }

  /** As `#ask`, without taking anything. */
  #wouldAsk(slot: number, nowMs: number): number {
    if (this.#calls.isFull) return REJECTED_IN_FLIGHT_FULL
    const flags = this.#flags(slot)
    if ((flags & ISOLATED) !== 0) return REJECTED_ISOLATED
    if ((flags & SUSPECT) !== 0) return REJECTED_SUSPECT
    if ((flags & RECOVERING) !== 0 && this.#judgedRamp(slot, nowMs)?.wouldTake === false)
      return REJECTED_RECOVERING
    return this.breakers.wouldAdmit(slot, nowMs)
  }

  #reject(slot: number, answer: number, nowMs: number, timeoutMs: number): number {
    if (!this.#isLastResort(slot, answer)) {
      this.#rejections[-answer - 1]!++
      if (this.mode !== 'observe') return answer
    }
    if (answer === REJECTED_IN_FLIGHT_FULL) return UNTRACKED
    return this.#open(slot, PASSED_ANYWAY, nowMs, timeoutMs || this.#hungCallMs)
  }

  /** Whether a target that is refused for what it did is let through all the same. */
  #isLastResort(slot: number, answer: number): boolean {
    return answer >= REJECTED_RECOVERING && this.isDemoted(slot)
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
    const ramp = (this.#flags(slot) & RECOVERING) === 0 ? undefined : this.#ramps.get(slot)
    if (generation === PASSED_UNSEEN) return
    const isAdmitted = generation !== PASSED_ANYWAY
    if (isAdmitted && !this.breakers.record(slot, generation, bucketEnd, judged, nowMs)) return
    if (judged === IGNORED) {
      this.health?.touch(slot, nowMs)
      return
    }
    if (isAdmitted && ramp !== undefined) {
      ramp.record(judged === FAILURE)
      this.#judgedRamp(slot, nowMs)
    }
    if (this.health !== undefined) this.#recordHealth(this.health, slot, elapsedMs, judged === FAILURE, nowMs)
  }

  #recordHealth(health: HealthTable, slot: number, elapsedMs: number, failed: boolean, nowMs: number): void {
    const before = health.lastStatus(slot)
    const after = health.record(slot, elapsedMs, failed, nowMs)
    if (after !== before) this.#note('health:change', slot, before, after, nowMs)
  }

  #onStateChange(slot: number, from: number, to: number, nowMs: number): void {
    if (from === OPEN) this.#ejected.delete(slot)
    if (to === OPEN) this.#enterOpen(slot, from, nowMs)
    else if (to === HALF_OPEN) this.#note('circuit:half-open', slot, from, to, nowMs)
    else this.#enterClosed(slot, from, nowMs)
  }

  #enterOpen(slot: number, from: number, nowMs: number): void {
    this.clearSuspicion(slot)
    const relapsed = this.#endRamp(slot)
    if (relapsed) this.breakers.stayOpen(slot, nowMs + this.#options.recovery!.cooldownPeriodMs)
    const counts = Object.freeze(this.breakers.finalCounts())
    this.#lastTrips.set(slot, Object.freeze({ reason: this.#tripReason(from, relapsed, counts), counts }))
    this.#note('circuit:open', slot, from, OPEN, nowMs)
    if (relapsed) this.#note('recovery:relapse', slot, from, OPEN, nowMs)
    this.#unclosed.add(slot)
    this.#checkStatesBy(this.breakers.expiry(slot) + 1)
    if (this.#ejected.size + 1 > this.#maxEjected()) {
      this.#setFlags(slot, this.#flags(slot) | DEMOTED)
    } else {
      this.#setFlags(slot, this.#flags(slot) & ~DEMOTED)
      this.#ejected.add(slot)
    }
  }

  #tripReason(from: number, relapsed: boolean, counts: Readonly<Counts>): TripReason {
    if (this.#isUnresponsive) return 'UNRESPONSIVE'
    if (relapsed) return 'RELAPSE'
    if (from === CLOSED) return 'FAILURES'
    return counts.totalFailures > 0 ? 'PROBE_FAILED' : 'PROBES_OVERDUE'
  }

  #checkStatesBy(atMs: number): void {
    if (atMs >= this.#nextStateCheck) return
    this.#nextStateCheck = atMs
    this.onEarlierWake()
  }

  #enterClosed(slot: number, from: number, nowMs: number): void {
    this.#unclosed.delete(slot)
    this.#note('circuit:close', slot, from, CLOSED, nowMs)
    if (this.#options.recovery === undefined) {
      this.#setFlags(slot, this.#flags(slot) & ~DEMOTED)
      return
    }
    this.#ramps.set(slot, new Ramp(this.#options.recovery, this.#rates, nowMs))
    this.#setFlags(slot, this.#flags(slot) | RECOVERING)
    this.#note('recovery:start', slot, from, CLOSED, nowMs)
  }

  /** The ramp of a recovering slot; `undefined` if the time has come for it to end. */
  #judgedRamp(slot: number, nowMs: number): Ramp | undefined {
    const ramp = this.#ramps.get(slot)
    const verdict = ramp?.judge(nowMs)
    if (verdict === 'RECOVERING') return ramp
    if (verdict === 'RELAPSE') this.breakers.trip(slot, nowMs)
    if (verdict === 'COMPLETE') {
      this.#endRamp(slot)
      this.#setFlags(slot, this.#flags(slot) & ~DEMOTED)
      this.#note('recovery:complete', slot, CLOSED, CLOSED, nowMs)
    }
    return undefined
  }

  #endRamp(slot: number): boolean {
    this.#setFlags(slot, this.#flags(slot) & ~RECOVERING)
    return this.#ramps.delete(slot)
  }

  #maxEjected(): number {
    return Math.max(1, Math.floor(this.#options.maxEjectedShare * this.#knownTargets()))
  }

  #flags(slot: number): number {
    return (this.#records.ints[slot * this.#records.stride + STATE]! >> FLAGS_SHIFT) & FLAGS_MASK
  }

  #setFlags(slot: number, flags: number): void {
    const at = slot * this.#records.stride + STATE
    this.#records.ints[at] = (this.#records.ints[at]! & ~(FLAGS_MASK << FLAGS_SHIFT)) | (flags << FLAGS_SHIFT)
  }

  #note(type: ProtectionEventType, slot: number, from: number, to: number, nowMs: number): void {
    this.#events.push([type, slot, from, to, nowMs])
  }

  #tell(): void {
    // Who is told may cause further events; those come after all there are now.
    while (this.#told < this.#events.length) this.#onEvent(...this.#events[this.#told++]!)
    this.#events.length = 0
    this.#told = 0
  }
}

/** What a negative answer of `admit` means for the caller. */
export function readRejection(
  table: ProtectionTable,
  slot: number,
  key: string,
  answer: number,
  nowMs: number
): Rejection {
  return {
    key,
    reason: rejectionReasons[-answer - 1]!,
    state: table.isIsolated(slot) ? 'OPEN' : circuitStates[table.state(slot, nowMs)]!,
    retryAfterMs: answer === REJECTED_OPEN ? table.retryAfterMs(slot, nowMs) : 0
  }
}
