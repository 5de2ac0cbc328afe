import { type Clock, InvalidOptionError } from '../core/index.ts'
import { oneOf } from '../core/options.ts'
import { LoadRecorder } from './load-recorder.ts'
import { type Limits, type Load, type Tuning, tune } from './tuning.ts'

/** off: do nothing at all. suggest: only tell what would be changed. apply: change it. */
export type TuningMode = 'off' | 'suggest' | 'apply'

export const tuningModes: readonly TuningMode[] = Object.freeze(['off', 'suggest', 'apply'])

/** A change that was made, or would have been. */
export interface TuningRecord extends Tuning {
  /** In ms since 1970. */
  readonly at: number
  /** Whether it was made. */
  readonly isApplied: boolean
}

/** What tuning does. Plain, frozen data. */
export interface TuningStatus {
  readonly mode: TuningMode
  /** The values in force. */
  readonly limits: Limits
  /** What they would be in mode `apply`. */
  readonly suggested: Limits
  /** The last changes, oldest first. */
  readonly changes: readonly TuningRecord[]
}

type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] }

/** After this long, in ms, it is looked at what was observed. */
const PERIOD_MS = 30_000

/** Changes remembered. */
const MAX_CHANGES = 16

const modeRule = oneOf(tuningModes)

/**
 * Fits limits to what the node meets with, in small steps around what was configured.
 *
 * It is told what happens, and looks at it once a period when it is told something: it has no timer. In mode `suggest`
 * it goes through the same values as in `apply`, but nobody else sees them; so what is suggested is not so again and again.
 */
export class AutoTuner {
  /** The values in force, for who keeps to them: they are to be read anew each time. */
  readonly limits: Limits
  readonly #clock: Clock
  readonly #loopLagMs: () => number
  readonly #configured: Limits
  readonly #inForce: Mutable<Limits>
  readonly #suggested: Mutable<Limits>
  #mode: TuningMode = 'off'
  /** While the mode is not `off`. */
  #recorder: LoadRecorder | undefined
  #changes: TuningRecord[] = []

  /**
   * @param loopLagMs - by how much the event loop of this process is late, in ms
   * @throws InvalidOptionError
   */
  constructor(clock: Clock, loopLagMs: () => number, configured: Limits, mode: TuningMode = 'off') {
    this.#clock = clock
    this.#loopLagMs = loopLagMs
    this.#configured = copyOf(configured)
    this.#inForce = { ...this.#configured }
    this.#suggested = { ...this.#configured }
    this.limits = this.#inForce
    this.mode = mode
  }

  get mode(): TuningMode {
    return this.#mode
  }

  /** A change of it starts from what was configured. @throws InvalidOptionError */
  set mode(mode: TuningMode) {
    if (!modeRule.accepts(mode)) throw new InvalidOptionError('tuning', mode, modeRule.allowed)
    if (mode === this.#mode) return
    this.#mode = mode
    this.#recorder = mode === 'off' ? undefined : new LoadRecorder(PERIOD_MS, this.#clock.now())
    Object.assign(this.#inForce, this.#configured)
    Object.assign(this.#suggested, this.#configured)
  }

  /** A stream to a peer is open, after so long. */
  opened(elapsedMs: number): void {
    if (this.#recorder === undefined) return
    this.#recorder.opened(elapsedMs, this.#look(this.#recorder))
  }

  /** A want was answered, after so long. */
  answered(elapsedMs: number): void {
    if (this.#recorder === undefined) return
    this.#recorder.answered(elapsedMs, this.#look(this.#recorder))
  }

  /** A want failed by fault of its peer. @param isTimeout - whether because no answer came in time */
  failed(isTimeout: boolean): void {
    if (this.#recorder === undefined) return
    this.#look(this.#recorder)
    this.#recorder.failed(isTimeout)
  }

  /** A second peer is asked, out of the budget. */
  hedged(): void {
    if (this.#recorder === undefined) return
    this.#look(this.#recorder)
    this.#recorder.hedged()
  }

  /** A second peer was not asked, since the budget was spent. */
  hedgeRefused(): void {
    if (this.#recorder === undefined) return
    this.#look(this.#recorder)
    this.#recorder.hedgeRefused()
  }

  status(): TuningStatus {
    return Object.freeze({
      mode: this.#mode,
      limits: copyOf(this.#inForce),
      suggested: copyOf(this.#suggested),
      changes: Object.freeze([...this.#changes])
    })
  }

  /** Tunes if a period is over, before something is noted. Returns the time. */
  #look(recorder: LoadRecorder): number {
    const nowMs = this.#clock.now()
    if (recorder.isOver(nowMs)) {
      const load = recorder.takePeriod(nowMs)
      if (load !== undefined) this.#tune(load)
    }
    recorder.noted(this.#loopLagMs())
    return nowMs
  }

  #tune(load: Load): void {
    const isApplied = this.#mode === 'apply'
    const at = this.#clock.wallTime()
    for (const tuning of tune(load, this.#suggested, this.#configured)) {
      this.#suggested[tuning.option] = tuning.to
      if (isApplied) this.#inForce[tuning.option] = tuning.to
      if (this.#changes.length >= MAX_CHANGES) this.#changes.shift()
      this.#changes.push(Object.freeze({ at, isApplied, ...tuning }))
    }
  }
}

function copyOf({ openWaitMs, wantTimeoutMs, hedgeShare }: Limits): Limits {
  return Object.freeze({ openWaitMs, wantTimeoutMs, hedgeShare })
}
