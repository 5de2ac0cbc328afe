import type { Metrics } from '@libp2p/interface'
import type { Candidate, Prepared } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost } from './allocation.ts'
import {
  callEach,
  createTracked,
  FAILURE,
  FAILURES_TO_TRIP,
  SUCCESS,
  TARGETS,
  type Tracked
} from './tracked.ts'

const STATUS = 'getOverallStatus'
const IN_ALL_STATES = 'getOverallStatus, circuits in all states'
const METRICS = 'metrics of the node, as text'

/** Less than any field kept for each target would take: what is shown does not grow with the targets. */
const MAX_BYTES = 4 * TARGETS

/** Calls after which a target counts as HEALTHY if they end well. */
const CALLS_TO_BE_HEALTHY = 5

async function allHealthy(): Promise<Tracked> {
  const tracked = await createTracked()
  callEach(tracked, tracked.keys, SUCCESS, CALLS_TO_BE_HEALTHY)
  return tracked
}

const OPEN_MS = 60_000
const QUARTER = TARGETS / 4

/** One quarter each CLOSED, half-open, recovering and OPEN. */
async function inAllStates(): Promise<Tracked> {
  const tracked = await createTracked({ breaker: { timeoutMs: OPEN_MS, timeoutJitter: 0 } })
  const { protection, clock, keys } = tracked
  const quarter = (index: number): readonly string[] => keys.slice(index * QUARTER, (index + 1) * QUARTER)
  callEach(tracked, [...quarter(1), ...quarter(2)], FAILURE, FAILURES_TO_TRIP)
  // A circuit is OPEN up to and including its last ms.
  clock.advance(OPEN_MS + 1)
  for (const key of quarter(2))
    while (protection.getPeerStatus(key)?.isRecovering !== true) callEach(tracked, [key], SUCCESS)
  callEach(tracked, quarter(3), FAILURE, FAILURES_TO_TRIP)
  callEach(tracked, quarter(0), SUCCESS)
  return tracked
}

async function overallStatus({ protection }: Tracked, states: readonly number[]): Promise<Prepared> {
  let shown: readonly number[] = []
  return {
    run(times) {
      for (let time = 0; time < times; time++) {
        const { circuitStates, recoveringPeers } = protection.getOverallStatus()
        shown = [...Object.values(circuitStates), recoveringPeers]
      }
    },
    fault: () => (shown.join() === states.join() ? undefined : `circuits are shown as ${shown.join()}`)
  }
}

/** The percentiles of all response times together. */
async function responseTimes(): Promise<Prepared> {
  const { protection, clock } = await allHealthy()
  let count = 0
  return {
    run(times) {
      for (let time = 0; time < times; time++) count = protection.table.health!.latency(clock.now()).count
    },
    fault: () =>
      count === TARGETS * CALLS_TO_BE_HEALTHY ? undefined : `${count} response times were summed up`
  }
}

type Calculate = () => Readonly<Record<string, number>>

/** As the service registers them, and as a node shows them when it is scraped. */
async function metricsAsText(): Promise<Prepared> {
  const { ProtectionMetrics } = await import('../../src/bitswap/protection-metrics.ts')
  const { protection } = await allHealthy()
  const groups = new Map<string, Calculate>()
  const metrics = {
    registerMetricGroup: (name: string, { calculate }: { calculate: Calculate }) =>
      groups.set(name, calculate),
    registerCounterGroup() {},
    registerCounter() {},
    registerHistogram() {}
  }
  new ProtectionMetrics(metrics as unknown as Metrics, () => protection.getOverallStatus())
  let text = ''
  return {
    run(times) {
      for (let time = 0; time < times; time++) text = [...groups].map(asText).join('\n')
    },
    fault: () => (text.includes(`{healthy} ${TARGETS}`) ? undefined : `it says: ${text}`)
  }
}

function asText([name, calculate]: [string, Calculate]): string {
  return Object.entries(calculate())
    .map(([label, value]) => `${name}{${label}} ${value}`)
    .join('\n')
}

async function eachPeer(): Promise<Prepared> {
  const { protection } = await allHealthy()
  let peers = 0
  return {
    run(times) {
      for (let time = 0; time < times; time++) {
        peers = 0
        for (const { circuitState } of protection.peers()) if (circuitState === 'CLOSED') peers++
      }
    },
    fault: () => (peers === TARGETS ? undefined : `${peers} targets are CLOSED`)
  }
}

const candidates: readonly Candidate[] = [
  {
    name: STATUS,
    batch: 1,
    prepare: async () => overallStatus(await allHealthy(), [TARGETS, 0, 0, 0])
  },
  {
    name: IN_ALL_STATES,
    batch: 1,
    prepare: async () => overallStatus(await inAllStates(), [2 * QUARTER, QUARTER, QUARTER, QUARTER])
  },
  { name: 'percentiles of all response times', batch: 1, prepare: responseTimes },
  { name: METRICS, batch: 1, prepare: metricsAsText },
  { name: 'peers(), each one', batch: 1, prepare: eachPeer }
]

export const scrape = timedGroup({
  name: 'scrape',
  title: `what is shown of ${TARGETS} targets`,
  ours: STATUS,
  notes: () => [
    'Each is synchronous: so long the event loop stands still.',
    'The metrics show totals, never a peer; peers() is what a page of peers would be taken from.'
  ],
  candidates: () => candidates,
  checks: rows => allocatesAtMost(MAX_BYTES, rows, [STATUS, IN_ALL_STATES, METRICS])
})
