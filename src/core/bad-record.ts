import { circuitStates, MAX_RELAPSES, MAX_TRIPS, OPEN } from './breaker-table.ts'
import type { CircuitState } from './circuit-breaker.ts'
import type { PastCircuit } from './circuit-table.ts'
import { SHARED_SLOT } from './key-table.ts'
import type { StatusSource } from './status.ts'
import type { PastTrip, TripRecord } from './trip-record.ts'

/** What is held against a target. Plain data, to be kept beyond a restart; times are in ms since 1970. */
export interface BadRecord {
  readonly key: string
  readonly state: CircuitState
  /** When an OPEN circuit may be probed; `undefined` in other states. */
  readonly retryAt: number | undefined
  readonly isRecovering: boolean
  /** Isolated by hand. */
  readonly isIsolated: boolean
  /** Trips not yet forgiven; each lengthens the next OPEN time. */
  readonly trips: number
  /** Of these, the ones that came after the circuit had closed again; each raises the proof asked for. */
  readonly relapses: number
  /** How and when the circuit last came to open; `undefined` if it never did. */
  readonly lastTrip: DatedTrip | undefined
}

/** How a circuit came to open, and when, in ms since 1970. */
export interface DatedTrip extends TripRecord {
  readonly at: number
}

/** What is held against targets at one moment. */
export interface BadRecords {
  /** That moment, in ms since 1970: the times in the records stand in relation to it. */
  readonly savedAt: number
  readonly records: readonly BadRecord[]
}

/** What a record tells of the circuit. */
type Circuit = Omit<BadRecord, 'key' | 'isIsolated'>

const CLEAN: Circuit = {
  state: 'CLOSED',
  retryAt: undefined,
  isRecovering: false,
  trips: 0,
  relapses: 0,
  lastTrip: undefined
}

/** What is held against the targets of a table, unless the last bad event was longer than `maxAgeMs` ago. */
export function readBadRecords(source: StatusSource, maxAgeMs: number): BadRecords {
  const records: BadRecord[] = []
  for (const slot of source.keys.slots()) {
    const record = readBadRecord(source, slot, maxAgeMs)
    if (record !== undefined) records.push(record)
  }
  return Object.freeze({ savedAt: wallTime(source, source.nowMs), records: Object.freeze(records) })
}

function readBadRecord(source: StatusSource, slot: number, maxAgeMs: number): BadRecord | undefined {
  const isIsolated = source.table.isIsolated(slot)
  const circuit = readCircuit(source, slot)
  const isRecent = source.nowMs - (source.table.lastTripAt(slot) ?? source.nowMs) <= maxAgeMs
  const isHeld = isRecent && (circuit.state !== 'CLOSED' || circuit.isRecovering || circuit.trips > 0)
  if (!isHeld && !isIsolated) return undefined
  return Object.freeze({ key: source.keys.key(slot)!, isIsolated, ...(isHeld ? circuit : CLEAN) })
}

function readCircuit(source: StatusSource, slot: number): Circuit {
  const { table, nowMs } = source
  const state = table.state(slot, nowMs)
  return {
    state: circuitStates[state]!,
    retryAt: state === OPEN ? wallTime(source, table.breakers.expiry(slot)) : undefined,
    isRecovering: table.ramp(slot, nowMs) !== undefined,
    trips: table.breakers.trips(slot, nowMs),
    relapses: table.breakers.relapses(slot, nowMs),
    lastTrip: readLastTrip(source, slot)
  }
}

function readLastTrip(source: StatusSource, slot: number): DatedTrip | undefined {
  const trip = source.table.lastTrip(slot)
  const atMs = source.table.lastTripAt(slot)
  return trip && atMs !== undefined ? Object.freeze({ ...trip, at: wallTime(source, atMs) }) : undefined
}

function wallTime(source: StatusSource, atMs: number): number {
  return Math.round(atMs + source.wallOffsetMs)
}

/**
 * Takes up what was held against targets before, those that come first first, as far as half of the table goes: the
 * rest is for those that will be met. Of a target that something has been learned of since, only that it is isolated
 * is taken up.
 *
 * Since when records were saved only wall time tells how long ago that is, and wall time may be wrong: if it went
 * back, no time has passed; however far it went ahead, nothing is older than `maxAgeMs` and a circuit that was OPEN
 * must be probed before it closes.
 *
 * @returns how many records were taken up
 */
export function restoreBadRecords(
  { savedAt, records }: BadRecords,
  source: StatusSource,
  maxTargets: number,
  maxAgeMs: number
): number {
  const mostTargets = Math.max(1, Math.floor(maxTargets / 2))
  const passedMs = clamp(wallTime(source, source.nowMs) - savedAt, 0, Infinity)
  let restored = 0
  for (const record of records) {
    const slot = slotToRestore(source, record.key, mostTargets)
    if (slot !== SHARED_SLOT && restoreBadRecord(source, slot, record, savedAt, passedMs, maxAgeMs))
      restored++
  }
  return restored
}

function slotToRestore({ keys, nowMs }: StatusSource, key: string, mostTargets: number): number {
  const slot = keys.find(key)
  if (slot >= 0) return slot
  return keys.size < mostTargets ? keys.claim(key, nowMs) : SHARED_SLOT
}

function restoreBadRecord(
  { table, nowMs }: StatusSource,
  slot: number,
  record: BadRecord,
  savedAt: number,
  passedMs: number,
  maxAgeMs: number
): boolean {
  const isBlank = table.isBlank(slot, nowMs)
  if (record.isIsolated) table.isolateAgain(slot)
  if (!isBlank) return record.isIsolated
  const { lastTrip } = record
  const ageMs = lastTrip && clamp(clamp(savedAt - lastTrip.at, 0, Infinity) + passedMs, 0, maxAgeMs)
  const badAtMs = nowMs - (ageMs ?? 0)
  const openMs = clamp((record.retryAt ?? -Infinity) - savedAt, -Infinity, table.longestOpenMs)
  const trips = Math.floor(clamp(record.trips, record.state === 'CLOSED' ? 0 : 1, MAX_TRIPS))
  const past: PastCircuit = {
    isOpen: record.state !== 'CLOSED',
    openUntilMs: nowMs + clamp(openMs - passedMs, -maxAgeMs, Infinity),
    isRecovering: record.isRecovering,
    trips,
    // The first trip was none.
    relapses: Math.floor(clamp(record.relapses, 0, Math.min(Math.max(0, trips - 1), MAX_RELAPSES))),
    lastTrip: lastTrip && pastTrip(lastTrip, badAtMs)
  }
  table.restore(slot, past, badAtMs, nowMs)
  return true
}

function pastTrip({ reason, counts }: DatedTrip, atMs: number): PastTrip {
  return { trip: Object.freeze({ reason, counts: Object.freeze({ ...counts }) }), atMs }
}

/** What is no number becomes the least. */
function clamp(value: number, least: number, most: number): number {
  if (value > most) return most
  return value > least ? value : least
}
