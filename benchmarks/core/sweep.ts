import type { ManualClock, Protection, ProtectionOptions } from 'bitswap-protection/core'
import type { Candidate, Prepared } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { LONG_MS, peerId, staysOpen } from './subjects.ts'

const RECORD_BATCH = 200_000
const TARGETS = 100_000
/** Failures in a row that open a circuit by default. */
const FAILURES_TO_TRIP = 5
/** A clean record not used for longer than this is forgotten by default. */
const MAX_AGE_MS = 10 * 60_000

const SUCCESS = 0
const FAILURE = 1

interface Tracked {
  readonly protection: Protection
  readonly clock: ManualClock
}

async function create(options: Partial<ProtectionOptions>): Promise<Tracked> {
  const { ManualClock, Protection } = await import('bitswap-protection/core')
  const clock = new ManualClock()
  return {
    protection: new Protection({ maxTargets: TARGETS, maxEjectedShare: 1, ...options }, { clock }),
    clock
  }
}

const keys = Array.from({ length: TARGETS }, (_, target) => peerId(target))

/** Calls each of the targets so many times. */
function callEach(
  { protection, clock }: Tracked,
  targets: readonly string[],
  outcome: number,
  times = 1
): void {
  const { table } = protection
  const now = clock.now()
  for (const key of targets) {
    const slot = protection.slot(key, now)
    for (let time = 0; time < times; time++) table.settle(slot, table.admit(slot, now), outcome, now)
  }
}

function histogram(
  name: string,
  batch: number,
  use: (histogram: Histogram, times: number) => void
): Candidate {
  return {
    name,
    batch,
    async prepare() {
      const { LatencyHistogram } = await import('../../src/core/latency-histogram.ts')
      const histogram = new LatencyHistogram(LONG_MS, 0)
      // Some times of each kind, so that a summary has something to sum up.
      for (let ms = 0; ms < 1000; ms++) histogram.record(ms, 0)
      return { run: times => use(histogram, times) }
    }
  }
}

type Histogram = import('../../src/core/latency-histogram.ts').LatencyHistogram

function record(responseTimeMs: number): (histogram: Histogram, times: number) => void {
  return (histogram, times) => {
    for (let time = 0; time < times; time++) histogram.record(responseTimeMs, 0)
  }
}

async function overallStatus(): Promise<Prepared> {
  const { protection, ...rest } = await create({})
  callEach({ protection, ...rest }, keys, SUCCESS)
  let peers = 0
  return {
    run(times) {
      for (let time = 0; time < times; time++) peers = protection.getOverallStatus().totalPeers
    },
    fault: () => (peers === TARGETS ? undefined : `${peers} targets were counted`)
  }
}

/** Each batch is one cleanup of records that were all used since the last. */
async function idleCleanup(): Promise<Prepared> {
  const tracked = await create({})
  const { protection, clock } = tracked
  return {
    before: () => callEach(tracked, keys, SUCCESS),
    run: () => clock.advance(MAX_AGE_MS / 2),
    fault: () => faultOf(protection, TARGETS)
  }
}

/** Each batch is one cleanup that forgets all records. */
async function fullCleanup(): Promise<Prepared> {
  const cleanupIntervalMs = MAX_AGE_MS + 1
  const tracked = await create({ health: { cleanupIntervalMs } })
  const { protection, clock } = tracked
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
  const tracked = await create({
    breaker: { ...staysOpen, timeoutJitter: 0, halfOpenTimeoutMs: 1 },
    badMaxAgeMs: 2 * LONG_MS
  })
  const { table } = tracked.protection
  callEach(tracked, keys.slice(0, 1), FAILURE, FAILURES_TO_TRIP)
  tracked.clock.advance(LONG_MS / 2)
  callEach(tracked, keys.slice(1), FAILURE, FAILURES_TO_TRIP)
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
  let tracked = await create({})
  return {
    async before() {
      tracked = await create({ breaker: { timeoutJitter: 0, timeoutMs: 60_000 } })
      callEach(tracked, keys, FAILURE, FAILURES_TO_TRIP)
    },
    run: () => tracked.protection.table.wake(60_001),
    fault() {
      const { HALF_OPEN } = tracked.protection.getOverallStatus().circuitStates
      return HALF_OPEN === TARGETS ? undefined : `${HALF_OPEN} circuits are half-open`
    }
  }
}

const candidates: readonly Candidate[] = [
  histogram('LatencyHistogram.record, 20 ms', RECORD_BATCH, record(20)),
  histogram('LatencyHistogram.record, 500 ms', RECORD_BATCH, record(500)),
  histogram('LatencyHistogram.summary', 20, (histogram, times) => {
    for (let time = 0; time < times; time++) histogram.summary(0)
  }),
  { name: 'getOverallStatus', batch: 1, prepare: overallStatus },
  { name: 'cleanup, no record is old', batch: 1, prepare: idleCleanup },
  { name: 'cleanup, all records are old', batch: 1, prepare: fullCleanup },
  { name: 'wake, all but one open, none due', batch: 1, prepare: idleWake },
  { name: 'wake, all become half-open', batch: 1, prepare: fullWake }
]

export const sweep = timedGroup({
  name: 'sweep',
  title: `what is done now and then, over ${TARGETS} records`,
  candidates: () => candidates
})
