import { runBenchmark } from './benchmark.ts'
import { groups } from './sim/groups.ts'

// What the core does with many peers over a long time, in virtual time.

await runBenchmark({
  name: 'sim',
  packages: [],
  options: { only: { kind: 'list', help: 'a report', oneOf: groups.map(({ name }) => name) } },
  async *reports(settings, { only }) {
    for (const group of groups) if (only?.includes(group.name) ?? true) yield await group.report(settings)
  }
})
