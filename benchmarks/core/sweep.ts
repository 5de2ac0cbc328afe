import type { Protection } from 'bitswap-protection/core'
import type { Candidate, Prepared } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost } from './allocation.ts'
import { LONG_MS, staysOpen } from './subjects.ts'
import { callEach, createTracked, FAILURE, FAILURES_TO_TRIP, SUCCESS, TARGETS } from './tracked.ts'

/** A clean record not used for longer than this is forgotten by default. */
const MAX_AGE_MS = 10 * 60_000
/** What the project wants a look at all records to take at most. */
const GOAL_NS = 1_000_000

const IDLE_CLEANUP = 'cleanup, no record is old'

/** Each batch is one cleanup of records that were all used since the last. */
async function idleCleanup(): Promise<Prepared> {
  const tracked = await createTracked()
  const { protection, clock, keys } = tracked
  return {
    before: () => callEach(tracked, keys, SUCCESS),
    run: () => clock.advance(MAX_AGE_MS / 2),
    fault: () => faultOf(protection, TARGETS)
  }
}

/** Each batch is one cleanup that forgets all records. */
async function fullCleanup(): Promise<Prepared> {
  const cleanupIntervalMs = MAX_AGE_MS + 1
  const tracked = await createTracked({ health: { cleanupIntervalMs } })
  const { protection, clock, keys } = tracked
  return {
    before: () => callEach(tracked, keys, SUCCESS),
    run: () => clock.advance(cleanupIntervalMs),
    fault: () => faultOf(protection, 0)
  }
}

function faultOf(protection: Protection, expected: number): string | undefined {
  const { totalPeers } = protection.getOverallStatus()
  return totalPeers === expected ? undefined : `there are ${totalPeers} records`
}

/** One circuit is half-open and waits for a probe, all others are open: so a wake looks at all and changes none. */
async function idleWake(): Promise<Prepared> {
  const tracked = await createTracked({
    breaker: { ...staysOpen, timeoutJitter: 0, halfOpenTimeoutMs: 1 },
    badMaxAgeMs: 2 * LONG_MS
  })
  const { table } = tracked.protection
  callEach(tracked, tracked.keys.slice(0, 1), FAILURE, FAILURES_TO_TRIP)
  tracked.clock.advance(LONG_MS / 2)
  callEach(tracked, tracked.keys.slice(1), FAILURE, FAILURES_TO_TRIP)
  table.wake(table.nextWake)
  return {
    run(times) {
      for (let time = 0; time < times; time++) table.wake(table.nextWake)
    },
    fault() {
      const { OPEN, HALF_OPEN } = tracked.protection.getOverallStatus().circuitStates
      return OPEN === TARGETS - 1 && HALF_OPEN === 1 ? undefined : `${OPEN} circuits are open`
    }
  }
}

/** All circuits, opened at the same time, become half-open in one wake. */
async function fullWake(): Promise<Prepared> {
  let tracked = await createTracked()
  return {
    async before() {
      tracked = await createTracked({ breaker: { timeoutJitter: 0, timeoutMs: 60_000 } })
      callEach(tracked, tracked.keys, FAILURE, FAILURES_TO_TRIP)
    },
    run: () => tracked.protection.table.wake(60_001),
    fault() {
      const { HALF_OPEN } = tracked.protection.getOverallStatus().circuitStates
      return HALF_OPEN === TARGETS ? undefined : `${HALF_OPEN} circuits are half-open`
    }
  }
}

const candidates: readonly Candidate[] = [
  { name: IDLE_CLEANUP, batch: 1, goalNs: GOAL_NS, prepare: idleCleanup },
  { name: 'cleanup, all records are old', batch: 1, prepare: fullCleanup },
  { name: 'wake, all but one open, none due', batch: 1, goalNs: GOAL_NS, prepare: idleWake },
  { name: 'wake, all become half-open', batch: 1, prepare: fullWake }
]

export const sweep = timedGroup({
  name: 'sweep',
  title: `what is done now and then, over ${TARGETS} records`,
  notes: () => ['Each is synchronous: so long the event loop stands still.'],
  candidates: () => candidates,
  // One byte per record, which is none.
  checks: rows => allocatesAtMost(TARGETS, rows, [IDLE_CLEANUP])
})
