import { runBenchmark } from './benchmark.ts'
import { findDeno } from './core/deno.ts'
import { groups } from './core/groups.ts'

// What the core costs, and what other circuit breakers do.

const YARDSTICKS = 'yardsticks'

await runBenchmark({
  name: 'core',
  packages: ['opossum', 'cockatiel', 'mollitia', 'hdr-histogram-js', 'prom-client'],
  options: {
    only: { kind: 'list', help: 'a row group', oneOf: groups.map(({ name }) => name) },
    deno: { kind: 'text', help: "the breaker of an installed @std/async, Deno's, to compare", value: 'file' }
  },
  async *reports(settings, { only, deno }) {
    const withDeno = { ...settings, denoFile: await findDeno(deno) }
    // One after the other: with two processes at once each would disturb the other.
    for (const group of groups)
      if (group.name === YARDSTICKS || (only?.includes(group.name) ?? true))
        yield await group.report(withDeno)
  }
})
