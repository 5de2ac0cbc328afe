import type { Footprint } from './soak-commands.ts'
import type { FaultOutcome } from './soak-site.ts'

/** What something came to between the third and the last quarter of the time, by their medians. */
export function lateGrowth(footprints: readonly Footprint[], of: 'heapBytes' | 'rssBytes'): number {
  const quarter = Math.floor(footprints.length / 4)
  const [last, third] = [footprints.slice(-quarter), footprints.slice(-2 * quarter, -quarter)]
  return medianOf(last, of) - medianOf(third, of)
}

function medianOf(footprints: readonly Footprint[], of: 'heapBytes' | 'rssBytes'): number {
  const sorted = footprints.map(footprint => footprint[of]).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}

/** What became of each kind of fault: how many there were, how many were not recovered from, and the longest that took, in ms. */
export function byKind(outcomes: readonly FaultOutcome[]): Readonly<Record<string, string>> {
  const kinds = Map.groupBy(outcomes, ({ of, fault }) => `${of} ${fault}`)
  const rows = [...kinds].sort().map(([kind, all]) => {
    const lost = all.filter(({ hasRecovered }) => !hasRecovered).length
    return [
      kind,
      `${all.length}, ${lost} lost, ${Math.round(Math.max(...all.map(({ tookMs }) => tookMs)))} ms`
    ]
  })
  return Object.fromEntries(rows)
}
