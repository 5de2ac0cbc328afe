import { circuitStates } from '../core/breaker-table.ts'
import type { BadRecord, BadRecords, Counts, TripReason } from '../core/index.ts'
import { tripReasons } from '../core/trip-record.ts'

/** Version of the format below. Whoever changes what a field means must raise it. */
export const FORMAT_VERSION = 1

/** Records stored at most. */
export const MAX_RECORDS = 1_000

/** Length of what is stored at most, in bytes. */
export const MAX_BYTES = 256 * 1024

/** A peer id has at most about half as many characters. */
const MAX_KEY_LENGTH = 128

/** Names of the counts, in the order in which they are stored. */
const countNames: ReadonlyArray<keyof Counts> = [
  'requests',
  'totalSuccesses',
  'totalFailures',
  'totalExclusions',
  'consecutiveSuccesses',
  'consecutiveFailures'
]

/** What was stored; or, if that cannot be made out, why not. */
export type Decoded = { readonly saved: BadRecords } | { readonly problem: string }

/**
 * The bytes to store. If there is too much for them, the worst targets are kept: those isolated by hand, then those
 * with the most trips, then those that were bad last. So fresh identities cannot push out who has long been bad.
 */
export function encodeRecords({ savedAt, records }: BadRecords): Uint8Array {
  const encoder = new TextEncoder()
  const storable = records.filter(({ key }) => key.length > 0 && key.length <= MAX_KEY_LENGTH)
  const parts: string[] = []
  let length = 100 // More than all that is around the records.
  for (const record of storable.sort(worstFirst).slice(0, MAX_RECORDS)) {
    const part = JSON.stringify(toStored(record))
    length += encoder.encode(part).length + 1
    if (length > MAX_BYTES) break
    parts.push(part)
  }
  return encoder.encode(`{"version":${FORMAT_VERSION},"savedAt":${savedAt},"records":[${parts.join(',')}]}`)
}

/** Reads what {@link encodeRecords} made; of anything else it says what is wrong with it. */
export function decodeRecords(bytes: Uint8Array): Decoded {
  if (bytes.length > MAX_BYTES) return { problem: `longer than ${MAX_BYTES} bytes` }
  const value = parse(bytes)
  if (!isObject(value)) return { problem: 'no JSON object' }
  const { version, savedAt, records } = value
  if (version !== FORMAT_VERSION) return { problem: problemOf(version) }
  if (!isTime(savedAt)) return { problem: 'without the time it was saved' }
  if (!Array.isArray(records) || records.length > MAX_RECORDS)
    return { problem: `without a list of at most ${MAX_RECORDS} records` }
  const read = records.map(fromStored)
  const wrong = read.indexOf(undefined)
  if (wrong >= 0) return { problem: `wrong in record ${wrong}` }
  return { saved: { savedAt, records: read as BadRecord[] } }
}

function problemOf(version: unknown): string {
  return isCount(version) ? `of version ${version}, not ${FORMAT_VERSION}` : 'of no known version'
}

function worstFirst(a: BadRecord, b: BadRecord): number {
  return (
    Number(b.isIsolated) - Number(a.isIsolated) ||
    b.trips - a.trips ||
    (b.lastTrip?.at ?? 0) - (a.lastTrip?.at ?? 0)
  )
}

/** A record as it is stored; what does not apply is left out. */
function toStored(record: BadRecord): object {
  const { key, state, retryAt, isRecovering, isIsolated, trips, relapses, lastTrip } = record
  return {
    key,
    state,
    trips,
    relapses: relapses || undefined,
    retryAt,
    isRecovering: isRecovering || undefined,
    isIsolated: isIsolated || undefined,
    lastTrip: lastTrip && {
      reason: lastTrip.reason,
      at: lastTrip.at,
      counts: countNames.map(name => lastTrip.counts[name])
    }
  }
}

function fromStored(value: unknown): BadRecord | undefined {
  if (!isObject(value)) return undefined
  const { key, state, trips, relapses = 0, retryAt } = value
  const { isRecovering = false, isIsolated = false, lastTrip: trip } = value
  const lastTrip = trip === undefined ? undefined : readTrip(trip)
  const isWrong =
    typeof key !== 'string' ||
    key.length === 0 ||
    key.length > MAX_KEY_LENGTH ||
    !isOneOf(circuitStates, state) ||
    !isCount(trips) ||
    !isCount(relapses) ||
    !(state === 'OPEN' ? isTime(retryAt) : retryAt === undefined) ||
    typeof isRecovering !== 'boolean' ||
    typeof isIsolated !== 'boolean' ||
    lastTrip === null
  if (isWrong) return undefined
  return {
    key,
    state,
    trips,
    relapses,
    retryAt: retryAt as number | undefined,
    isRecovering,
    isIsolated,
    lastTrip
  }
}

/** Returns null for what is no trip. */
function readTrip(value: unknown): BadRecord['lastTrip'] | null {
  if (!isObject(value)) return null
  const { reason, at, counts } = value
  if (!isOneOf<TripReason>(tripReasons, reason) || !isTime(at) || !Array.isArray(counts)) return null
  if (counts.length !== countNames.length || !counts.every(isCount)) return null
  const named = Object.fromEntries(countNames.map((name, index) => [name, counts[index] as number]))
  return { reason, at, counts: named as unknown as Counts }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOneOf<Word extends string>(words: readonly Word[], value: unknown): value is Word {
  return words.includes(value as Word)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** JSON knows no NaN, but a number too large for JavaScript is read as Infinity. */
function isTime(value: unknown): value is number {
  return Number.isFinite(value)
}
