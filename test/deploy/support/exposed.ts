import { Registry } from 'prom-client'
import { LatencyBuckets } from '../../../src/core/latency-buckets.ts'
import { registerMetrics } from '../../../src/telemetry/index.ts'
import type { ChannelSource, PoolSource } from '../../../src/telemetry/sources.ts'
import { createNode } from '../../management/support/managed.ts'
import type { Series } from './promql.ts'

/** The namespace of what is exposed of relays. */
export const NAMESPACE = 'btc_sprint'

/** Every series that the metrics of nodes, pools and channels have, as they are scraped. */
export async function exposedSeries(): Promise<Series[]> {
  const registry = new Registry()
  registerMetrics(registry, { bitswap: [createNode().node], pools: [pool], channels: [channel] })
  const text = await registry.metrics()
  return text
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(seriesOf)
}

function seriesOf(line: string): Series {
  const [, name, labels = ''] = /^([\w:]+)(?:\{(.*)\})? \S+$/.exec(line)!
  const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label, value])
  return { __name__: name, ...Object.fromEntries(pairs) }
}

const endpoint = 'node-a.example.com:8332'
const answerTimes = new LatencyBuckets().read()

const pool: PoolSource = {
  namespace: NAMESPACE,
  getSummary: () => ({
    endpoint,
    isHealthy: true,
    activeConnections: 1,
    idleConnections: 1,
    opening: 0,
    waiting: 0,
    totalReconnects: 0,
    totalErrors: 0,
    answerTimes,
    circuit: undefined
  })
}

const channel: ChannelSource = {
  namespace: NAMESPACE,
  getStatus: () => ({
    isFailedOver: false,
    height: 900_000,
    inFlight: 0,
    totalRequests: 0,
    totalRetries: 0,
    totalHedges: 0,
    totalErrors: 0,
    totalFailovers: 0,
    nodes: [
      {
        endpoint,
        isHealthy: true,
        inFlight: 0,
        connections: 1,
        consecutiveFails: 0,
        totalErrors: 0,
        answerTimes,
        circuit: undefined
      }
    ]
  })
}
