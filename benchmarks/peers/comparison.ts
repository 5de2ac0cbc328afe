import { shuffled } from '../harness.ts'
import type { FetchLimits } from '../rig/fetching.ts'
import type { Rig } from '../rig/rig.ts'
import { type Run, type RunPlan, runScenario } from '../rig/run.ts'
import type { Scenario } from '../rig/scenarios.ts'
import { seededStream } from '../rig/seeded-stream.ts'

/** Who is compared. */
export const arms = {
  'stock session': { arm: 'session' },
  'stock broadcast': { arm: 'broadcast' },
  'service, session': { arm: 'service-session' },
  'service, broadcast': { arm: 'service-broadcast' },
  protected: { arm: 'protected' },
  oracle: { arm: 'protected', isOracle: true }
} as const satisfies Readonly<Record<string, Pick<RunPlan, 'arm' | 'isOracle'>>>

export type ArmName = keyof typeof arms

export const armNames = Object.keys(arms) as ArmName[]

/** Those of which a quick run sees whether they do what they should. Stock sessions take seconds to lose blocks. */
export const QUICK_ARMS: readonly ArmName[] = ['service, broadcast', 'protected']

/** How long the arms are waited for. */
export interface Patience {
  /** Of all but sessions of stock Helia. */
  readonly patient: FetchLimits
  /** Of those: when they lose a block they lose all that are left, one after the other. */
  readonly ofSessions: FetchLimits
}

/** What came of one seed in each arm. */
export interface Round {
  readonly seed: number
  readonly scenario: Scenario
  readonly runs: Readonly<Partial<Record<ArmName, Run>>>
}

/**
 * Has all arms go through a scenario with one seed after the other, in another order each time. None pays for the garbage of the one
 * before: a broadcast's is many times what is wanted.
 */
export async function compare(
  rig: Rig,
  make: (seed: number) => Scenario,
  seeds: readonly number[],
  names: readonly ArmName[],
  patience: Patience
): Promise<Round[]> {
  const rounds: Round[] = []
  for (const seed of seeds) {
    const scenario = make(seed)
    // Shown in the order they are named in, whatever order they ran in.
    const runs: Partial<Record<ArmName, Run>> = Object.fromEntries(names.map(name => [name, undefined]))
    for (const index of shuffled(names.length, seededStream(seed, 'arms'))) {
      const name = names[index]!
      globalThis.gc!()
      runs[name] = await runScenario(rig, scenario, { ...arms[name], limits: limitsOf(name, patience) })
    }
    rounds.push({ seed, scenario, runs })
  }
  return rounds
}

function limitsOf(name: ArmName, { patient, ofSessions }: Patience): FetchLimits {
  return name === 'stock session' || name === 'service, session' ? ofSessions : patient
}
