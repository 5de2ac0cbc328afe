import { InvalidOptionError } from '../../core/index.ts'
import {
  anyObject,
  durationMs,
  numberBetween,
  type Rule,
  type Rules,
  resolveOptions,
  trueOrFalse,
  wholeNumber
} from '../../core/options.ts'

/** What endpoints are watched for. Durations in ms; `false` for what is not to be. */
export interface EndpointAlerts {
  /** The share of answers and failures in the window that are failures: above this is too many. From 0 to 1. */
  connectionFailureRate: number | false
  /** Mean time to an answer in the window: above this is too long. From 1. */
  averageLatencyMs: number | false
  /** Whether an OPEN circuit is to be told. */
  circuitBreakerOpen: boolean
  /** Failures in a row: as many are too many. From 1. */
  consecutiveFailures: number | false
}

/** What nodes and their peers are watched for. Durations in ms; `false` for what is not to be. */
export interface BitswapAlerts {
  /** The share of wants in the window that failed: above this is too many. From 0 to 1. */
  wantFailureRate: number | false
  /** Mean time from a want to its answer in the window: above this is too long. From 1. */
  averageAnswerMs: number | false
  /** The share of peers whose circuit is OPEN: above this is too many. From 0 to 1. */
  openCircuitShare: number | false
  /** Wants that failed since one was last answered, whoever was asked: as many are too many. From 1. */
  consecutiveFailures: number | false
}

/** When somebody is to be told. Durations in ms. */
export interface AlertOptions extends EndpointAlerts {
  bitswap: Partial<BitswapAlerts>
  /** How often all is looked at, from 100. */
  intervalMs: number
  /** Over how long rates and means are taken: from 1000, and from `intervalMs` up to a thousand times that. */
  windowMs: number
  /** In a window of fewer events nothing is said about rates and means, from 1. */
  minEvents: number
  /** How long it has to be bad until that is told; and how long good, from 0. Open circuits and failures in a row are told at once. */
  fireAfterMs: number
  resolveAfterMs: number
}

export const defaultBitswapAlerts: Readonly<BitswapAlerts> = Object.freeze({
  wantFailureRate: 0.05,
  averageAnswerMs: 500,
  openCircuitShare: 0.5,
  consecutiveFailures: 10
})

export const defaultAlertOptions: Readonly<AlertOptions> = Object.freeze({
  connectionFailureRate: 0.05,
  averageLatencyMs: 500,
  circuitBreakerOpen: true,
  consecutiveFailures: 3,
  bitswap: Object.freeze({}),
  intervalMs: 5_000,
  windowMs: 60_000,
  minEvents: 10,
  fireAfterMs: 10_000,
  resolveAfterMs: 30_000
})

/** What was seen at each look is kept for the length of the window. */
const MAX_LOOKS = 1_000

const endpointRules: Rules<EndpointAlerts> = {
  connectionFailureRate: orFalse(numberBetween(0, 1)),
  averageLatencyMs: orFalse(durationMs(1)),
  circuitBreakerOpen: trueOrFalse,
  consecutiveFailures: orFalse(wholeNumber(1, 1_000_000))
}

const bitswapRules: Rules<BitswapAlerts> = {
  wantFailureRate: orFalse(numberBetween(0, 1)),
  averageAnswerMs: orFalse(durationMs(1)),
  openCircuitShare: orFalse(numberBetween(0, 1)),
  consecutiveFailures: orFalse(wholeNumber(1, 1_000_000))
}

const rules: Rules<AlertOptions> = {
  ...endpointRules,
  bitswap: anyObject,
  intervalMs: durationMs(100),
  windowMs: durationMs(1_000),
  minEvents: wholeNumber(1, 1_000_000),
  fireAfterMs: durationMs(0),
  resolveAfterMs: durationMs(0)
}

/** Options that were checked. */
export interface AlertSetup extends Omit<Readonly<AlertOptions>, 'bitswap'> {
  readonly bitswap: Readonly<BitswapAlerts>
}

/** @throws InvalidOptionError */
export function resolveAlertOptions(options: Partial<AlertOptions> | undefined): AlertSetup {
  const resolved = resolveOptions('alerts', defaultAlertOptions, options, rules)
  const bitswap = resolveOptions('alerts.bitswap', defaultBitswapAlerts, resolved.bitswap, bitswapRules)
  const { windowMs, intervalMs } = resolved
  if (windowMs >= intervalMs && windowMs <= MAX_LOOKS * intervalMs)
    return Object.freeze({ ...resolved, bitswap })
  throw new InvalidOptionError(
    'alerts.windowMs',
    windowMs,
    `from intervalMs, ${intervalMs}, up to ${MAX_LOOKS} times that`
  )
}

function orFalse(rule: Rule): Rule {
  return { allowed: `${rule.allowed}, or false`, accepts: value => value === false || rule.accepts(value) }
}
