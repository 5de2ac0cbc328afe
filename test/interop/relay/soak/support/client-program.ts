import { setTimeout as sleep } from 'node:timers/promises'
import { serveCommands } from '../../../../../src/cli/swarm/serve-commands.ts'
import { CountingClock } from '../../../../integration/support/counting-clock.ts'
import { footprint } from './footprint.ts'
import { NodeUse } from './node-use.ts'
import { RelayUse } from './relay-use.ts'
import type { ClientCommands } from './soak-commands.ts'

// Secure channels and pools in a process of its own, so that its memory, its timers and its sockets can be measured.

/** A timer that is due at once may still be waiting, in ms; none that is set anew takes less than 25. */
const DUE_MS = 5

const clock = new CountingClock()

/** By site. */
let nodeUses: readonly NodeUse[] = []
let relayUses: readonly RelayUse[] = []

serveCommands<ClientCommands>({
  footprint: () => footprint(clock),
  async start(sites, root) {
    nodeUses = await Promise.all(sites.map(({ nodes }) => NodeUse.start(nodes, root, clock)))
    relayUses = await Promise.all(sites.map(({ relay }) => RelayUse.start(relay, root, clock)))
  },
  tally() {
    const events: Record<string, number> = {}
    for (const use of nodeUses)
      for (const [type, count] of Object.entries(use.events)) events[type] = (events[type] ?? 0) + count
    return {
      reads: sum(nodeUses.map(({ reads }) => reads)),
      lost: sum(nodeUses.map(({ lost }) => lost)),
      errors: nodeUses.flatMap(({ errors }) => errors),
      mixedUp: sum([...nodeUses, ...relayUses].map(({ mixedUp }) => mixedUp)),
      longestReadMs: Math.max(...nodeUses.map(({ longestMs }) => longestMs)),
      exchanges: sum(relayUses.map(({ exchanges }) => exchanges)),
      failedExchanges: sum(relayUses.map(({ failed }) => failed)),
      events,
      retries: sum(nodeUses.map(({ retries }) => retries)),
      hedges: sum(nodeUses.map(({ hedges }) => hedges)),
      reconnects: sum(relayUses.map(({ reconnects }) => reconnects))
    }
  },
  async recovered(site, limitMs) {
    const [[nodes, nodesMs], [relay, relayMs]] = await Promise.all([
      timed(nodeUses[site]!.recovered(limitMs)),
      timed(relayUses[site]!.recovered(limitMs))
    ])
    return { nodes, relay, nodesMs, relayMs }
  },
  async drain() {
    const givenUp = sum(await Promise.all([...nodeUses, ...relayUses].map(use => use.drain())))
    await sleep(DUE_MS)
    return { givenUp, timers: clock.waiting }
  }
})

async function timed<Value>(promise: Promise<Value>): Promise<readonly [Value, number]> {
  const startedAtMs = performance.now()
  return [await promise, performance.now() - startedAtMs]
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0)
}
