import type { Settings } from '../harness.ts'
import type { Report } from '../report.ts'
import { percent } from './figures.ts'
import type { Group } from './group.ts'
import { type ArmName, Simulation } from './simulation.ts'
import { type Swarm, steadySwarm } from './swarm.ts'
import { answeredShare } from './tally.ts'

const MINUTE_MS = 60_000
/** With fewer, it takes longer until there is no room for more but in the place of somebody who is bad. */
const PEERS = 20_000

/** Half of the peers that are called at a time are well and stay; the others come anew all the time, and refuse. */
function crowdedSwarm(peers: number): Swarm {
  const residents = peers / 20
  return {
    ...steadySwarm,
    peers,
    active: 2 * residents,
    residents,
    sessionMs: 5_000,
    newcomerShare: 1,
    candidates: 3,
    tries: 2,
    durationMs: 6 * MINUTE_MS,
    fault: peer => (peer < residents ? undefined : { way: 'refuse' })
  }
}

async function report({ seed }: Settings): Promise<Report> {
  const peers = PEERS
  const swarm = crowdedSwarm(peers)
  const run = (arm: ArmName): Simulation => new Simulation(swarm, seed, { arm }).run()
  const { tally, protection } = run('protected')
  const ours = tally.counts
  const unprotected = run('unprotected').tally.counts
  const oracle = run('oracle').tally.counts
  const identities = Math.round(((swarm.active - swarm.residents) * swarm.durationMs) / swarm.sessionMs)
  const records = protection!.getOverallStatus().totalPeers
  return {
    name: 'crowd',
    title: 'half of the peers that are called are new identities that refuse all, each gone after 5 s',
    columns: [
      'records',
      'identities',
      'answered',
      'unprotected',
      'at best',
      'wasted',
      'unprotected',
      'opens'
    ],
    rows: [
      [
        records,
        identities,
        percent(answeredShare(ours)),
        percent(answeredShare(unprotected)),
        percent(answeredShare(oracle)),
        ours.wastedCalls,
        unprotected.wastedCalls,
        ours.opens
      ]
    ],
    notes: [
      'Who is new has done nothing yet: his first five calls are lost, and most are gone by then. That good peers do not',
      'suffer is all that is asked for here.'
    ],
    checks: [
      {
        name: 'no peer that is well is refused',
        passed: ours.wellRefused === 0,
        detail: `${ours.wellRefused} calls were`
      },
      {
        name: 'no circuit opens for nothing',
        passed: ours.falseOpens === 0,
        detail: `${ours.falseOpens} did`
      },
      { name: 'records are bounded', passed: records <= peers, detail: `${records}, at most ${peers}` },
      {
        name: 'no fewer requests are answered than without protection',
        passed: answeredShare(ours) >= answeredShare(unprotected),
        detail: percent(answeredShare(ours))
      }
    ],
    data: { records, identities, protected: ours, unprotected, oracle }
  }
}

export const crowd: Group = { name: 'crowd', report }
