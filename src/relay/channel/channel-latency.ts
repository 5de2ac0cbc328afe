import { build, type Histogram } from 'hdr-histogram-js'

/** Longer times count as this: ten minutes, in ms. */
const MAX_MS = 10 * 60_000

/**
 * How long a channel takes to answer. One digit is enough to tell a slow channel from others, and there may be ten thousand of
 * them: it takes 1 KiB, and nothing before the first answer.
 */
export class ChannelLatency {
  #histogram: Histogram | undefined

  record(elapsedMs: number): void {
    this.#histogram ??= build({
      bitBucketSize: 16,
      highestTrackableValue: MAX_MS,
      numberOfSignificantValueDigits: 1,
      useWebAssembly: false
    })
    this.#histogram.recordValue(Math.min(Math.max(1, Math.round(elapsedMs)), MAX_MS))
  }

  /** 95 of 100 answers took no longer than this, in ms; 0 if there was none. */
  get p95Ms(): number {
    return this.#histogram?.getValueAtPercentile(95) ?? 0
  }

  /** Forgets the answers there were. */
  rotate(): void {
    this.#histogram = undefined
  }
}
