import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import type { VisitorCommands } from './commands.ts'
import { Visitors } from './visitors.ts'

// Those who look, in a process of their own.

let visitors: Visitors

serveCommands<VisitorCommands>({
  start(url, authToken, count) {
    visitors = new Visitors(url, authToken)
    visitors.start(count)
  },
  stop: () => visitors.stop()
})
