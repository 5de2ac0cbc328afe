import { setTimeout as sleep } from 'node:timers/promises'
import { Authority } from '../../test/relay/support/certificates.ts'
import { spread } from '../harness.ts'
import { medianInterval } from '../interval.ts'
import { type Cell, type Check, figures, type Report } from '../report.ts'
import type { Echoed, Opened } from './channel-crowd.ts'
import { crowdChild, echoChild } from './children.ts'

/** How many channels, and how often they are opened, in new processes each time. */
export interface ChannelsPlan {
  readonly count: number
  readonly runs: number
}

/** What the project wants establishment to take on average at most, in ms. */
const MAX_MEAN_MS = 100

/** With so many handshakes at once at most, which is the pool's own limit. */
const MAX_HANDSHAKES = 100

/** How long the server may take to see that all are gone, in ms. */
const CLOSE_LIMIT_MS = 30_000

/** What came of one run. */
interface Run {
  readonly opened: Opened
  readonly echoed: Echoed
  /** Until the server had no connection any more, in ms. */
  readonly closeMs: number
  readonly errors: number
  /** Connections that the server had while all were open. */
  readonly served: number
}

/** Has one process hold many channels to a server in another, uses them all, and closes them. */
export async function measureChannels(plan: ChannelsPlan, seed: number, isQuick: boolean): Promise<Report> {
  const runs: Run[] = []
  for (let run = 0; run < plan.runs; run++) runs.push(await openAll(plan.count))
  return report(plan.count, runs, seed, isQuick)
}

async function openAll(count: number): Promise<Run> {
  const authority = await Authority.create()
  await using server = echoChild()
  await using crowd = crowdChild()
  const endpoint = await server.call('start', await authority.issue({ addresses: ['127.0.0.1'] }))
  const opened = await crowd.call('open', endpoint, authority.certificate, count)
  const served = await server.call('connections')
  const echoed = await crowd.call('echo')
  const startMs = performance.now()
  const { errors } = await crowd.call('close')
  while ((await server.call('connections')) > 0) {
    if (performance.now() - startMs > CLOSE_LIMIT_MS) throw new Error('Some channels are never closed')
    await sleep(5)
  }
  return { opened, echoed, closeMs: performance.now() - startMs, errors, served }
}

interface Measure {
  readonly name: string
  readonly unit: string
  of(run: Run): number
}

const measures: readonly Measure[] = [
  { name: 'established, mean', unit: 'ms', of: ({ opened }) => opened.meanMs },
  { name: 'established, p95', unit: 'ms', of: ({ opened }) => opened.p95Ms },
  { name: 'of that TCP and TLS, mean', unit: 'ms', of: ({ opened }) => opened.handshakeMeanMs },
  { name: 'all established after', unit: 's', of: ({ opened }) => opened.tookMs / 1000 },
  { name: 'memory per channel (RSS)', unit: 'kB', of: ({ opened }) => opened.rssBytes / 1000 },
  { name: 'of that heap and buffers', unit: 'kB', of: ({ opened }) => opened.usedBytes / 1000 },
  { name: 'an echo on each, 100 at once, p95', unit: 'ms', of: ({ echoed }) => echoed.p95Ms },
  { name: 'all echoed after', unit: 's', of: ({ echoed }) => echoed.tookMs / 1000 },
  { name: 'all closed after', unit: 's', of: ({ closeMs }) => closeMs / 1000 }
]

function report(count: number, runs: readonly Run[], seed: number, isQuick: boolean): Report {
  return {
    name: 'channels',
    title: `${figures(count)} channels in one process, to a server in another`,
    columns: ['', 'runs', 'median', 'p25', 'p75'],
    rows: measures.map(measure => row(measure, runs)),
    notes: [
      'Established: TCP, TLS 1.3, and an answer to the first thing sent; both ends share this machine.'
    ],
    checks: [...countChecks(count, runs), ...(isQuick ? [] : [limit(runs, seed)])],
    data: { count, runs }
  }
}

function row({ name, unit, of }: Measure, runs: readonly Run[]): Cell[] {
  const { median, p25, p75 } = spread(runs.map(of))
  return [name, runs.length, ...[median, p25, p75].map(value => `${figures(value)} ${unit}`)]
}

function countChecks(count: number, runs: readonly Run[]): Check[] {
  const least = (of: (run: Run) => number): number => Math.min(...runs.map(of))
  const errors = runs.reduce((sum, { errors: its, echoed }) => sum + its + echoed.failed, 0)
  const open = least(({ opened, echoed, served }) => Math.min(opened.channels, echoed.idle, served))
  const most = Math.max(...runs.map(({ opened }) => opened.mostHandshakes))
  return [
    { name: 'no errors', passed: errors === 0, detail: `${errors} in ${runs.length} runs` },
    { name: 'all stand at once', passed: open === count, detail: `${open} of ${count}, at both ends` },
    {
      name: 'no more handshakes at once than are of use',
      passed: most <= MAX_HANDSHAKES,
      detail: `${most}, at most ${MAX_HANDSHAKES}`
    }
  ]
}

function limit(runs: readonly Run[], seed: number): Check {
  const { median, low, high } = medianInterval(
    runs.map(({ opened }) => opened.meanMs),
    seed
  )
  return {
    name: 'established within',
    passed: low < MAX_MEAN_MS,
    detail: `${figures(median)} ms on average (${figures(low)} to ${figures(high)}), less than ${MAX_MEAN_MS}`
  }
}
