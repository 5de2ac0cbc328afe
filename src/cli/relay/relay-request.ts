import { UsageError } from '../command-error.ts'
import { DURATION_FORM, parseDuration, writeDuration } from '../config/duration.ts'
import { harmless, shorten } from '../terminal/visible-text.ts'

/** What to watch, and how. */
export interface RelayRequest {
  readonly configPath: string
  /** How often the height is asked for, in ms. */
  readonly everyMs: number
  /** For how long, in ms; `undefined` until somebody ends it. */
  readonly forMs: number | undefined
}

/** What was typed after `relay`, as text. */
export interface RelayArguments {
  readonly positionals: readonly string[]
  readonly config: string | undefined
  readonly every: string
  readonly for: string | undefined
}

const SHORTEST_MS = 100
const LONGEST_EVERY_MS = 60 * 60_000
/** Timers take no more than 24 days. */
const LONGEST_FOR_MS = 480 * 60 * 60_000

/** @throws UsageError naming what is wrong and what is allowed */
export function relayRequest({ positionals, config, every, for: limit }: RelayArguments): RelayRequest {
  const [first] = positionals
  if (first !== undefined) {
    const meant = config === undefined ? '; a config file goes after --config' : ''
    throw new UsageError(`relay takes only options, but got ${quoted(first)}${meant}`)
  }
  if (config === undefined) throw new UsageError('which nodes? Name a config file: relay --config <file>')
  return {
    configPath: config,
    everyMs: durationMs('--every', every, LONGEST_EVERY_MS),
    forMs: limit === undefined ? undefined : durationMs('--for', limit, LONGEST_FOR_MS)
  }
}

function durationMs(option: string, text: string, longestMs: number): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms >= SHORTEST_MS && ms <= longestMs) return ms
  throw new UsageError(
    `invalid ${option} ${quoted(text)}: allowed is a duration from '${writeDuration(SHORTEST_MS)}' to '${writeDuration(longestMs)}': ${DURATION_FORM}`
  )
}

function quoted(text: string): string {
  return `'${shorten(harmless(text), 80)}'`
}
