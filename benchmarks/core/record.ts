import type { Metrics } from '@libp2p/interface'
import type { BuildRequest } from 'hdr-histogram-js'
import type { Candidate, Prepared } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost, NOTHING_BYTES } from './allocation.ts'
import { LONG_MS, peerId } from './subjects.ts'

const BATCH = 200_000

const OURS = 'LatencyHistogram.record, 20 ms'
const OURS_LONG = 'LatencyHistogram.record, 500 ms'
const HDR = 'hdr-histogram-js, 32 bit'
const WASM = 'hdr-histogram-js, 32 bit, WebAssembly'
const NO_METRICS = 'ProtectionMetrics.noteWant, node without metrics'

/** Times are kept in tenths of a ms, up to ten minutes, to two digits, as ours keeps them. */
const UNITS = 20 * 10
const MAX_UNITS = 10 * 60 * 1000 * 10
const DIGITS = 2

async function ours(responseTimeMs: number): Promise<Prepared> {
  const { LatencyHistogram } = await import('../../src/core/latency-histogram.ts')
  const histogram = new LatencyHistogram(LONG_MS, 0)
  return {
    run(times) {
      for (let time = 0; time < times; time++) histogram.record(responseTimeMs, 0)
    },
    fault: () => faultOf(histogram.summary(0).count)
  }
}

async function hdr(options: BuildRequest): Promise<Prepared> {
  const { build, initWebAssembly } = await import('hdr-histogram-js')
  if (options.useWebAssembly) await initWebAssembly()
  const histogram = build({
    highestTrackableValue: MAX_UNITS,
    numberOfSignificantValueDigits: DIGITS,
    autoResize: false,
    ...options
  })
  return {
    // Buckets of 16 bits would overflow.
    before: () => histogram.reset(),
    run(times) {
      for (let time = 0; time < times; time++) histogram.recordValue(UNITS)
    },
    fault: () => faultOf(histogram.totalCount)
  }
}

async function ofNode(): Promise<Prepared> {
  const { createHistogram } = await import('node:perf_hooks')
  const histogram = createHistogram({ highest: MAX_UNITS, figures: DIGITS })
  return {
    run(times) {
      for (let time = 0; time < times; time++) histogram.record(UNITS)
    },
    fault: () => faultOf(histogram.count)
  }
}

function faultOf(count: number): string | undefined {
  return count >= BATCH ? undefined : `only ${count} were recorded`
}

async function noteWant(metrics: Metrics | undefined, fault: () => string | undefined): Promise<Prepared> {
  const { ProtectionMetrics } = await import('../../src/bitswap/protection-metrics.ts')
  const noted = new ProtectionMetrics(metrics, () => {
    throw new Error('nobody asks')
  })
  return {
    run(times) {
      for (let time = 0; time < times; time++) noted.noteWant('answered', 20)
    },
    fault
  }
}

/** With the least that metrics of a node do: they add up by label. */
function noteWantAddedUp(): Promise<Prepared> {
  const sums = new Map<string, number>()
  const add = (name: string, amount: number): void => {
    sums.set(name, (sums.get(name) ?? 0) + amount)
  }
  const register = (name: string) => ({
    increment(labels: Readonly<Record<string, unknown>>) {
      for (const label in labels) add(label, 1)
    },
    observe: (value: number) => add(name, value)
  })
  const kinds = ['MetricGroup', 'Counter', 'CounterGroup', 'Histogram']
  const metrics = Object.fromEntries(kinds.map(kind => [`register${kind}`, register]))
  return noteWant(metrics as unknown as Metrics, () => faultOf(sums.get('answered') ?? 0))
}

/** With the metrics that a libp2p node has as a rule, whose collector is prom-client. */
async function noteWantToPrometheus(): Promise<Prepared> {
  const { prometheusMetrics } = await import('@libp2p/prometheus-metrics')
  const { createLogger } = await import('../../test/bitswap/support/peers.ts')
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  const create = prometheusMetrics({ registry, collectDefaultMetrics: false })
  const count = async () => {
    const wants = registry.getSingleMetric('bitswap_protection_wants_total')
    return ((await wants!.get()) as { values: ReadonlyArray<{ value: number }> }).values[0]?.value ?? 0
  }
  let counted = 0
  const prepared = await noteWant(create({ logger: createLogger().logger }), () => faultOf(counted))
  return {
    ...prepared,
    async before() {
      counted = await count()
    }
  }
}

/** What metrics with a label would take at each record, if nothing were added up before. */
async function promCounter(): Promise<Prepared> {
  const { Counter } = await import('prom-client')
  const counter = new Counter({ name: 'wants', help: 'Wants', labelNames: ['peer', 'result'], registers: [] })
  const labels = { peer: peerId(1), result: 'answered' }
  return {
    run(times) {
      for (let time = 0; time < times; time++) counter.inc(labels)
    }
  }
}

async function promHistogram(): Promise<Prepared> {
  const { Histogram } = await import('prom-client')
  const histogram = new Histogram({ name: 'seconds', help: 'Times', registers: [] })
  return {
    run(times) {
      for (let time = 0; time < times; time++) histogram.observe(0.02)
    }
  }
}

const candidates: readonly Candidate[] = [
  { name: OURS, batch: BATCH, prepare: () => ours(20) },
  { name: OURS_LONG, batch: BATCH, prepare: () => ours(500) },
  { name: HDR, batch: BATCH, prepare: () => hdr({ bitBucketSize: 32 }) },
  { name: 'hdr-histogram-js, 16 bit', batch: BATCH, prepare: () => hdr({ bitBucketSize: 16 }) },
  { name: WASM, batch: BATCH, prepare: () => hdr({ bitBucketSize: 32, useWebAssembly: true }) },
  { name: 'createHistogram of node:perf_hooks', batch: BATCH, prepare: ofNode },
  { name: NO_METRICS, batch: BATCH, prepare: () => noteWant(undefined, () => undefined) },
  {
    name: 'ProtectionMetrics.noteWant, metrics that only add up',
    batch: BATCH,
    prepare: noteWantAddedUp
  },
  {
    name: 'ProtectionMetrics.noteWant, @libp2p/prometheus-metrics',
    batch: BATCH,
    prepare: noteWantToPrometheus
  },
  { name: 'prom-client, Counter.inc with two labels', batch: BATCH, prepare: promCounter },
  { name: 'prom-client, Histogram.observe', batch: BATCH, prepare: promHistogram }
]

export const record = timedGroup({
  name: 'record',
  title: 'one response time recorded, or one event counted',
  ours: OURS,
  ratios: () => [
    { of: OURS, to: HDR },
    { of: OURS, to: WASM }
  ],
  notes: () => [
    'What the metrics of a node take comes on top, once per want and once per answer; the core counts by itself.'
  ],
  candidates: () => candidates,
  checks: rows => allocatesAtMost(NOTHING_BYTES, rows, [OURS, OURS_LONG, NO_METRICS])
})
