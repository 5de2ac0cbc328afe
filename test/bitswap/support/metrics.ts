import type { Metrics } from '@libp2p/interface'

interface RegistrationOptions {
  readonly label?: string
  readonly help?: string
  readonly calculate?: () => unknown
}

/** Something that was registered. */
interface Registration {
  readonly kind: string
  readonly name: string
  readonly options: RegistrationOptions
}

/** Metrics of libp2p that keep what they are given. */
export class FakeMetrics {
  readonly registered: Registration[] = []
  /** What was counted or observed, by metric. */
  readonly noted = new Map<string, unknown[]>()

  /** As a node has it: of all that libp2p can register, what it does not know throws. */
  get component(): Metrics {
    const kinds = ['MetricGroup', 'Counter', 'CounterGroup', 'Histogram']
    return Object.fromEntries(
      kinds.map(kind => [
        `register${kind}`,
        (name: string, options: RegistrationOptions = {}) => this.#register(kind, name, options)
      ])
    ) as unknown as Metrics
  }

  /** The sum counted under one label of a group. */
  count(name: string, label: string): number {
    const values = (this.noted.get(name) ?? []) as Array<Record<string, number | true>>
    return values.reduce((sum, value) => sum + Number(value[label] ?? 0), 0)
  }

  /** What a calculated metric shows now. */
  calculate(name: string): unknown {
    return this.registered.find(registered => registered.name === name)?.options.calculate?.()
  }

  #register(kind: string, name: string, options: RegistrationOptions) {
    this.registered.push({ kind, name, options })
    const note = (value: unknown): void => {
      this.noted.set(name, [...(this.noted.get(name) ?? []), value])
    }
    // As in libp2p, what is calculated gives back nothing to count with.
    return options.calculate === undefined ? { increment: note, observe: note } : undefined
  }
}
