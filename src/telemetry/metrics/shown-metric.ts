import type { Family, Labels, Sample } from './family.ts'

/** A value as prom-client writes it out. */
interface MetricValue {
  readonly metricName?: string
  readonly labels: Labels
  readonly value: number
}

/** Reads the values of somebody who is shown. */
export type ReadSamples = () => readonly Sample[]

/**
 * A metric as a registry of prom-client takes it, whose values are read when it is scraped. It keeps none itself, so what is
 * scraped is what the status shows.
 */
export class ShownMetric {
  /** Registries may rename it. */
  name: string
  readonly help: string
  readonly type: 'gauge' | 'counter' | 'histogram'
  readonly aggregator = 'sum'
  readonly #shown = new Set<ReadSamples>()

  constructor(name: string, { type, help }: Pick<Family<never>, 'type' | 'help'>) {
    this.name = name
    this.help = help
    this.type = type
  }

  /** Whether nobody is shown. */
  get isEmpty(): boolean {
    return this.#shown.size === 0
  }

  add(shown: ReadSamples): void {
    this.#shown.add(shown)
  }

  remove(shown: ReadSamples): void {
    this.#shown.delete(shown)
  }

  /** What has the same labels is added up. */
  get() {
    const values = new Map<string, MetricValue>()
    for (const read of this.#shown) {
      for (const { suffix, labels, value } of read()) {
        const key = JSON.stringify([suffix, labels])
        const sum = value + (values.get(key)?.value ?? 0)
        values.set(key, { ...(suffix && { metricName: this.name + suffix }), labels, value: sum })
      }
    }
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: [...values.values()] }
  }

  /** There is nothing to be reset: what is shown is kept elsewhere. */
  reset(): void {}
}
