import type { Trace } from './traces.ts'

/** Everything a run must have shown at least once to have proved something. */
const events = {
  admitted: / a|^a/g,
  'rejected as open': / o|^o/g,
  'rejected as too many': / t|^t/g,
  'CLOSED to OPEN': />CO/g,
  'OPEN to HALF_OPEN': />OH/g,
  'HALF_OPEN to CLOSED': />HC/g,
  'HALF_OPEN to OPEN': />HO/g
}
type EventName = keyof typeof events

/** Counts what was compared. */
export class Tally {
  traces = 0
  operations = 0
  mismatches = 0
  readonly #seen = new Map<EventName, number>()

  /** Adds a trace and what gobreaker showed. */
  add(trace: Trace, expected: string): void {
    this.traces++
    this.operations += trace.ops.split(' ').length
    for (const [name, pattern] of Object.entries(events) as Array<[EventName, RegExp]>) {
      this.#seen.set(name, this.#count(name) + (expected.match(pattern)?.length ?? 0))
    }
  }

  /** What never happened. */
  missing(): EventName[] {
    return (Object.keys(events) as EventName[]).filter(name => this.#count(name) === 0)
  }

  toString(): string {
    const seen = [...this.#seen].map(([name, count]) => `${name} ${count}`)
    return `${this.operations} operations in ${this.traces} traces, ${this.mismatches} mismatches\n  ${seen.join(', ')}`
  }

  #count(name: EventName): number {
    return this.#seen.get(name) ?? 0
  }
}
