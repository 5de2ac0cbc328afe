import type { Protection } from 'bitswap-protection/core'
import { nextTurn, type Settings } from '../harness.ts'
import { type Check, figures, type Report } from '../report.ts'
import { percent } from './figures.ts'
import type { Group } from './group.ts'
import { type ArmName, Simulation } from './simulation.ts'
import { type Fault, faultWays, type Swarm, steadySwarm } from './swarm.ts'
import { answeredShare, type Counts } from './tally.ts'

const SIZES = [10_000, 100_000, 1_000_000]
const QUICK_SIZES = [1_000, 10_000]

const BAD_SHARE = 0.1
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Share of what could have been answered that must be, at least. */
const LEAST_KEPT = 0.98
/** Share of the wasted calls that may be left, at most. */
const MOST_WASTED = 0.25
/** Bytes per record, of which one in ten is of a peer that is refused or recovers; what there is only once included. */
const MOST_BYTES = 448
/** With fewer peers than this, what is there only once is most of it. */
const LEAST_PEERS_TO_WEIGH = 10_000

/**
 * Many peers of which a tenth is active at a time, for a minute on average; one session in ten is that of a newcomer.
 * One peer in ten is bad, in one of five ways.
 */
export function churningSwarm(peers: number): Swarm {
  return {
    ...steadySwarm,
    peers,
    active: peers / 10,
    residents: 0,
    sessionMs: MINUTE_MS,
    newcomerShare: 0.1,
    candidates: 3,
    durationMs: 10 * MINUTE_MS,
    fault: (_peer, random) => (random() < BAD_SHARE ? anyFault(random) : undefined)
  }
}

function anyFault(random: () => number): Fault {
  const way = faultWays[Math.floor(random() * faultWays.length)]!
  const kind = random()
  if (kind < 0.6) return { way }
  if (kind < 0.8) return { way, fromMs: random() * -6_000, turns: { badMs: 5_000, goodMs: 1_000 } }
  return { way, fromCall: 20 + Math.floor(random() * 60) }
}

interface Run {
  readonly peers: number
  readonly arms: Readonly<Record<ArmName, Counts>>
  /** Hours that peers were active, all together. */
  readonly peerHours: number
  /** Peers there are records of at the end, and what one takes. */
  readonly records: number
  readonly bytesPerRecord: number
  readonly timers: number
  readonly realS: number
}

async function measure(peers: number, seed: number): Promise<Run> {
  const swarm = churningSwarm(peers)
  const start = performance.now()
  const unprotected = new Simulation(swarm, seed, { arm: 'unprotected' }).run().tally.counts
  const oracle = new Simulation(swarm, seed, { arm: 'oracle' }).run().tally.counts
  const before = await bytesInUse()
  const { counts, timers, protection } = runProtected(swarm, seed)
  const realS = (performance.now() - start) / 1000
  const bytes = (await bytesInUse()) - before
  // Asked only now, so that the protection is still there when it is measured.
  const records = protection.getOverallStatus().totalPeers
  return {
    peers,
    arms: { protected: counts, unprotected, oracle },
    peerHours: (swarm.active * swarm.durationMs) / HOUR_MS,
    records,
    bytesPerRecord: bytes / records,
    timers,
    realS
  }
}

/** Nothing of the simulation but what is returned is in use any more afterwards. */
function runProtected(
  swarm: Swarm,
  seed: number
): { counts: Counts; timers: number; protection: Protection } {
  const simulation = new Simulation(swarm, seed).run()
  simulation.detach()
  return {
    counts: simulation.tally.counts,
    timers: simulation.clock.pendingTimers,
    protection: simulation.protection!
  }
}

/** Bytes of the heap and of buffers. */
async function bytesInUse(): Promise<number> {
  for (let pass = 0; pass < 4; pass++) {
    globalThis.gc?.()
    // Buffers are freed a turn later.
    await nextTurn()
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

async function report({ isQuick, seed }: Settings): Promise<Report> {
  const runs: Run[] = []
  for (const peers of isQuick ? QUICK_SIZES : SIZES) runs.push(await measure(peers, seed))
  return {
    name: 'scale',
    title: 'peers come and go, one in ten is bad; a request goes to the first of three that may be called',
    columns: [
      'peers',
      'requests',
      'answered',
      'unprotected',
      'kept of best',
      'calls wasted',
      'unprotected',
      'hours wasted',
      'unprotected',
      'opens',
      'false',
      'missed',
      'records',
      'B each',
      'timers',
      'took'
    ],
    rows: runs.map(({ peers, arms, records, bytesPerRecord, timers, realS }) => [
      peers.toLocaleString('en-US'),
      arms.protected.requests,
      percent(answeredShare(arms.protected)),
      percent(answeredShare(arms.unprotected)),
      percent(kept(arms.protected, arms.oracle)),
      arms.protected.wastedCalls,
      arms.unprotected.wastedCalls,
      arms.protected.wastedMs / HOUR_MS,
      arms.unprotected.wastedMs / HOUR_MS,
      arms.protected.opens,
      arms.protected.falseOpens,
      `${arms.protected.missed} of ${arms.protected.noticeable}`,
      records,
      bytesPerRecord,
      timers,
      `${realS.toFixed(1)} s`
    ]),
    notes: [
      'Ten minutes of virtual time. Kept of best: answers, of those somebody gets who knows who is bad.',
      'Wasted: calls to a peer that was bad, and the time waited for them. False: of peers that had not failed for a fault in the last 30 s.',
      'Missed: sessions with 20 calls that failed for a fault, in which the circuit did not open.',
      ...runs.map(({ peers, arms, peerHours }) => {
        const perHour = arms.protected.falseOpens / peerHours
        return `${peers.toLocaleString('en-US')} peers: ${figures(perHour)} false opens in an hour of an active peer.`
      })
    ],
    checks: runs.flatMap(checks),
    data: runs
  }
}

/** Answers, of those that somebody gets who knows who is bad. */
function kept(counts: Counts, best: Counts): number {
  return answeredShare(counts) / answeredShare(best)
}

function checks(run: Run): Check[] {
  const { peers, arms, bytesPerRecord, timers } = run
  const of = `${peers.toLocaleString('en-US')} peers`
  const { falseOpens, missed, noticeable, wastedCalls } = arms.protected
  const share = kept(arms.protected, arms.oracle)
  const wasted = wastedCalls / arms.unprotected.wastedCalls
  const all = [
    { name: 'no circuit opens for nothing', passed: falseOpens === 0, detail: `${falseOpens} did` },
    {
      name: 'circuits of bad peers open',
      passed: missed === 0 && arms.protected.opens > 0,
      detail: `${missed} of ${noticeable} did not`
    },
    {
      name: 'good throughput is kept',
      passed: share >= LEAST_KEPT,
      detail: `${percent(share)}, at least ${percent(LEAST_KEPT)}`
    },
    {
      name: 'few calls are wasted',
      passed: wasted <= MOST_WASTED,
      detail: `${percent(wasted)} of those without protection, at most ${percent(MOST_WASTED)}`
    },
    { name: 'there is one timer', passed: timers === 1, detail: `${timers}` }
  ]
  if (peers >= LEAST_PEERS_TO_WEIGH)
    all.push({
      name: 'memory per record',
      passed: bytesPerRecord <= MOST_BYTES,
      detail: `${figures(bytesPerRecord)} B, at most ${MOST_BYTES}`
    })
  return all.map(check => ({ ...check, name: `${of}: ${check.name}` }))
}

export const scale: Group = { name: 'scale', report }
