import { type ArmName, Simulation } from './simulation.ts'
import type { Swarm } from './swarm.ts'
import type { Counts } from './tally.ts'

/** What came of the same requests to the same peers, by who decided about calls. */
export type Compared = Readonly<Record<ArmName, Counts>>

export function compareArms(swarm: Swarm, seed: number): Compared {
  const run = (arm: ArmName): Counts => new Simulation(swarm, seed, { arm }).run().tally.counts
  return { protected: run('protected'), unprotected: run('unprotected'), oracle: run('oracle') }
}
