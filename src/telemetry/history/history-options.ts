import { durationMs, type Rules, resolveOptions, wholeNumber } from '../../core/options.ts'

/** How much is remembered. */
export interface HistoryOptions {
  /** How much time a point stands for, in ms, from 100. */
  intervalMs: number
  /** How many points are kept, from 2 to 100,000; of those of the default, a day. */
  maxPoints: number
}

export const defaultHistoryOptions: Readonly<HistoryOptions> = Object.freeze({
  intervalMs: 10_000,
  maxPoints: 8_640
})

const rules: Rules<HistoryOptions> = {
  intervalMs: durationMs(100),
  maxPoints: wholeNumber(2, 100_000)
}

/** @throws InvalidOptionError */
export function resolveHistoryOptions(
  options: Partial<HistoryOptions> | undefined
): Readonly<HistoryOptions> {
  return resolveOptions('history', defaultHistoryOptions, options, rules)
}
