import { LatencyHistogram } from '../core/latency-histogram.ts'
import type { Load } from './tuning.ts'

/** Counts what happens in one period after the other, in fixed memory. Times are in ms. */
export class LoadRecorder {
  readonly #periodMs: number
  /** Rotated when a period ends, so that they then hold what came in it, and no more. */
  readonly #opened: LatencyHistogram
  readonly #answered: LatencyHistogram
  #endsAtMs: number
  #notes = 0
  #loopLagSumMs = 0
  #timedOut = 0
  #failedOtherwise = 0
  #hedged = 0
  #hedgesRefused = 0

  constructor(periodMs: number, nowMs: number) {
    this.#periodMs = periodMs
    this.#opened = new LatencyHistogram(periodMs, nowMs)
    this.#answered = new LatencyHistogram(periodMs, nowMs)
    this.#endsAtMs = nowMs + periodMs
  }

  /** Whether the period is over: {@link takePeriod} comes before anything else is noted. */
  isOver(nowMs: number): boolean {
    return nowMs >= this.#endsAtMs
  }

  /** Something happened, while the event loop was late by so much. */
  noted(loopLagMs: number): void {
    this.#notes++
    this.#loopLagSumMs += loopLagMs
  }

  opened(elapsedMs: number, nowMs: number): void {
    this.#opened.record(elapsedMs, nowMs)
  }

  answered(elapsedMs: number, nowMs: number): void {
    this.#answered.record(elapsedMs, nowMs)
  }

  failed(isTimeout: boolean): void {
    if (isTimeout) this.#timedOut++
    else this.#failedOtherwise++
  }

  hedged(): void {
    this.#hedged++
  }

  hedgeRefused(): void {
    this.#hedgesRefused++
  }

  /** What was observed in the period that is over; `undefined` if another has passed since. Begins the next. */
  takePeriod(nowMs: number): Load | undefined {
    const lateMs = nowMs - this.#endsAtMs
    const load = lateMs < this.#periodMs ? this.#read(nowMs) : undefined
    this.#endsAtMs += (Math.floor(lateMs / this.#periodMs) + 1) * this.#periodMs
    this.#notes = 0
    this.#loopLagSumMs = 0
    this.#timedOut = 0
    this.#failedOtherwise = 0
    this.#hedged = 0
    this.#hedgesRefused = 0
    return load
  }

  #read(nowMs: number): Load {
    return {
      periodMs: this.#periodMs,
      loopLagMs: this.#notes === 0 ? 0 : this.#loopLagSumMs / this.#notes,
      opened: this.#opened.summary(nowMs),
      answered: this.#answered.summary(nowMs),
      timedOut: this.#timedOut,
      failedOtherwise: this.#failedOtherwise,
      hedged: this.#hedged,
      hedgesRefused: this.#hedgesRefused
    }
  }
}
