import { Alarm } from './alarm.ts'
import { type BadRecords, readBadRecords, restoreBadRecords } from './bad-record.ts'
import { OPEN } from './breaker-table.ts'
import {
  type CallOptions,
  CallRunner,
  type Permit,
  type ProtectedFunction,
  timeoutError
} from './call-runner.ts'
import { MAX_IN_FLIGHT } from './call-table.ts'
import {
  type CircuitBreakerOptions,
  type CoreComponents,
  resolveCircuitBreakerOptions
} from './circuit-breaker.ts'
import { Cleanup } from './cleanup.ts'
import { type Clock, systemClock, systemRandom } from './clock.ts'
import { ProtectionClosedError, type RejectedError, rejectionError, TableFullError } from './errors.ts'
import { type ProtectionEvent, protectionEvent } from './events.ts'
import { type Explanation, explain } from './explain.ts'
import { type Health, type HealthOptions, readHealth, resolveHealthOptions } from './health-monitor.ts'
import type { HealthTable } from './health-table.ts'
import { DEFAULT_MAX_TARGETS, KeyTable, MAX_TARGETS, SHARED_SLOT } from './key-table.ts'
import { type Mode, modes } from './mode.ts'
import { Notifier } from './notifier.ts'
import { anyObject, durationMs, oneOf, type Rules, resolveOptions, share, wholeNumber } from './options.ts'
import { type PeerGlance, SlotGlance } from './peer-glance.ts'
import { type PresetName, presets } from './presets.ts'
import { ProtectionTable } from './protection-table.ts'
import { type RecoveryOptions, resolveRecoveryOptions } from './recovery-manager.ts'
import { readRejection } from './rejections.ts'
import { RollingFilter } from './rolling-filter.ts'
import {
  type OverallStatus,
  type PeerStatus,
  readOverallStatus,
  readPeerStatus,
  type StatusSource
} from './status.ts'

/** What the protection takes from its surroundings, if they have it. */
export interface ProtectionComponents extends CoreComponents {
  /**
   * Asked before a target is refused for what it did, besides `maxEjectedShare`. One that cannot be done without is
   * kept as last resort.
   */
  mayEject?: (key: string) => boolean
}

/** Options of the protection. */
export interface ProtectionOptions {
  /** Breaker options to start from. */
  preset: PresetName
  /** Breaker options that go before those of the preset. */
  breaker: Partial<CircuitBreakerOptions>
  health: Partial<HealthOptions>
  recovery: Partial<RecoveryOptions>
  mode: Mode
  /** Targets there are records of, at least 1. Beyond it the longest idle clean ones are forgotten. */
  maxTargets: number
  /** Calls in flight at once, 1 to 65535. */
  maxInFlight: number
  /**
   * Largest share of the known targets, above 0 up to 1, that is refused at once for what they did (one is always
   * allowed). Beyond it a target is kept as last resort.
   */
  maxEjectedShare: number
  /** How long a record of a target that did harm is kept at least, in ms since its last call. */
  badMaxAgeMs: number
}

export const defaultProtectionOptions: Readonly<ProtectionOptions> = Object.freeze({
  preset: 'bitswap',
  breaker: Object.freeze({}),
  health: Object.freeze({}),
  recovery: Object.freeze({}),
  mode: 'enforce',
  maxTargets: DEFAULT_MAX_TARGETS,
  maxInFlight: MAX_IN_FLIGHT,
  maxEjectedShare: 0.5,
  badMaxAgeMs: 60 * 60_000
})

export const protectionRules: Rules<ProtectionOptions> = {
  preset: oneOf(Object.keys(presets)),
  breaker: anyObject,
  health: anyObject,
  recovery: anyObject,
  mode: oneOf(modes),
  maxTargets: wholeNumber(1, MAX_TARGETS),
  maxInFlight: wholeNumber(1, MAX_IN_FLIGHT),
  maxEjectedShare: share,
  badMaxAgeMs: durationMs(0)
}

/** Shown for the one record that all targets share for which there was no room. */
const SHARED_KEY = '(others)'

/**
 * Guards calls to many targets: for each a circuit breaker, a health record, and gradual recovery after its
 * circuit was open. Nothing runs until the first call; then one timer for everything, which does not keep the
 * process alive.
 */
export class Protection {
  /** The inner form, by slot: integers only, nothing allocated. Slots come from {@link slot}. */
  readonly table: ProtectionTable
  readonly #options: Readonly<ProtectionOptions>
  readonly #breakerOptions: Readonly<CircuitBreakerOptions>
  readonly #healthOptions: Readonly<HealthOptions>
  readonly #clock: Clock
  readonly #health: HealthTable
  readonly #keys: KeyTable
  /** Targets that there was no room for any more, and that were bad. */
  readonly #wereBad: RollingFilter
  readonly #runner: CallRunner
  readonly #notifier: Notifier<ProtectionEvent>
  readonly #alarm: Alarm
  readonly #cleanup: Cleanup
  #isClosed = false

  /** @throws InvalidOptionError */
  constructor(options: Partial<ProtectionOptions> = {}, components: ProtectionComponents = {}) {
    this.#options = resolveOptions('protection', defaultProtectionOptions, options, protectionRules)
    this.#breakerOptions = resolveCircuitBreakerOptions(this.#options.breaker, presets[this.#options.preset])
    this.#healthOptions = resolveHealthOptions(this.#options.health)
    this.#clock = components.clock ?? systemClock
    this.#notifier = new Notifier(components.onListenerError ?? (() => {}))
    const now = this.#clock.now()
    this.table = new ProtectionTable(
      {
        breaker: this.#breakerOptions,
        health: this.#healthOptions,
        recovery: resolveRecoveryOptions(this.#options.recovery),
        maxInFlight: this.#options.maxInFlight,
        maxEjectedShare: this.#options.maxEjectedShare
      },
      this.#options.mode,
      components.random ?? systemRandom,
      now,
      {
        known: () => this.#keys.size,
        mayEject: slot => slot === SHARED_SLOT || (components.mayEject?.(this.#key(slot)) ?? true)
      },
      (type, slot, from, to, nowMs) => {
        if (!this.#notifier.hasListeners) return
        this.#notifier.tell(protectionEvent(type, this.#key(slot), from, to, nowMs + this.#wallOffsetMs()))
      }
    )
    this.#health = this.table.health!
    this.#wereBad = new RollingFilter(this.#options.badMaxAgeMs, components.random ?? systemRandom)
    this.#keys = new KeyTable(
      this.#options.maxTargets,
      {
        resize: slots => this.table.resize(slots),
        reset: (slot, nowMs, key) => this.#reset(slot, nowMs, key),
        lastUsed: slot => this.#health.lastUsed(slot),
        isEvictable: (slot, nowMs) => this.#isForgettable(slot, nowMs)
      },
      {
        isReducible: (slot, nowMs) => this.#isReducible(slot, nowMs),
        reduce: (key, nowMs) => this.#wereBad.add(key, nowMs)
      }
    )
    this.#cleanup = new Cleanup(
      this.#keys,
      this.#healthOptions.cleanupIntervalMs,
      (slot, nowMs) =>
        nowMs - this.#health.lastUsed(slot) > this.#healthOptions.maxAgeMs && this.#isForgettable(slot, nowMs)
    )
    this.table.reset(SHARED_SLOT, now)
    this.#runner = new CallRunner(this.table, this.#clock, this.#breakerOptions)
    this.#alarm = new Alarm(
      this.#clock,
      () => Math.min(this.table.nextWake, this.#cleanup.next),
      nowMs => this.#wake(nowMs)
    )
    this.table.onEarlierWake = () => this.#alarm.check()
  }

  get mode(): Mode {
    return this.table.mode
  }

  /** @throws InvalidOptionError */
  set mode(mode: Mode) {
    this.table.mode = mode
  }

  /**
   * Calls `fn` on behalf of the target `key`, if the target may be called, and lets the end of it count.
   *
   * A call with `signal` or `timeoutMs` ends with that, even if `fn` does not heed it. Without them the promise
   * lasts as long as that of `fn`, which is handed a signal that is aborted after `hungCallMs`.
   *
   * @throws RejectedError when it is not admitted; what `fn` throws; the signal's reason; CallTimeoutError;
   * ProtectionClosedError; InvalidOptionError
   */
  executeRequest<Value>(key: string, fn: ProtectedFunction<Value>, options?: CallOptions): Promise<Value> {
    if (this.#isClosed) return Promise.reject(new ProtectionClosedError())
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason)
    const invalid = timeoutError(options?.timeoutMs)
    if (invalid !== undefined) return Promise.reject(invalid)
    const now = this.#clock.now()
    const slot = this.slot(key, now)
    const token = this.table.admit(slot, now, options?.timeoutMs)
    if (token < 0) return Promise.reject(this.#rejection(slot, key, token, now))
    return this.#runner.run(slot, token, key, fn, options)
  }

  /**
   * The two-step form of {@link executeRequest}: admits a call, to be settled by the permit.
   *
   * @throws RejectedError when it is not admitted; ProtectionClosedError; InvalidOptionError
   */
  admit(key: string, options?: { timeoutMs?: number | undefined }): Permit {
    if (this.#isClosed) throw new ProtectionClosedError()
    const invalid = timeoutError(options?.timeoutMs)
    if (invalid !== undefined) throw invalid
    const now = this.#clock.now()
    const slot = this.slot(key, now)
    const token = this.table.admit(slot, now, options?.timeoutMs)
    if (token < 0) throw this.#rejection(slot, key, token, now)
    return this.#runner.permit(slot, token)
  }

  /** Whether a call would be admitted now. Asking makes a record of the target, as calling does. */
  canAdmit(key: string): boolean {
    const now = this.#clock.now()
    return !this.#isClosed && this.table.wouldAdmit(this.slot(key, now), now) === 0
  }

  /** The slot of a target, for the inner form; given one if it had none. Good until another target is given one. */
  slot(key: string, nowMs: number): number {
    const slot = this.#keys.claim(key, nowMs)
    if (!this.#cleanup.isPlanned) this.#planCleanup(nowMs)
    return slot
  }

  /** Keeps a target from being called until {@link release}. @throws TableFullError */
  isolate(key: string): void {
    const now = this.#clock.now()
    const slot = this.slot(key, now)
    if (slot === SHARED_SLOT) throw new TableFullError(key)
    this.table.isolate(slot, now)
  }

  /** Ends {@link isolate}: the target is treated as it would be without it. */
  release(key: string): void {
    const slot = this.#keys.find(key)
    if (slot >= 0) this.table.release(slot, this.#clock.now())
  }

  /**
   * Holds a target back on one sign of trouble, until {@link clearSuspicion} or {@link trip}. Whoever suspects it
   * must find out which it is to be: time alone does not end it.
   *
   * @returns whether that is new; a target without a record of its own, or with an OPEN circuit, is not suspected
   */
  suspect(key: string): boolean {
    const now = this.#clock.now()
    const slot = this.slot(key, now)
    return slot !== SHARED_SLOT && this.table.suspect(slot, now)
  }

  /** Ends {@link suspect}: the target is treated as it would be without it. Returns whether it was suspected. */
  clearSuspicion(key: string): boolean {
    const slot = this.#keys.find(key)
    const wasSuspect = slot >= 0 && this.table.isSuspect(slot)
    if (wasSuspect) this.table.clearSuspicion(slot)
    return wasSuspect
  }

  /** Opens the circuit of a target that was found not to respond at all. */
  trip(key: string): void {
    const now = this.#clock.now()
    const slot = this.slot(key, now)
    if (slot !== SHARED_SLOT) this.table.trip(slot, now)
  }

  /**
   * Lets a target whose circuit is OPEN be probed now, not only when its time is up: it was found to answer again. Its probes
   * decide, as they do after that time. Returns whether it was OPEN.
   */
  retryNow(key: string): boolean {
    const slot = this.#keys.find(key)
    return slot >= 0 && this.table.endOpen(slot, this.#clock.now())
  }

  /**
   * Refuses a target whose circuit is OPEN on proof of what it did, even if that makes too many. Returns whether it is
   * refused.
   */
  ejectAnyway(key: string): boolean {
    const slot = this.#keys.find(key)
    return slot >= 0 && this.table.ejectAnyway(slot, this.#clock.now())
  }

  /** Keeps a refused target as last resort if it cannot be done without any more. Returns whether that is so. */
  reconsider(key: string): boolean {
    const slot = this.#keys.find(key)
    return slot >= 0 && this.table.reconsider(slot)
  }

  /** Whether a target is refused for what it did. */
  isEjected(key: string): boolean {
    const slot = this.#keys.find(key)
    return slot >= 0 && this.table.isEjected(slot)
  }

  isSuspect(key: string): boolean {
    const slot = this.#keys.find(key)
    return slot >= 0 && this.table.isSuspect(slot)
  }

  /** Whether nothing is held against a target: its circuit is CLOSED, and it is neither recovering nor suspect. */
  isSteady(key: string): boolean {
    const now = this.#clock.now()
    const slot = this.#keys.find(key)
    return slot < 0 || this.table.isSteady(slot, now)
  }

  /** What is known of a target; `undefined` when there is no record of it. */
  getPeerStatus(key: string): PeerStatus | undefined {
    const source = this.#source()
    const slot = this.#keys.find(key)
    return slot < 0 ? undefined : readPeerStatus(source, slot)
  }

  /** A target's health; `undefined` when there is no record of it. */
  getHealth(key: string): Health | undefined {
    const { nowMs } = this.#source()
    const slot = this.#keys.find(key)
    return slot < 0 ? undefined : readHealth(this.#health, slot, nowMs)
  }

  /** What is known of all targets together. */
  getOverallStatus(): OverallStatus {
    return readOverallStatus(this.#source())
  }

  /** Why a target is treated as it is; `undefined` when there is no record of it. */
  explain(key: string): Explanation | undefined {
    const status = this.getPeerStatus(key)
    return status === undefined ? undefined : explain(status, this.#clock.wallTime())
  }

  /** The status of each target there is a record of. */
  *peers(): Generator<PeerStatus> {
    const source = this.#source()
    for (const slot of this.#keys.slots()) yield readPeerStatus(source, slot)
  }

  /**
   * A glance at each target there is a record of: to pick some of many by, at a part of what {@link peers} costs. Each is to be
   * read at once, and not to be kept: {@link getPeerStatus} tells all of the target by its key.
   */
  *glances(): Generator<PeerGlance> {
    const source = this.#source()
    for (const slot of this.#keys.slots()) yield new SlotGlance(source, slot)
  }

  /**
   * What is held against targets, to be kept beyond a restart: of those whose circuit opened at most `maxAgeMs` ago and
   * that have not been forgiven since, or that are isolated.
   */
  badRecords(maxAgeMs: number): BadRecords {
    return readBadRecords(this.#source(), maxAgeMs)
  }

  /**
   * Takes up what was held against targets before a restart, the first ones first, for half of the table at most. What
   * was learned since goes before it. No circuit stays OPEN longer than the options allow, and none closes untried.
   *
   * @param saved - from {@link badRecords}
   * @param maxAgeMs - longest time ago an event is taken to have been
   * @returns how many records were taken up
   */
  restore(saved: BadRecords, maxAgeMs: number): number {
    const source = this.#source()
    const restored = restoreBadRecords(saved, source, this.#options.maxTargets, maxAgeMs)
    if (restored > 0 && !this.#cleanup.isPlanned) this.#planCleanup(source.nowMs)
    return restored
  }

  /** Adds a listener for all events; the function returned removes it. */
  onEvent(listener: (event: ProtectionEvent) => void): () => void {
    return this.#notifier.subscribe(listener)
  }

  /**
   * Stops the timer until {@link resume} or a call that needs it. Nothing is forgotten, and what is due in the
   * meantime takes effect when it is asked for.
   */
  pause(): void {
    this.#alarm.pause()
  }

  resume(): void {
    this.#alarm.check()
  }

  /** Stops the timer and admits no more calls. Those in flight go on, without a time limit from here on. */
  close(): void {
    this.#isClosed = true
    this.#alarm.stop()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #key(slot: number): string {
    return this.#keys.key(slot) ?? SHARED_KEY
  }

  #wallOffsetMs(): number {
    return this.#clock.wallTime() - this.#clock.now()
  }

  #source(): StatusSource {
    const nowMs = this.#clock.now()
    this.table.catchUp(nowMs)
    return {
      table: this.table,
      health: this.#health,
      keys: this.#keys,
      nowMs,
      wallOffsetMs: this.#wallOffsetMs()
    }
  }

  #rejection(slot: number, key: string, answer: number, nowMs: number): RejectedError {
    return rejectionError(readRejection(this.table, slot, key, answer, nowMs))
  }

  /** Whether a record may go: at once if clean, after long idling if bad, never while in use or isolated. */
  #isForgettable(slot: number, nowMs: number): boolean {
    if (this.table.isClean(slot, nowMs)) return true
    return !this.#isInUse(slot) && nowMs - this.#health.lastUsed(slot) > this.#options.badMaxAgeMs
  }

  #isInUse(slot: number): boolean {
    return this.table.inFlight(slot) > 0 || this.table.isIsolated(slot)
  }

  /** Whether it does to remember that the target was bad: it may be called again, if only to find out. */
  #isReducible(slot: number, nowMs: number): boolean {
    const isHeldBack = this.table.isSuspect(slot) || this.table.breakers.state(slot, nowMs) === OPEN
    return !isHeldBack && !this.#isInUse(slot)
  }

  #reset(slot: number, nowMs: number, key: string | undefined): void {
    this.table.reset(slot, nowMs)
    if (key !== undefined && this.#wereBad.has(key, nowMs)) this.table.discredit(slot, nowMs)
  }

  #planCleanup(nowMs: number): void {
    this.#cleanup.plan(nowMs)
    this.#alarm.check()
  }

  #wake(nowMs: number): void {
    this.table.wake(nowMs)
    if (this.#cleanup.turn(nowMs)) this.table.capEjected()
  }
}
