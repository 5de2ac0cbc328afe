import type { LatencyCounts } from '../core/index.ts'
import type { ChannelDetails, Managed, PoolDetails } from './managed.ts'

/** All pools and channels at one moment. */
export interface RelayView {
  readonly pools: readonly PoolDetails[]
  readonly channels: readonly ChannelDetails[]
  /** Whether any of them can be used; also if there are none. */
  readonly isHealthy: boolean
  readonly isDraining: boolean
  readonly connections: number
  readonly maxConnections: number
  /** What failed of all that ended, from 0 to 1. */
  readonly errorShare: number
  /** Mean time to an answer, in ms. */
  readonly meanLatencyMs: number
}

export function lookAtRelay({ pools = [], channels = [] }: Managed): RelayView {
  const poolDetails = pools.map(pool => pool.getStatus())
  const channelDetails = channels.map(channel => channel.getStatus())
  const nodes = channelDetails.flatMap(channel => channel.nodes)
  const all = [...poolDetails, ...channelDetails]
  const errors = total([...poolDetails, ...nodes], ({ totalErrors }) => totalErrors)
  const answers: readonly LatencyCounts[] = [...poolDetails, ...nodes].map(({ answerTimes }) => answerTimes)
  const count = total(answers, times => times.count)
  return {
    pools: poolDetails,
    channels: channelDetails,
    isHealthy: all.length === 0 || all.some(({ isHealthy }) => isHealthy),
    isDraining: all.some(({ isDraining }) => isDraining),
    connections:
      total(poolDetails, ({ activeConnections }) => activeConnections) +
      total(nodes, ({ connections }) => connections),
    maxConnections: total(poolDetails, ({ maxConnections }) => maxConnections),
    errorShare: count + errors === 0 ? 0 : errors / (count + errors),
    meanLatencyMs: count === 0 ? 0 : total(answers, ({ sumMs }) => sumMs) / count
  }
}

export function total<Item>(items: readonly Item[], read: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + read(item), 0)
}
