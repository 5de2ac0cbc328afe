import { type BitswapProtectionInit, defaultBitswapProtectionOptions } from '../../bitswap/index.ts'
import { defaultRecoveryOptions, presets } from '../../core/index.ts'
import { durationText } from '../terminal/quantities.ts'

/** Size of the file. Read alone, it takes about a quarter of a minute from peers as distant as these. */
export const BLOCKS = 500
export const BLOCK_BYTES = 16 * 1024
/** How many blocks each reader asks for at a time. */
export const BLOCKS_AT_ONCE = 4
/** A reader that is not done by then, counted from the start of the process, is stopped. */
export const END_MS = 55_000

const openTimeoutMs = 2000
const breaker = { timeoutMs: 1500 }
const recovery = { recoveryIntervalMs: 300, cooldownPeriodMs: 1500 }

/** Times shortened for the show; everything else is as it is by default. */
export const shortenedOptions: BitswapProtectionInit = { openTimeoutMs, breaker, recovery }

/** A time that was shortened. */
export interface Shortened {
  readonly option: string
  readonly ms: number
  readonly usuallyMs: number
}

export const shortenedTimes: readonly Shortened[] = [
  { option: 'openTimeoutMs', ms: openTimeoutMs, usuallyMs: defaultBitswapProtectionOptions.openTimeoutMs },
  { option: 'breaker.timeoutMs', ms: breaker.timeoutMs, usuallyMs: presets.bitswap.timeoutMs! },
  {
    option: 'recovery.recoveryIntervalMs',
    ms: recovery.recoveryIntervalMs,
    usuallyMs: defaultRecoveryOptions.recoveryIntervalMs
  },
  {
    option: 'recovery.cooldownPeriodMs',
    ms: recovery.cooldownPeriodMs,
    usuallyMs: defaultRecoveryOptions.cooldownPeriodMs
  }
]

export function shortenedText(): string {
  const texts = shortenedTimes.map(
    ({ option, ms, usuallyMs }) => `${option} ${durationText(ms)} instead of ${durationText(usuallyMs)}`
  )
  return `Shortened for the show: ${texts.join(', ')}.`
}
