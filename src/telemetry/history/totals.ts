import type { LatencyCounts } from '../../core/index.ts'
import type { TelemetrySources } from '../sources.ts'

/** How things stand, and what has been counted since the start, over all nodes, pools and channels. */
export interface Totals {
  readonly peers: number
  readonly openCircuits: number
  readonly wants: number
  readonly failedWants: number
  readonly wantSumMs: number
  readonly connections: number
  readonly relayRequests: number
  readonly relayErrors: number
  readonly relaySumMs: number
  readonly failovers: number
}

export function readTotals({ bitswap = [], pools = [], channels = [] }: TelemetrySources): Totals {
  const statuses = bitswap.map(node => node.getOverallStatus())
  const summaries = pools.map(pool => pool.getSummary())
  const channelStatuses = channels.map(channel => channel.getStatus())
  const nodes = channelStatuses.flatMap(channel => channel.nodes)
  const answerTimes: LatencyCounts[] = [...summaries, ...nodes].map(each => each.answerTimes)
  return {
    peers: sum(statuses, ({ totalPeers }) => totalPeers),
    openCircuits: sum(statuses, ({ circuitStates }) => circuitStates.OPEN),
    wants: sum(statuses, ({ totals }) => totals.answerTimes.count),
    failedWants: sum(
      statuses,
      ({
        totals: {
          wants: { failed = 0 }
        }
      }) => failed
    ),
    wantSumMs: sum(statuses, ({ totals }) => totals.answerTimes.sumMs),
    connections:
      sum(summaries, ({ activeConnections }) => activeConnections) +
      sum(nodes, ({ connections }) => connections),
    relayRequests: sum(answerTimes, ({ count }) => count),
    relayErrors: sum([...summaries, ...nodes], ({ totalErrors }) => totalErrors),
    relaySumMs: sum(answerTimes, ({ sumMs }) => sumMs),
    failovers: sum(channelStatuses, ({ totalFailovers }) => totalFailovers)
  }
}

function sum<Each>(all: readonly Each[], read: (each: Each) => number): number {
  return all.reduce((total, each) => total + read(each), 0)
}
