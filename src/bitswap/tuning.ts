import type { LatencySummary } from '../core/latency-histogram.ts'

/** Options of the service that may change while it runs. What they mean stands in `bitswap-options.ts`. */
export interface Limits {
  readonly openWaitMs: number
  readonly wantTimeoutMs: number
  readonly hedgeShare: number
}

/** What was observed of all peers together in a period. */
export interface Load {
  readonly periodMs: number
  /** By how much the event loop of this process was late when something happened, on average, in ms. */
  readonly loopLagMs: number
  /** Times streams took to open, also of those that nobody waited for any longer. */
  readonly opened: LatencySummary
  /** Times wants took that were answered. One that timed out is not among them, however late its answer came. */
  readonly answered: LatencySummary
  /** Wants that failed because no answer came in time, and those that failed for other reasons. */
  readonly timedOut: number
  readonly failedOtherwise: number
  /** Hedges made, and those that would have been made but for the budget. */
  readonly hedged: number
  readonly hedgesRefused: number
}

/** A change of one option, and in a sentence what it follows from. */
export interface Tuning {
  readonly option: keyof Limits
  readonly from: number
  readonly to: number
  readonly reason: string
}

/** What an option should be, however far that is. */
interface Aim {
  readonly value: number
  readonly reason: string
}

type Rule = (load: Load, current: number, configured: number) => Aim | undefined

interface Range {
  readonly min: number
  readonly max: number
}

/** Fewer samples than this say too little of all peers: Envoy's minimum for its success rate outliers. */
const MIN_SAMPLES = 100

/** While the event loop is later than this, in ms, it is this process that is slow: what `Deadlines` takes for a stall. */
const MAX_LOOP_LAG_MS = 75

/** A smaller change than by a quarter is not worth it: values would flutter with every period. */
const LEAST_CHANGE = 1 / 4

/** A value goes by this factor at most at a time. */
const MAX_STEP = 2

/** A value stays within this factor of what was configured. */
const MAX_FACTOR = 4

/**
 * Beyond these no value goes, unless it was configured so.
 *
 * `openWaitMs`: scheduling and garbage collection alone take up to 100 ms; a caller is kept no longer than the 2 s
 * after which Bitcoin Core takes a peer for stalling. `wantTimeoutMs`: a peer that opens streams fast but is slow to
 * find blocks would not be known as slow if it was timed out before its first answer, and boxo allows 2 s for that
 * (MaxExpectedWantProcessTime), as libtorrent does for any request; 10 s is the longest silence `PeerJudge` puts up
 * with. `hedgeShare` never falls below what was configured, and a quarter more load is the most peers are asked to bear.
 */
const hardRanges: { readonly [Option in keyof Limits]: Range } = {
  openWaitMs: { min: 100, max: 2_000 },
  wantTimeoutMs: { min: 2_000, max: 10_000 },
  hedgeShare: { min: 1, max: 0.25 }
}

/** Callers wait this many times what nearly all streams take to open. */
const OPEN_MARGIN = 4

/** A peer has this many times what nearly all answers take: boxo's MessageLatencyMultiplier. */
const ANSWER_MARGIN = 2

/** How many times what half of the samples take they bear out: see {@link follow}. */
const HALF_MARGIN = 4

/** If more of the wants time out than this, it is not known what 99 of 100 take. */
const KNOWN_SHARE = 0.01

/** Many wants time out: more than the slowest 5 of 100, which hedges are meant for, and this many at least. */
const MANY_SHARE = 0.05
const MANY = 5

/** If so many time out there is an outage, in which asking more helps nobody: as in `FaultGate`. */
const OUTAGE_SHARE = 0.5

const rules: { readonly [Option in keyof Limits]: Rule } = {
  openWaitMs: aimOpenWait,
  wantTimeoutMs: aimWantTimeout,
  hedgeShare: aimHedgeShare
}

const options = Object.keys(rules) as Array<keyof Limits>

/**
 * What to change after a period, given what was observed in it. The same load again and again leads to values that stay.
 *
 * @param limits - what they are now, each within its {@link rangeOf}
 * @param configured - what they were set to by the user; one that is 0 stays 0
 */
export function tune(load: Load, limits: Limits, configured: Limits): readonly Tuning[] {
  if (load.loopLagMs > MAX_LOOP_LAG_MS) return []
  return options
    .map(option => tuneOption(option, load, limits[option], configured[option]))
    .filter(tuning => tuning !== undefined)
}

/** How far an option may go. */
export function rangeOf(option: keyof Limits, configured: number): Range {
  const { min, max } = hardRanges[option]
  return {
    min: Math.max(configured / MAX_FACTOR, Math.min(configured, min)),
    max: Math.min(configured * MAX_FACTOR, Math.max(configured, max))
  }
}

function tuneOption(option: keyof Limits, load: Load, from: number, configured: number): Tuning | undefined {
  if (configured === 0) return undefined
  const aim = rules[option](load, from, configured)
  if (aim === undefined) return undefined
  const { min, max } = rangeOf(option, configured)
  const target = clamp(aim.value, min, max)
  const to = nextValue(from, target, configured)
  if (to === from) return undefined
  const show = option === 'hedgeShare' ? percent : millis
  const reason = [aim.reason]
  if (target !== aim.value)
    reason.push(`it stays at or ${target === min ? 'above' : 'below'} ${show(target)}`)
  if (to === configured && to !== target) reason.push(`back to the configured ${show(to)}`)
  else if (to !== target) reason.push(`${to > from ? 'twice' : 'half'} at a time: ${show(to)}`)
  return Object.freeze({ option, from, to, reason: reason.join('; ') })
}

/** The next value on the way to `target`; `from` if that is not worth it. */
function nextValue(from: number, target: number, configured: number): number {
  if (Math.abs(target / from - 1) >= LEAST_CHANGE) return clamp(target, from / MAX_STEP, from * MAX_STEP)
  // So that nothing is left of a change there is no more reason for. To leave it again takes a quarter.
  const isOnTheWay = Math.min(from, target) <= configured && configured <= Math.max(from, target)
  return isOnTheWay ? configured : from
}

/** Follows how long streams take to open. They go on when nobody waits any more, so all of them are measured. */
function aimOpenWait({ opened, periodMs }: Load, _currentMs: number, configuredMs: number): Aim | undefined {
  if (opened.count < MIN_SAMPLES) return undefined
  const seen = `${opened.count} streams opened in ${seconds(periodMs)}`
  return follow(seen, opened, 95, OPEN_MARGIN, configuredMs)
}

/**
 * Follows how long answers take; `PeerJudge` gives peers known to be slower their own time besides. Those that
 * took longer than allowed are not measured, so a limit that is too low must not be taken for confirmed by what is
 * left: when wants time out it goes back to what was configured, on little evidence, since before long all circuits
 * are open and there is none.
 */
function aimWantTimeout(load: Load, currentMs: number, configuredMs: number): Aim | undefined {
  const { answered, timedOut, periodMs } = load
  const wants = countWants(load)
  const lost = `${timedOut} of ${wants} wants timed out`
  if (currentMs < configuredMs && timedOut >= MANY && timedOut >= MANY_SHARE * wants) {
    const reason = `${lost} in ${seconds(periodMs)}: back to the configured ${millis(configuredMs)}`
    return { value: configuredMs, reason }
  }
  if (answered.count < MIN_SAMPLES) return undefined
  const seen = `${answered.count} wants answered in ${seconds(periodMs)}`
  const aim = follow(seen, answered, 99, ANSWER_MARGIN, configuredMs)
  const leastMs = timedOut > KNOWN_SHARE * wants ? Math.min(currentMs, configuredMs) : 0
  if (aim.value >= leastMs) return aim
  return { value: leastMs, reason: `${aim.reason}; ${lost}, so not below ${millis(leastMs)}` }
}

/**
 * Follows how many hedges there was reason for, made or refused: counting the refused ones only, the share would swing,
 * since none are as soon as there is room. It rises only where peers fail to answer. If all are merely slower than
 * before, or none answers, second requests are nothing but more load.
 */
function aimHedgeShare(load: Load, currentShare: number): Aim | undefined {
  const { hedged, hedgesRefused, timedOut, periodMs } = load
  const wants = countWants(load)
  if (wants < MIN_SAMPLES) return undefined
  const value = Math.round((1000 * (hedged + hedgesRefused)) / wants) / 1000
  const isWanting = hedgesRefused > 0 && timedOut >= MANY_SHARE * wants && timedOut < OUTAGE_SHARE * wants
  if (value > currentShare && !isWanting) return undefined
  const reason =
    `${hedged} hedges made and ${hedgesRefused} refused for ${wants} wants in ${seconds(periodMs)}, ` +
    `of which ${timedOut} timed out: ${percent(value)}`
  return { value, reason }
}

/**
 * So many times what nearly all take. But a few slow peers must not make everybody wait longer than configured: what is
 * above that, half of the samples must bear out.
 */
function follow(
  seen: string,
  times: LatencySummary,
  percentile: 95 | 99,
  margin: number,
  configuredMs: number
): Aim {
  const { p50Ms, [`p${percentile}Ms` as const]: mostMs } = times
  const value = Math.round(margin * mostMs)
  const reason = `${seen}, ${percentile} of 100 within ${millis(mostMs)}: ${margin} times that is ${millis(value)}`
  const borneOutMs = Math.max(configuredMs, Math.round(HALF_MARGIN * p50Ms))
  if (value <= borneOutMs) return { value, reason }
  return {
    value: borneOutMs,
    reason: `${reason}; half within ${millis(p50Ms)} bear out ${millis(borneOutMs)}`
  }
}

function countWants({ answered, timedOut, failedOtherwise }: Load): number {
  return answered.count + timedOut + failedOtherwise
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max)
}

function millis(ms: number): string {
  return `${Number(ms.toFixed(1))} ms`
}

function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(1))} s`
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}
