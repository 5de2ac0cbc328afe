import { runBenchmark } from './benchmark.ts'
import { groups } from './core/groups.ts'

// What the core costs, and what other circuit breakers do.

const YARDSTICKS = 'yardsticks'

await runBenchmark({
  name: 'core',
  packages: ['opossum', 'cockatiel', 'mollitia', 'hdr-histogram-js'],
  options: { only: { kind: 'list', help: 'a row group', oneOf: groups.map(({ name }) => name) } },
  async *reports(settings, { only }) {
    // One after the other: with two processes at once each would disturb the other.
    for (const group of groups)
      if (group.name === YARDSTICKS || (only?.includes(group.name) ?? true))
        yield await group.report(settings)
  }
})
