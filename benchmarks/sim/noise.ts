import type { ProtectionOptions } from 'bitswap-protection/core'
import type { Settings } from '../harness.ts'
import type { Check, Report } from '../report.ts'
import { percent } from './figures.ts'
import type { Group } from './group.ts'
import { Simulation } from './simulation.ts'
import { steadySwarm } from './swarm.ts'

/** Share of the calls to peers that are well that may be refused. */
const MOST_REFUSED = 0.001

const NOISE_SHARES = [0.01, 0.02, 0.05]
/** Calls a peer gets, and how many peers there are: the more calls, the fewer peers. */
const RATES = [
  { requestsPerS: 0.1, peers: 10_000, quickPeers: 500 },
  { requestsPerS: 1, peers: 3_000, quickPeers: 150 },
  { requestsPerS: 10, peers: 500, quickPeers: 15 }
]
const HOUR_MS = 3_600_000

/** What came of an hour in which all peers were well, but for single calls that failed by chance. */
export interface NoiseRun {
  readonly noiseShare: number
  readonly requestsPerS: number
  readonly peers: number
  readonly calls: number
  readonly opens: number
  readonly peersOpened: number
  readonly refused: number
}

export function runNoise(
  input: { noiseShare: number; requestsPerS: number; peers: number },
  seed: number,
  protection: Partial<ProtectionOptions> = {}
): NoiseRun {
  const { peers } = input
  const swarm = {
    ...steadySwarm,
    ...input,
    active: peers,
    residents: peers,
    durationMs: HOUR_MS,
    fault: () => undefined
  }
  const { tally } = new Simulation(swarm, seed, { protection }).run()
  const { counts } = tally
  return {
    ...input,
    calls: counts.wellAsked,
    opens: counts.opens,
    peersOpened: tally.peersFalselyOpened,
    refused: counts.wellRefused
  }
}

async function report({ isQuick, seed }: Settings): Promise<Report> {
  const runs = RATES.flatMap(({ requestsPerS, peers, quickPeers }) =>
    NOISE_SHARES.map(noiseShare =>
      runNoise({ noiseShare, requestsPerS, peers: isQuick ? quickPeers : peers }, seed)
    )
  )
  return {
    name: 'noise',
    title: 'an hour in which all peers are well, but for single calls that fail by chance',
    columns: [
      'calls fail',
      'calls/s to each',
      'peers',
      'calls',
      'opens',
      'per million calls',
      'per peer and hour',
      'peers ever opened',
      'calls refused'
    ],
    rows: runs.map(run => [
      percent(run.noiseShare, 0),
      run.requestsPerS,
      run.peers,
      run.calls,
      run.opens,
      ((1e6 * run.opens) / run.calls).toFixed(3),
      (run.opens / run.peers).toFixed(5),
      percent(run.peersOpened / run.peers, 3),
      percent(refusedShare(run), 5)
    ]),
    notes: [
      'Calls refused: while a circuit is OPEN, and while it recovers from that. All of them are false positives.'
    ],
    checks: runs.map(noiseCheck),
    data: runs
  }
}

function refusedShare({ refused, calls }: NoiseRun): number {
  return refused / calls
}

/** Fails only for what cannot be chance: how often something rare happens varies by the root of that, up to three times. */
export function noiseCheck(run: NoiseRun): Check {
  const share = refusedShare(run)
  const certain = share * Math.max(0, 1 - 3 / Math.sqrt(run.opens))
  return {
    name: `${percent(run.noiseShare, 0)} fail, ${run.requestsPerS} calls/s: hardly any call is refused`,
    passed: run.opens === 0 || certain < MOST_REFUSED,
    detail: `${percent(share, 5)}, less than ${percent(MOST_REFUSED, 1)}`
  }
}

export const noise: Group = { name: 'noise', report }
