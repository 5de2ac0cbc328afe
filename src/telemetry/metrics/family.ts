import { LATENCY_BOUNDS_MS, type LatencyCounts } from '../../core/index.ts'

export type Labels = Readonly<Record<string, string>>

/** One value of a metric. */
export interface Sample {
  /** Of a histogram, which of its three series this belongs to; its name with that is the name of the series. */
  readonly suffix?: '_bucket' | '_sum' | '_count'
  readonly labels: Labels
  readonly value: number
}

/** A metric, and how it is read from what somebody shows of himself. */
export interface Family<Snapshot> {
  /** Without the namespace. */
  readonly name: string
  readonly type: 'gauge' | 'counter' | 'histogram'
  readonly help: string
  read(snapshot: Snapshot): readonly Sample[]
}

/** One value without labels. */
export function single(value: number, labels: Labels = {}): readonly Sample[] {
  return [{ labels, value }]
}

/** A value for each name, with that as its label. */
export function byLabel(
  label: string,
  values: Readonly<Record<string, number>>,
  others: Labels = {}
): readonly Sample[] {
  return Object.entries(values).map(([name, value]) => ({
    labels: { ...others, [label]: name.replaceAll(/[:-]/g, '_').toLowerCase() },
    value
  }))
}

/** The series of a histogram. @param unitMs - how long its unit is, in ms */
export function histogram(
  { atMost, count, sumMs }: LatencyCounts,
  unitMs: number,
  labels: Labels = {}
): readonly Sample[] {
  const buckets = atMost.map((value, bucket) => ({
    suffix: '_bucket' as const,
    labels: { ...labels, le: `${LATENCY_BOUNDS_MS[bucket]! / unitMs}` },
    value
  }))
  return [
    ...buckets,
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: sumMs / unitMs },
    { suffix: '_count', labels, value: count }
  ]
}
