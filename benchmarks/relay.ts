import { runBenchmark } from './benchmark.ts'
import { measureAcquiring } from './relay/acquire.ts'
import { type ChannelsPlan, measureChannels } from './relay/channels.ts'
import { type FailoverPlan, measureFailovers } from './relay/failover.ts'
import { arms } from './relay/failover-rig.ts'
import { tooFewFiles } from './relay/open-files.ts'
import { findParts } from './relay/parts.ts'
import { measurePlanned, type PlannedPlan } from './relay/planned.ts'

// Channels to relays and nodes: how many, how quickly they are lent, and what becomes of reads and of transactions when a node
// fails; other pools, and HAProxy, beside it.

interface Plan {
  readonly channels: ChannelsPlan
  readonly failover: FailoverPlan
  readonly planned: PlannedPlan
}

const plans: Readonly<Record<'full' | 'quick', Plan>> = {
  full: {
    channels: { count: 10_001, runs: 5 },
    failover: { loads: [4, 32], arms, runs: 5, beforeMs: 500, outageMs: 5_000 },
    planned: { transactions: 60, runs: 5 }
  },
  quick: {
    channels: { count: 1_000, runs: 1 },
    failover: {
      loads: [4],
      arms: ['ours', 'HAProxy, application check'],
      runs: 1,
      beforeMs: 200,
      outageMs: 1_500
    },
    planned: { transactions: 60, runs: 1 }
  }
}

await runBenchmark({
  name: 'relay',
  packages: ['generic-pool', 'tarn', 'lightning-pool', 'undici'],
  options: {
    only: { kind: 'list', help: 'what is measured', oneOf: ['channels', 'acquire', 'failover', 'planned'] }
  },
  async *reports(settings, { only }) {
    const { isQuick, seed } = settings
    const { channels, failover, planned } = isQuick ? plans.quick : plans.full
    const isWanted = (name: string): boolean => only?.includes(name) ?? true
    if (isWanted('channels')) {
      const problem = tooFewFiles(channels.count)
      if (problem === undefined) yield await measureChannels(channels, seed, isQuick)
      else skip('channels', problem)
    }
    if (isWanted('acquire')) yield* measureAcquiring(settings)
    const parts = findParts()
    if (typeof parts === 'string') {
      for (const part of ['failover', 'planned'].filter(isWanted)) skip(part, parts)
      return
    }
    if (isWanted('failover')) yield* measureFailovers(parts, failover, seed, isQuick)
    if (isWanted('planned')) yield await measurePlanned(parts.haproxy, planned)
  }
})

/** Says so, apart from what is found. */
function skip(part: string, reason: string): void {
  console.error(`\n${part} is not measured: ${reason}`)
}
