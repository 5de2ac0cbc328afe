import { seededRandom } from './harness.ts'

const RESAMPLES = 10_000

/** A median, and the interval it lies in with a confidence of 95 %. */
export interface Interval {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** The bootstrap interval of the median (Efron's percentile method). */
export function medianInterval(samples: readonly number[], seed: number): Interval {
  const random = seededRandom(seed)
  const medians = Float64Array.from({ length: RESAMPLES }, () =>
    median(Array.from(samples, () => samples[Math.floor(random() * samples.length)]!))
  ).sort()
  return {
    median: median(samples),
    low: medians[Math.floor(0.025 * RESAMPLES)]!,
    high: medians[Math.floor(0.975 * RESAMPLES)]!
  }
}

export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2
}
