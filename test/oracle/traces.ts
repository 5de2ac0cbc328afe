/** A trip rule as data, so that gobreaker and ours judge by the same one; `undefined` for gobreaker's default. */
export type Trip = { consecutive: number } | { percent: number; least: number } | undefined

export interface Settings {
  maxRequests: number
  intervalMs: number
  bucketPeriodMs: number
  timeoutMs: number
  trip?: Trip
}

/** What to do to one breaker. */
export interface Trace {
  /** Repeats the trace, if it is a random one. */
  seed?: number
  /** Whether only the first result of a call is passed on. */
  once: boolean
  settings: Settings
  /**
   * Operations, one blank apart: `a` asks for admission, the n-th `a` being call n from 0; `4s` `4f` `4x` is a
   * result of call 4 (success, failure, excluded), without effect if it was rejected; `+9` lets 9 ms pass; `?`
   * asks for the state. The counts are looked at after each operation anyway.
   */
  ops: string
}

const maxRequests = [0, 1, 2, 3, 5]
const windows = [
  { intervalMs: 0, bucketPeriodMs: 0 },
  { intervalMs: 0, bucketPeriodMs: 7 },
  { intervalMs: 50, bucketPeriodMs: 0 },
  { intervalMs: 20, bucketPeriodMs: 20 },
  { intervalMs: 20, bucketPeriodMs: 33 },
  { intervalMs: 60, bucketPeriodMs: 20 },
  { intervalMs: 50, bucketPeriodMs: 15 },
  { intervalMs: 100, bucketPeriodMs: 10 },
  { intervalMs: 3, bucketPeriodMs: 1 }
]
const timeoutsMs = [0, 1, 40, 75]
const trips: Trip[] = [
  undefined,
  { consecutive: 1 },
  { consecutive: 2 },
  { consecutive: 4 },
  { percent: 50, least: 4 },
  { percent: 100, least: 3 },
  { percent: 34, least: 1 }
]

const HOUR = 3_600_000
/** So long that buckets of a millisecond outnumber what 32 bits hold. */
const MONTH = 2 ** 31 + 5
const DEFAULT_TIMEOUT_MS = 60_000

/** How many combinations of settings there are; so many seeds in a row have each of them once. */
export const COMBINATIONS = 2 * maxRequests.length * windows.length * timeoutsMs.length * trips.length

type Random = (below: number) => number

/** A small generator of pseudo-random whole numbers (mulberry32). */
function randomFrom(seed: number): Random {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random(values.length)]!
}

/** A random trace of about `length` operations, always the same for the same arguments. */
export function randomTrace(seed: number, length: number): Trace {
  const { once, settings } = combination(seed)
  return { seed, once, settings, ops: randomOps(randomFrom(seed), settings, length) }
}

function combination(seed: number): Pick<Trace, 'once' | 'settings'> {
  let rest = seed % COMBINATIONS
  const next = <T>(values: readonly T[]): T => {
    const value = values[rest % values.length]!
    rest = Math.floor(rest / values.length)
    return value
  }
  return {
    once: next([true, false]),
    settings: {
      maxRequests: next(maxRequests),
      ...next(windows),
      timeoutMs: next(timeoutsMs),
      trip: next(trips)
    }
  }
}

/** Kinds of results, as they are mixed while a target is well, ill, or in between. */
const moods = ['ssssssssssssssssx', 'ffffffffs', 'ssfffx', 'ssssxxf']

function randomOps(random: Random, settings: Settings, length: number): string {
  const advances = interestingAdvances(settings)
  const ops: string[] = []
  const open: number[] = []
  const ended: number[] = []
  let calls = 0
  let mood = pick(random, moods)
  while (ops.length < length) {
    const dice = random(100)
    if (dice < 40) {
      ops.push('a')
      open.push(calls++)
    } else if (dice < 76) {
      if (open.length === 0) continue
      // Mostly the newest, so that probes get their results; else any, so that some come very late.
      const [call] = open.splice(random(2) === 0 ? open.length - 1 : random(open.length), 1)
      ops.push(call! + pick(random, [...mood]))
      ended.push(call!)
    } else if (dice < 79) {
      if (ended.length > 0) ops.push(pick(random, ended.slice(-6)) + pick(random, ['s', 'f', 'x']))
    } else if (dice < 94) {
      ops.push(`+${random(4) === 0 ? 1 + random(3 * longest(settings)) : pick(random, advances)}`)
    } else if (dice < 98) {
      ops.push('?')
    } else {
      mood = pick(random, moods)
    }
  }
  return ops.join(' ')
}

/** Where the machine's behaviour changes: at the periods' ends, and just beside them. */
function interestingAdvances({ intervalMs, bucketPeriodMs, timeoutMs }: Settings): number[] {
  const wholeBucketsMs =
    bucketPeriodMs > 0 ? Math.ceil(intervalMs / bucketPeriodMs) * bucketPeriodMs : intervalMs
  const waitMs = timeoutMs > 0 ? timeoutMs : DEFAULT_TIMEOUT_MS
  const around = (ms: number) => [ms - 1, ms, ms + 1]
  const often = [
    0,
    1,
    1,
    ...around(bucketPeriodMs),
    ...around(bucketPeriodMs),
    ...around(waitMs),
    ...around(waitMs)
  ]
  const rarely = [...around(intervalMs), ...around(wholeBucketsMs), HOUR, MONTH]
  return [...often, ...rarely].filter(ms => ms >= 0)
}

function longest({ intervalMs, bucketPeriodMs, timeoutMs }: Settings): number {
  return Math.max(intervalMs, bucketPeriodMs, timeoutMs, 1)
}

/** A breaker of which every short life is tried. */
interface Scope {
  once: boolean
  settings: Settings
  /** What happens before. */
  start: string[]
  /** The steps time is let pass in. */
  advances: number[]
}

const scopes: Scope[] = [
  {
    // A fixed window.
    once: false,
    settings: { maxRequests: 1, intervalMs: 5, bucketPeriodMs: 0, timeoutMs: 7, trip: { consecutive: 2 } },
    start: [],
    advances: [5, 1, 8]
  },
  {
    // Two buckets.
    once: true,
    settings: {
      maxRequests: 1,
      intervalMs: 9,
      bucketPeriodMs: 5,
      timeoutMs: 4,
      trip: { percent: 50, least: 2 }
    },
    start: ['a', '0s'],
    advances: [5, 4, 1]
  },
  {
    // Half-open, with a call from before.
    once: true,
    settings: { maxRequests: 2, intervalMs: 0, bucketPeriodMs: 0, timeoutMs: 10, trip: { consecutive: 1 } },
    start: ['a', 'a', '0f', '+11'],
    advances: [10, 1]
  },
  {
    // Half-open, with repeated results.
    once: false,
    settings: { maxRequests: 3, intervalMs: 0, bucketPeriodMs: 0, timeoutMs: 10, trip: { consecutive: 1 } },
    start: ['a', '0f', '+11', 'a'],
    advances: [11]
  }
]

/** All traces of `depth` operations, beginnings aside, for a few breakers. */
export function* exhaustiveTraces(depth: number): Generator<Trace> {
  for (const scope of scopes) {
    const { once, settings, start } = scope
    for (const ops of continuations(scope, start, depth)) yield { once, settings, ops: ops.join(' ') }
  }
}

function* continuations(scope: Scope, ops: string[], depth: number): Generator<string[]> {
  if (depth === 0) {
    yield ops
    return
  }
  for (const op of nextOps(scope, ops)) {
    // Time that passes before nothing shows nothing.
    if (depth > 1 || !op.startsWith('+')) yield* continuations(scope, [...ops, op], depth - 1)
  }
}

/** What may come next. Of the calls under way only the oldest and the newest get results: others are like one of them. */
function nextOps({ advances }: Scope, ops: string[]): string[] {
  const ended = ops.filter(op => /^\d/.test(op)).map(op => Number.parseInt(op, 10))
  const calls = ops.filter(op => op === 'a').length
  const open = Array.from({ length: calls }, (_, call) => call).filter(call => !ended.includes(call))
  const next = ['a']
  for (const call of new Set([open.at(0), open.at(-1)])) {
    if (call !== undefined) next.push(`${call}s`, `${call}f`, `${call}x`)
  }
  if (ended.length > 0) next.push(`${ended.at(-1)}s`, `${ended.at(-1)}f`)
  // Other operations look at the clock as well, so asking for the state matters only right after time has passed.
  if (ops.at(-1)?.startsWith('+')) next.push('?')
  next.push(...advances.map(ms => `+${ms}`))
  return next
}
