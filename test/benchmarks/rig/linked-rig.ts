import { networkInterfaces } from 'node:os'
import { Rig } from '../../../benchmarks/rig/rig.ts'
import { runScenario } from '../../../benchmarks/rig/run.ts'
import { firstAreStricken, healthy, type Scenario } from '../../../benchmarks/rig/scenarios.ts'

// A program for a network namespace of its own: two peers with links to it, which are limited to a rate by what every kernel
// with limits has. It prints what became of them.

const WORKLOAD = { peers: 2, blocks: 20, sizeBytes: 50_000 }

const RATE_MBIT_PER_S = 8

/** Bytes that go through at once. */
const BURST_BYTES = 20_000

const QDISC = `tbf rate ${RATE_MBIT_PER_S}mbit burst ${BURST_BYTES} latency 400ms`

/** Both links are used to the full at best. */
const SHORTEST_MS = (WORKLOAD.blocks * WORKLOAD.sizeBytes * 8) / (WORKLOAD.peers * RATE_MBIT_PER_S * 1_000)

export interface Linked {
  /** Where peers can be dialled, without port. */
  readonly peers: readonly string[]
  /** Network devices that are up. */
  readonly devices: readonly string[]
  /** Blocks that did not come. */
  readonly lost: Readonly<Record<'healthy' | 'frozen' | 'killed' | 'startedAgain', number>>
  readonly isRateInForce: boolean
}

async function fetch(scenario: Scenario): Promise<{ failed: number; timeToFetchMs: number }> {
  return runScenario(rig, scenario, { arm: 'protected', limits: { blockMs: 15_000, totalMs: 30_000 } })
}

await using rig = await Rig.start(WORKLOAD.peers, QDISC)
const first = await fetch(healthy(1, WORKLOAD))
const frozen = await fetch(firstAreStricken(1, WORKLOAD, 'freeze', 1, 5))
const killed = await fetch(firstAreStricken(1, WORKLOAD, 'kill', 1, 5))
const again = await fetch(healthy(1, WORKLOAD))
const linked: Linked = {
  peers: rig.peers.map(({ multiaddr }) => multiaddr.split('/tcp/')[0]!),
  devices: Object.keys(networkInterfaces()).sort(),
  lost: {
    healthy: first.failed,
    frozen: frozen.failed,
    killed: killed.failed,
    startedAgain: again.failed
  },
  // What goes through in a burst is less than a twentieth of it all.
  isRateInForce: first.timeToFetchMs > 0.9 * SHORTEST_MS
}
console.log(JSON.stringify(linked))
