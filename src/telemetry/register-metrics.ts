import { BITSWAP_NAMESPACE, bitswapFamilies } from './metrics/bitswap-metrics.ts'
import type { Family } from './metrics/family.ts'
import { channelFamilies, poolFamilies } from './metrics/relay-metrics.ts'
import { type ReadSamples, ShownMetric } from './metrics/shown-metric.ts'
import type { TelemetrySources } from './sources.ts'

/** A registry of prom-client. */
export interface MetricsRegistry {
  registerMetric(metric: never): void
  getSingleMetric(name: string): unknown
  removeSingleMetric(name: string): void
}

/**
 * Shows nodes, pools and channels in a registry of prom-client. Their values are read when it is scraped, from what their status
 * shows. Each metric is registered once, however many there are to show and however often this is called: what has the same labels
 * is added up. A name that is taken in the registry is left to whoever has it, such as a libp2p node's own metrics.
 *
 * Names begin with `bitswap_protection_`, or with the namespace of the pool or channel.
 *
 * @returns takes them out again
 */
export function registerMetrics(
  registry: MetricsRegistry,
  { bitswap = [], pools = [], channels = [] }: TelemetrySources
): () => void {
  const removals = [
    ...bitswap.map(node => show(registry, BITSWAP_NAMESPACE, bitswapFamilies, () => node.getOverallStatus())),
    ...pools.map(pool => show(registry, pool.namespace, poolFamilies, () => pool.getSummary())),
    ...channels.map(channel => show(registry, channel.namespace, channelFamilies, () => channel.getStatus()))
  ]
  return () => {
    for (const remove of removals) remove()
  }
}

/** Shows one of them by all its metrics; the function returned ends that. */
function show<Snapshot>(
  registry: MetricsRegistry,
  namespace: string,
  families: ReadonlyArray<Family<Snapshot>>,
  look: () => Snapshot
): () => void {
  const lookOnce = once(look)
  const removals = families.map(family =>
    showIn(registry, `${namespace}_${family.name}`, family, () => family.read(lookOnce()))
  )
  return () => {
    for (const remove of removals) remove()
  }
}

function showIn<Snapshot>(
  registry: MetricsRegistry,
  name: string,
  family: Family<Snapshot>,
  read: ReadSamples
): () => void {
  const metric = claim(registry, name, family)
  metric?.add(read)
  return () => {
    metric?.remove(read)
    if (metric?.isEmpty === true && registry.getSingleMetric(name) === metric)
      registry.removeSingleMetric(name)
  }
}

/** The metric of that name, registered if it was not; `undefined` if it is somebody else's. */
function claim<Snapshot>(
  registry: MetricsRegistry,
  name: string,
  family: Family<Snapshot>
): ShownMetric | undefined {
  const found = registry.getSingleMetric(name)
  if (found !== undefined) return found instanceof ShownMetric ? found : undefined
  const metric = new ShownMetric(name, family)
  registry.registerMetric(metric as never)
  return metric
}

/** A scrape reads all metrics in one go: it looks once, and shows one moment. */
function once<Snapshot>(look: () => Snapshot): () => Snapshot {
  let seen: Snapshot | undefined
  return () => {
    if (seen === undefined) {
      seen = look()
      queueMicrotask(() => {
        seen = undefined
      })
    }
    return seen
  }
}
