import type { Reading } from './reading.ts'

/** A reading in figures. */
export interface Outcome {
  readonly finished: boolean
  /** Time for the whole file, or until it was stopped. */
  readonly totalMs: number
  readonly blocks: number
  readonly bytes: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly maxMs: number
}

export function outcomeOf(reading: Reading): Outcome {
  const times = reading.timesMs.toSorted((a, b) => a - b)
  // Blocks never got are not among them: what they waited for in vain is the longest.
  const { ending, idleMs } = reading.state
  const waitedMs = ending === 'DONE' ? 0 : idleMs
  return {
    finished: ending === 'DONE',
    totalMs: Math.round(reading.durationMs),
    blocks: times.length,
    bytes: reading.bytes,
    p50Ms: Math.round(percentile(times, 0.5)),
    p95Ms: Math.round(percentile(times, 0.95)),
    maxMs: Math.round(Math.max(times.at(-1) ?? 0, waitedMs))
  }
}

/** The smallest of the sorted values that at least this share of them do not exceed; 0 of none. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}
