import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { ChildProgram } from '../../../../../src/cli/swarm/child-program.ts'
import { Authority } from '../../../../relay/support/certificates.ts'
import { seededRandom } from '../../../../support/random.ts'
import { FRONT_HOST } from './faulty-front.ts'
import type { ClientCommands, Drained, Footprint, Tally } from './soak-commands.ts'
import { type FaultOutcome, SoakSite } from './soak-site.ts'

/** How long sockets that were closed may stay, in ms. Those that nobody uses the servers have closed after 3 s. */
const SETTLE_LIMIT_MS = 1_000

/** How often it is looked at what the client takes, over all faults. */
const FOOTPRINTS = 40

export interface SoakOptions {
  readonly faults: number
  /** Sites, side by side: the time is spent waiting. */
  readonly sites: number
  readonly seed: number
}

/** What came of it. */
export interface Soaked {
  readonly outcomes: readonly FaultOutcome[]
  readonly tally: Tally
  /** Before anything was made; at equal distances while it went on; and after all was closed. */
  readonly before: Footprint
  readonly during: readonly Footprint[]
  readonly after: Footprint
  readonly drained: Drained
}

/** Many faults of random kinds, and what they leave behind in a process that uses nodes and relays all the while. */
export async function soak({ faults, sites: count, seed }: SoakOptions): Promise<Soaked> {
  await using stack = new AsyncDisposableStack()
  const { root, identities } = await makeIdentities()
  const client = stack.use(
    new ChildProgram<ClientCommands>({
      name: 'The client',
      program: new URL('./client-program.ts', import.meta.url),
      execArgv: ['--expose-gc'],
      stderr: 'keep'
    })
  )
  const sites = await Promise.all(Array.from({ length: count }, () => SoakSite.start(identities)))
  for (const site of sites) stack.use(site)
  const before = await client.call('footprint')
  await client.call(
    'start',
    sites.map(({ addresses }) => addresses),
    root
  )
  const outcomes: FaultOutcome[] = []
  const during: Footprint[] = []
  const play = async (site: SoakSite, index: number): Promise<void> => {
    const random = seededRandom(seed + index)
    while (outcomes.length < faults) {
      outcomes.push(...(await site.episode(index, client, random)))
      if (outcomes.length < ((during.length + 1) * faults) / FOOTPRINTS) continue
      during.push(await client.call('footprint'))
    }
  }
  await Promise.all(sites.map(play))
  const tally = await client.call('tally')
  const drained = await client.call('drain')
  return { outcomes, tally, before, during, drained, after: await settled(client, before) }
}

async function makeIdentities() {
  const authority = await Authority.create()
  const addresses = [FRONT_HOST]
  const identities = {
    right: await authority.issue({ addresses }),
    'wrong-certificate': await authority.issue({ names: ['somebody.else'] }),
    'expired-certificate': await authority.issue({ addresses, validDays: [-30, -1] })
  }
  return { root: authority.certificate, identities }
}

/** What must not be left behind. */
export function leftIn({ openFiles, timers, resources }: Footprint): object {
  return { openFiles, timers, resources }
}

/** What the client takes when nothing more goes away. */
async function settled(client: ChildProgram<ClientCommands>, before: Footprint): Promise<Footprint> {
  const endMs = performance.now() + SETTLE_LIMIT_MS
  for (;;) {
    const now = await client.call('footprint')
    if (isDeepStrictEqual(leftIn(now), leftIn(before)) || performance.now() > endMs) return now
    await sleep(20)
  }
}
