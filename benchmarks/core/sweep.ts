import type { Clock, Protection } from 'bitswap-protection/core'
import type { Candidate, Prepared } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost } from './allocation.ts'
import { LONG_MS, staysOpen } from './subjects.ts'
import {
  callEach,
  createTracked,
  createTrackedOn,
  FAILURE,
  FAILURES_TO_TRIP,
  SUCCESS,
  TARGETS
} from './tracked.ts'

/** A clean record not used for longer than this is forgotten by default. */
const MAX_AGE_MS = 10 * 60_000
/** What the project wants a look at all records to take at most. */
const GOAL_NS = 1_000_000

const IDLE_CLEANUP = 'cleanup, no record is old'
const IDLE_WAKE = 'wake, all but one open, none due'

/** A look at all records, in several turns of the event loop. */
interface Sweep {
  /** Called before each, not timed. */
  before?(): void | Promise<void>
  /** Returns whether there are more. */
  turn(): boolean
  fault(): string | undefined
}

/** A clock for a protection, whose one timer rings when told to: each time it does is a turn of the event loop. */
class TurnClock implements Clock {
  #now = 0
  #ringsAt = Infinity
  #callback = (): void => {}

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#now
  }

  schedule(callback: () => void, delayMs: number): () => void {
    this.#ringsAt = this.#now + Math.max(0, delayMs)
    this.#callback = callback
    return () => {
      this.#ringsAt = Infinity
    }
  }

  /** Moves time forward to when the timer rings, and lets it. Returns whether it is to ring again at once. */
  ring(): boolean {
    this.#now = this.#ringsAt
    this.#ringsAt = Infinity
    this.#callback()
    return this.#ringsAt === this.#now
  }
}

/** A cleanup of records that were all used since the last. */
async function idleCleanup(): Promise<Sweep> {
  const tracked = await createTrackedOn(new TurnClock(), { breaker: { hungCallMs: 0 } })
  const { protection, clock, keys } = tracked
  return {
    before: () => callEach(tracked, keys, SUCCESS),
    turn: () => clock.ring(),
    fault: () => faultOf(protection, TARGETS)
  }
}

/** A cleanup that forgets all records. */
async function fullCleanup(): Promise<Sweep> {
  const tracked = await createTrackedOn(new TurnClock(), {
    breaker: { hungCallMs: 0 },
    health: { cleanupIntervalMs: MAX_AGE_MS + 1 }
  })
  const { protection, clock, keys } = tracked
  return {
    before: () => callEach(tracked, keys, SUCCESS),
    turn: () => clock.ring(),
    fault: () => faultOf(protection, 0)
  }
}

function faultOf(protection: Protection, expected: number): string | undefined {
  const { totalPeers } = protection.getOverallStatus()
  return totalPeers === expected ? undefined : `there are ${totalPeers} records`
}

/** One circuit is half-open and waits for a probe, all others are open: so a wake looks at all and changes none. */
async function idleWake(): Promise<Sweep> {
  const tracked = await createTracked({
    breaker: { ...staysOpen, timeoutJitter: 0, halfOpenTimeoutMs: 1 },
    badMaxAgeMs: 2 * LONG_MS
  })
  const { table } = tracked.protection
  callEach(tracked, tracked.keys.slice(0, 1), FAILURE, FAILURES_TO_TRIP)
  tracked.clock.advance(LONG_MS / 2)
  callEach(tracked, tracked.keys.slice(1), FAILURE, FAILURES_TO_TRIP)
  table.wake(table.nextWake)
  let nowMs = 0
  return {
    before() {
      nowMs = table.nextWake
    },
    turn: () => wake(tracked.protection, nowMs),
    fault() {
      const { OPEN, HALF_OPEN } = tracked.protection.getOverallStatus().circuitStates
      return OPEN === TARGETS - 1 && HALF_OPEN === 1 ? undefined : `${OPEN} circuits are open`
    }
  }
}

/** All circuits, opened at the same time, become half-open. */
async function fullWake(): Promise<Sweep> {
  let tracked = await createTracked()
  return {
    async before() {
      tracked = await createTracked({ breaker: { timeoutJitter: 0, timeoutMs: 60_000 } })
      callEach(tracked, tracked.keys, FAILURE, FAILURES_TO_TRIP)
    },
    turn: () => wake(tracked.protection, 60_001),
    fault() {
      const { HALF_OPEN } = tracked.protection.getOverallStatus().circuitStates
      return HALF_OPEN === TARGETS ? undefined : `${HALF_OPEN} circuits are half-open`
    }
  }
}

function wake({ table }: Protection, nowMs: number): boolean {
  table.wake(nowMs)
  return table.nextWake <= nowMs
}

function inAll(name: string, goalNs: number | undefined, prepare: () => Promise<Sweep>): Candidate {
  return {
    name,
    batch: 1,
    ...(goalNs === undefined ? {} : { goalNs }),
    async prepare(): Promise<Prepared> {
      const sweep = await prepare()
      const run = (): void => {
        while (sweep.turn());
      }
      return { ...sweep, run }
    }
  }
}

function longestTurn(name: string, prepare: () => Promise<Sweep>): Candidate {
  return {
    name: `longest turn of ${name}`,
    batch: 1,
    goalNs: GOAL_NS,
    async prepare(): Promise<Prepared> {
      const sweep = await prepare()
      return { ...sweep, run: () => timeLongestTurn(sweep) }
    }
  }
}

function timeLongestTurn(sweep: Sweep): number {
  let longestNs = 0
  for (let isMore = true; isMore; ) {
    const start = process.hrtime.bigint()
    isMore = sweep.turn()
    longestNs = Math.max(longestNs, Number(process.hrtime.bigint() - start))
  }
  return longestNs
}

const candidates: readonly Candidate[] = [
  inAll(IDLE_CLEANUP, GOAL_NS, idleCleanup),
  longestTurn(IDLE_CLEANUP, idleCleanup),
  inAll('cleanup, all records are old', undefined, fullCleanup),
  longestTurn('cleanup, all records are old', fullCleanup),
  inAll(IDLE_WAKE, GOAL_NS, idleWake),
  longestTurn(IDLE_WAKE, idleWake),
  inAll('wake, all become half-open', undefined, fullWake),
  longestTurn('wake, all become half-open', fullWake)
]

export const sweep = timedGroup({
  name: 'sweep',
  title: `what is done now and then, over ${TARGETS} records`,
  notes: () => [
    'The event loop stands still for a turn, not for all of it: between two turns it does what else is waiting.'
  ],
  candidates: () => candidates,
  // One byte per record, which is none.
  checks: rows => allocatesAtMost(TARGETS, rows, [IDLE_CLEANUP])
})
