import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom, shuffled } from '../harness.ts'
import { medianInterval } from '../interval.ts'
import { type Cell, figures, type Report } from '../report.ts'
import { NodeChild } from './node-child.ts'
import type { Goods } from './pair.ts'
import type { Guard } from './stream-node.ts'
import type { Traces } from './traces.ts'

/** How much comes and goes between two looks at what is left of it, and how often it does. */
export interface ChurnPlan {
  /** Connections made, and ended, by each step, and how many steps there are. */
  readonly stepConnects: number
  readonly steps: number
}

/** Fewer than have come when it is looked at first, so that the table of the service is full by then. */
const MAX_TARGETS = 50

/** Connections that have ended are kept that long, in ms; so that it is not what is measured. */
const NEGOTIATION_LIMIT_MS = 2_000

/** What each connection may leave behind with the service, beyond what it does without. */
const MAX_LEFT_BYTES = { full: 50, quick: 20_000 }

const CLOSE_LIMIT_MS = 30_000

const guards: readonly Guard[] = ['none', 'service']
const names = ['stock', 'service']

/** Who comes. */
export interface Crowd {
  readonly name: string
  readonly title: string
  /** Whether each is somebody who was never there. */
  readonly areNew: boolean
}

export const sameCrowd: Crowd = {
  name: 'churn-same',
  title: 'the same 100 peers connect and leave again and again',
  areNew: false
}

export const newCrowd: Crowd = {
  name: 'churn-new',
  title: 'peers connect and leave, each with an id of its own',
  areNew: true
}

/** Has peers connect to nodes with and without the service and leave, in turns, and looks at what is left of them. */
export async function measureChurn(
  crowd: Crowd,
  { stepConnects, steps }: ChurnPlan,
  goods: Goods,
  seed: number,
  isQuick: boolean
): Promise<Report> {
  await using nodes = new AsyncDisposableStack()
  const visitors = nodes.use(new NodeChild())
  const visited: NodeChild[] = []
  for (const guard of guards) {
    const node = nodes.use(
      await NodeChild.start({
        ...goods,
        names: [],
        guard,
        maxTargets: MAX_TARGETS,
        negotiationLimitMs: NEGOTIATION_LIMIT_MS
      })
    )
    // So that each visitor is sent something.
    await node.call('wantInVain', goods.names[0]!)
    visited.push(node)
  }
  const random = seededRandom(seed)
  const found: Traces[][] = guards.map(() => [])
  for (let step = 0; step < steps; step++) {
    for (const index of shuffled(guards.length, random)) {
      const node = visited[index]!
      await visitors.call('makeVisits', { address: node.address, count: stepConnects, areNew: crowd.areNew })
      found[index]!.push(await tracesLeft(node))
    }
  }
  const watched = await visited[1]!.call('watchedPeers')
  return report(crowd, { stepConnects, steps }, found, watched, seed, isQuick)
}

/** What is left when everybody has gone. */
async function tracesLeft(node: NodeChild): Promise<Traces> {
  const endMs = performance.now() + CLOSE_LIMIT_MS
  while ((await node.call('connections')) > 0) {
    if (performance.now() > endMs) throw new Error('Some connections are never closed')
    await sleep(50)
  }
  return node.call('traces')
}

function report(
  { name, title }: Crowd,
  { stepConnects, steps }: ChurnPlan,
  found: readonly Traces[][],
  watched: number,
  seed: number,
  isQuick: boolean
): Report {
  const [stock, service] = found as [Traces[], Traces[]]
  const more = service.map(({ usedBytes }, step) => usedBytes - stock[step]!.usedBytes)
  // Over half of the run each: between two looks chance is greater than what may be left.
  const span = Math.floor(steps / 2)
  const left = medianInterval(
    more.slice(span).map((bytes, step) => (bytes - more[step]!) / (span * stepConnects)),
    seed
  )
  const maxLeftBytes = isQuick ? MAX_LEFT_BYTES.quick : MAX_LEFT_BYTES.full
  const [first, last] = [service[0]!, service.at(-1)!]
  const looks = new Set([0.1, 0.5, 1].map(share => Math.ceil(share * steps) - 1))
  return {
    name,
    title: `${figures(steps * stepConnects)} times to each node, ${title}`,
    columns: ['arm', 'connects', 'in use', 'listeners', 'timers', 'records'],
    rows: found.flatMap((traces, arm) =>
      [...looks].map(step => row(names[arm]!, (step + 1) * stepConnects, traces[step]!))
    ),
    notes: [],
    checks: [
      {
        name: 'memory stays as flat as without',
        passed: left.low <= maxLeftBytes,
        detail: `${figures(left.median)} B more per connection (${figures(left.low)} to ${figures(left.high)}), at most ${maxLeftBytes}`
      },
      {
        name: 'nobody who has left is watched',
        passed: watched === 0 && last.records <= MAX_TARGETS,
        detail: `${watched} are, and there are ${last.records} records of at most ${MAX_TARGETS}`
      },
      {
        name: 'no listener and no timer is left',
        passed: last.listeners === first.listeners && last.timers <= first.timers,
        detail: `${last.listeners} listeners after ${first.listeners}, ${last.timers} timers after ${first.timers}`
      }
    ],
    data: { stepConnects, stock, service }
  }
}

function row(arm: string, connects: number, traces: Traces): Cell[] {
  const { usedBytes, listeners, timers, records } = traces
  return [arm, connects, `${figures(usedBytes / 1e6)} MB`, listeners, timers, records]
}
