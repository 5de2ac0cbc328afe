import { BreakerTable, stateCodes } from './breaker-table.ts'
import type { CircuitBreakerOptions, Counts } from './circuit-breaker.ts'
import { EjectionCap, type Targets } from './ejection-cap.ts'
import { SLOTS_PER_TURN } from './key-table.ts'
import { outcomeCodes } from './outcome.ts'
import { Ramp, rampRates } from './ramp.ts'
import { type RecordStore, slotFlags } from './record-store.ts'
import type { RecoveryOptions } from './recovery-manager.ts'
import { rejectionCodes } from './rejections.ts'
import type { SlotEvents } from './slot-events.ts'
import type { PastTrip, TripReason, TripRecord } from './trip-record.ts'

const { CLOSED, OPEN, HALF_OPEN } = stateCodes
const { failure: FAILURE, ignored: IGNORED } = outcomeCodes
const { RECOVERING, SUSPECT } = slotFlags
const { REJECTED_RECOVERING } = rejectionCodes

/** While targets are OPEN, their times are looked at no more often than this, in ms. */
const LEAST_CHECK_INTERVAL_MS = 250

/** Resolved options of a table. */
export interface CircuitTableOptions {
  readonly breaker: Readonly<CircuitBreakerOptions>
  /** Without it a circuit that closes takes all calls at once. */
  readonly recovery: Readonly<RecoveryOptions> | undefined
  readonly maxEjectedShare: number
}

/** A circuit as it was before; times are in ms, as of the table. */
export interface PastCircuit {
  readonly isOpen: boolean
  /** When an open one may be probed. */
  readonly openUntilMs: number
  /** Whether one that is not open was on its ramp. */
  readonly isRecovering: boolean
  readonly trips: number
  readonly relapses: number
  readonly lastTrip: PastTrip | undefined
}

/**
 * The circuits of many targets by slot: the breaker of each, the ramp on which it recovers when it has closed, and
 * the cap on how many may be OPEN at once.
 *
 * What changes is noted as events, to be told when the change is complete: by the caller after `admit`,
 * `wouldAdmit` and `record`, which are part of a larger change; otherwise here.
 */
export class CircuitTable {
  readonly breakers: BreakerTable
  readonly cap: EjectionCap
  readonly #records: RecordStore
  readonly #recovery: Readonly<RecoveryOptions> | undefined
  readonly #rates: readonly number[]
  readonly #ramps = new Map<number, Ramp>()
  readonly #lastTrips = new Map<number, PastTrip>()
  /** Set while a circuit is opened for what its adapter found out. */
  #isUnresponsive = false
  /** Slots that are OPEN or HALF_OPEN. */
  readonly #unclosed = new Set<number>()
  readonly #halfOpenTimeoutMs: number
  readonly #events: SlotEvents
  #nextCheck = Infinity
  /** Those of them that the check under way has yet to look at; `undefined` while there is none. */
  #unchecked: Iterable<number> | undefined
  /** When the check after that one is wanted, in ms. */
  #followingCheck = Infinity
  readonly #onEarlierCheck: () => void

  /** @param onEarlierCheck - called when {@link nextCheck} has become earlier than it was */
  constructor(
    options: CircuitTableOptions,
    random: () => number,
    targets: Targets,
    events: SlotEvents,
    onEarlierCheck: () => void
  ) {
    this.breakers = new BreakerTable(options.breaker, random, (slot, from, to, nowMs) =>
      this.#onStateChange(slot, from, to, nowMs)
    )
    this.#records = this.breakers.records
    this.#recovery = options.recovery
    this.#rates = options.recovery === undefined ? [] : rampRates(options.recovery)
    this.cap = new EjectionCap(this.#records, options.maxEjectedShare, targets)
    this.#halfOpenTimeoutMs = options.breaker.halfOpenTimeoutMs || Infinity
    this.#events = events
    this.#onEarlierCheck = onEarlierCheck
  }

  /** Starts a slot afresh, for a new target. */
  reset(slot: number, nowMs: number): void {
    this.cap.endEjection(slot)
    this.#unclosed.delete(slot)
    this.#ramps.delete(slot)
    this.#lastTrips.delete(slot)
    this.#records.clearFlags(slot)
    this.breakers.reset(slot, nowMs)
  }

  /** Admits a call, or says why not. */
  admit(slot: number, nowMs: number): number {
    if (this.#records.hasFlag(slot, RECOVERING) && this.#judgedRamp(slot, nowMs)?.take() === false)
      return REJECTED_RECOVERING
    return this.breakers.admit(slot, nowMs)
  }

  /** What {@link admit} would answer, without taking anything. */
  wouldAdmit(slot: number, nowMs: number): number {
    if (this.#records.hasFlag(slot, RECOVERING) && this.#judgedRamp(slot, nowMs)?.wouldTake === false)
      return REJECTED_RECOVERING
    return this.breakers.wouldAdmit(slot, nowMs)
  }

  /** Records how an admitted call ended, as of {@link BreakerTable.record}. */
  record(slot: number, generation: number, bucketEnd: number, outcome: number, nowMs: number): boolean {
    // The ramp it was admitted on, not one that its result starts.
    const ramp = this.#records.hasFlag(slot, RECOVERING) ? this.#ramps.get(slot) : undefined
    if (!this.breakers.record(slot, generation, bucketEnd, outcome, nowMs)) return false
    if (ramp !== undefined && outcome !== IGNORED) {
      ramp.record(outcome === FAILURE)
      this.#judgedRamp(slot, nowMs)
    }
    return true
  }

  /** Opens a circuit because the target was found not to respond at all. */
  trip(slot: number, nowMs: number): void {
    this.#isUnresponsive = true
    this.breakers.trip(slot, nowMs)
    this.#isUnresponsive = false
    this.#events.tell()
  }

  /** Has an OPEN circuit probed before its time. Returns whether it was OPEN. */
  endOpen(slot: number, nowMs: number): boolean {
    const wasOpen = this.breakers.endOpen(slot, nowMs)
    this.#events.tell()
    return wasOpen
  }

  /**
   * Takes up a circuit where it was before. One that was HALF_OPEN was open until now; one that was recovering begins
   * anew. That is told as no change, but for what time has brought since.
   */
  restore(slot: number, past: PastCircuit, nowMs: number): void {
    const sinceMs = past.isOpen ? (past.lastTrip?.atMs ?? nowMs) : nowMs
    const { isOpen, trips, relapses, openUntilMs } = past
    this.breakers.restore(slot, isOpen ? OPEN : CLOSED, trips, relapses, sinceMs, openUntilMs)
    if (past.lastTrip !== undefined) this.#lastTrips.set(slot, past.lastTrip)
    if (past.isOpen) {
      this.#awaitEnd(slot)
      // One that is to be probed now takes no room from the others.
      if (this.breakers.state(slot, nowMs) === OPEN) this.cap.ejectAgain(slot)
    } else if (past.isRecovering) this.#startRamp(slot, nowMs)
  }

  /** The longest time a circuit may stay OPEN, in ms. */
  get longestOpenMs(): number {
    return Math.max(this.breakers.longestOpenMs, this.#recovery?.cooldownPeriodMs ?? 0)
  }

  /** The circuit's state at `nowMs`, after all that time calls for: a period that is over, a ramp that ends. */
  state(slot: number, nowMs: number): number {
    if (this.#records.hasFlag(slot, RECOVERING)) this.#judgedRamp(slot, nowMs)
    const state = this.breakers.state(slot, nowMs)
    if (!this.#events.isEmpty) this.#events.tell()
    return state
  }

  /** Whole ms until an OPEN target may be probed; 0 for one that is not OPEN. */
  retryAfterMs(slot: number, nowMs: number): number {
    if (this.state(slot, nowMs) !== OPEN) return 0
    // The period is over strictly after its end.
    return Math.floor(this.breakers.expiry(slot) - nowMs) + 1
  }

  /** Whether the circuit is CLOSED, no trip of it remembered, and nothing else noted of the target. */
  isClean(slot: number, nowMs: number): boolean {
    return (
      this.#records.flags(slot) === 0 &&
      this.breakers.state(slot, nowMs) === CLOSED &&
      this.breakers.trips(slot, nowMs) === 0
    )
  }

  /** The ramp of a target that is recovering at `nowMs`. */
  ramp(slot: number, nowMs: number): Ramp | undefined {
    this.state(slot, nowMs)
    return this.#ramps.get(slot)
  }

  get recovering(): number {
    return this.#ramps.size
  }

  /** How the circuit last came to open; `undefined` if it never did. */
  lastTrip(slot: number): TripRecord | undefined {
    return this.#lastTrips.get(slot)?.trip
  }

  /** When that was, in ms. */
  lastTripAt(slot: number): number | undefined {
    return this.#lastTrips.get(slot)?.atMs
  }

  /** When {@link check} should be called next, in ms; Infinity when nothing is waited for. */
  get nextCheck(): number {
    return this.#nextCheck
  }

  /** Lets time pass for all slots, so many at a time: as long as {@link nextCheck} is not later than `nowMs` there are more. */
  check(nowMs: number): void {
    if (nowMs < this.#nextCheck) return
    this.#unchecked ??= this.#beginCheck()
    let left = SLOTS_PER_TURN
    // The iterator of a set goes on where it was left, and comes to what has been added since.
    for (const slot of this.#unchecked) {
      this.breakers.state(slot, nowMs)
      // Probes not yet admitted have no deadline yet; they get it within this time.
      this.#checkBy(Math.min(this.breakers.expiry(slot), nowMs + this.#halfOpenTimeoutMs) + 1)
      if (--left === 0) break
    }
    if (left > 0) this.#endCheck(nowMs)
    this.#events.tell()
  }

  #beginCheck(): Iterable<number> {
    this.#followingCheck = Infinity
    return this.#unclosed.values()
  }

  #endCheck(nowMs: number): void {
    this.#unchecked = undefined
    this.#nextCheck = Math.max(this.#followingCheck, nowMs + LEAST_CHECK_INTERVAL_MS)
  }

  /** Has a slot looked at not later than that. A period is over only after its end, so it is to be just after it. */
  #checkBy(atMs: number): void {
    // The check under way may be past the slot.
    if (atMs < this.#followingCheck) this.#followingCheck = atMs
    if (atMs >= this.#nextCheck) return
    this.#nextCheck = atMs
    this.#onEarlierCheck()
  }

  #onStateChange(slot: number, from: number, to: number, nowMs: number): void {
    if (from === OPEN) this.cap.endEjection(slot)
    if (to === OPEN) this.#enterOpen(slot, from, nowMs)
    else if (to === HALF_OPEN) this.#events.note('circuit:half-open', slot, from, to, nowMs)
    else this.#enterClosed(slot, from, nowMs)
  }

  #enterOpen(slot: number, from: number, nowMs: number): void {
    this.#records.lowerFlag(slot, SUSPECT)
    const relapsed = this.#endRamp(slot)
    if (relapsed) this.breakers.stayOpen(slot, nowMs + this.#recovery!.cooldownPeriodMs)
    const counts = Object.freeze(this.breakers.finalCounts())
    const trip = Object.freeze({ reason: this.#tripReason(from, relapsed, counts), counts })
    this.#lastTrips.set(slot, { trip, atMs: nowMs })
    this.#events.note('circuit:open', slot, from, OPEN, nowMs)
    if (relapsed) this.#events.note('recovery:relapse', slot, from, OPEN, nowMs)
    this.#awaitEnd(slot)
    this.cap.eject(slot)
  }

  #awaitEnd(slot: number): void {
    this.#unclosed.add(slot)
    this.#checkBy(this.breakers.expiry(slot) + 1)
  }

  #tripReason(from: number, relapsed: boolean, counts: Readonly<Counts>): TripReason {
    if (this.#isUnresponsive) return 'UNRESPONSIVE'
    if (relapsed) return 'RELAPSE'
    if (from === CLOSED) return 'FAILURES'
    return counts.totalFailures > 0 ? 'PROBE_FAILED' : 'PROBES_OVERDUE'
  }

  #enterClosed(slot: number, from: number, nowMs: number): void {
    this.#unclosed.delete(slot)
    this.#events.note('circuit:close', slot, from, CLOSED, nowMs)
    if (this.#startRamp(slot, nowMs)) this.#events.note('recovery:start', slot, from, CLOSED, nowMs)
    else this.cap.endDemotion(slot)
  }

  /** Returns whether there is such a thing as a ramp. */
  #startRamp(slot: number, nowMs: number): boolean {
    if (this.#recovery === undefined) return false
    this.#ramps.set(slot, new Ramp(this.#recovery, this.#rates, nowMs, this.breakers.proof(slot, nowMs)))
    this.#records.raiseFlag(slot, RECOVERING)
    return true
  }

  /** The ramp of a recovering slot; `undefined` if the time has come for it to end. */
  #judgedRamp(slot: number, nowMs: number): Ramp | undefined {
    const ramp = this.#ramps.get(slot)
    const verdict = ramp?.judge(nowMs)
    if (verdict === 'RECOVERING') return ramp
    if (verdict === 'RELAPSE') this.breakers.trip(slot, nowMs)
    if (verdict === 'COMPLETE') {
      this.#endRamp(slot)
      this.cap.endDemotion(slot)
      this.#events.note('recovery:complete', slot, CLOSED, CLOSED, nowMs)
    }
    return undefined
  }

  #endRamp(slot: number): boolean {
    this.#records.lowerFlag(slot, RECOVERING)
    return this.#ramps.delete(slot)
  }
}
