import { Authority } from '../../test/relay/support/certificates.ts'
import { type Candidate, type Settings, spread, timeInterleaved } from '../harness.ts'
import { medianInterval } from '../interval.ts'
import { type Cell, figures, type Report } from '../report.ts'
import { echoChild } from './children.ts'
import { genericPool, lightningPool, type MakePool, ourPool, type ReadyPool, tarn } from './pools.ts'

/** Times each pool's only resource is used in a batch, one after the other. */
const USES = 5_000

/** Callers at once, and the resources that they share. */
const CALLERS = 10_000
const RESOURCES = 10

/** All pools, ours first. */
type NamedPools = ReadonlyArray<readonly [name: string, make: MakePool]>

/** Compares pools of which all resources are ready, in this process and in turns. */
export async function* measureAcquiring(settings: Settings): AsyncGenerator<Report> {
  const authority = await Authority.create()
  await using server = echoChild()
  const endpoint = await server.call('start', await authority.issue({ addresses: ['127.0.0.1'] }))
  const pools: NamedPools = [
    ['bitswap-protection', ourPool(endpoint, authority.certificate)],
    ['generic-pool', genericPool],
    ['tarn', tarn],
    ['lightning-pool', lightningPool]
  ]
  yield await oneByOne(pools, settings)
  yield await allAtOnce(pools, settings)
}

async function oneByOne(pools: NamedPools, settings: Settings): Promise<Report> {
  await using opened = new OpenPools(1)
  const candidates = pools.map(([name, make]) =>
    opened.candidate(name, make, USES, async (pool, times) => {
      for (let use = 0; use < times; use++) await pool.use(true)
    })
  )
  const samples = await timeInterleaved(candidates, settings)
  return {
    name: 'acquire',
    title: 'one resource, ready, taken and given back by one caller',
    columns: ['', 'rounds', 'per second', 'p25', 'p75', 'time, of ours'],
    rows: rows(pools, samples, settings.seed, ns => 1e9 / ns),
    notes: [
      'Ours is a channel over TLS that stands: when it is given back it is looked at, whether anything came on it, whether it is too old or too slow. The others keep an empty object, and look at nothing.'
    ],
    checks: [],
    data: { samples }
  }
}

async function allAtOnce(pools: NamedPools, settings: Settings): Promise<Report> {
  await using opened = new OpenPools(RESOURCES)
  const candidates = pools.map(([name, make]) =>
    opened.candidate(name, make, CALLERS, async (pool, times) => {
      await Promise.all(Array.from({ length: times }, () => pool.use(false)))
    })
  )
  const samples = await timeInterleaved(candidates, settings)
  return {
    name: 'queue',
    title: `${figures(CALLERS)} callers at once, ${RESOURCES} resources, each kept for a turn of the event loop`,
    columns: ['', 'rounds', 'ms', 'p25', 'p75', 'time, of ours'],
    rows: rows(pools, samples, settings.seed, ns => (ns * CALLERS) / 1e6),
    notes: ['Each caller of ours has a time limit; so have those of the others.'],
    checks: [],
    data: { samples }
  }
}

/** @param samples - ns per use of each round, by pool */
function rows(
  pools: NamedPools,
  samples: readonly number[][],
  seed: number,
  shown: (ns: number) => number
): Cell[][] {
  const [ours] = samples as [number[]]
  return samples.map((its, index) => {
    const { median, p25, p75 } = spread(its.map(shown))
    const ratio = medianInterval(
      its.map((ns, round) => ns / ours[round]!),
      seed
    )
    const ofOurs = `${figures(ratio.median)} (${figures(ratio.low)} to ${figures(ratio.high)})`
    return [pools[index]![0], its.length, median, p25, p75, index === 0 ? undefined : ofOurs]
  })
}

/** Pools of one size, closed when all is measured. */
class OpenPools implements AsyncDisposable {
  readonly #size: number
  readonly #pools: ReadyPool[] = []

  constructor(size: number) {
    this.#size = size
  }

  candidate(
    name: string,
    make: MakePool,
    batch: number,
    run: (pool: ReadyPool, times: number) => Promise<void>
  ): Candidate {
    return {
      name,
      batch,
      prepare: async () => {
        const pool = await make(this.#size)
        this.#pools.push(pool)
        return { run: times => run(pool, times), fault: () => this.#fault(pool) }
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pool of this.#pools) await pool.close()
  }

  #fault({ idle }: ReadyPool): string | undefined {
    return idle === this.#size ? undefined : `${idle} of ${this.#size} resources are in the pool at the end`
  }
}
