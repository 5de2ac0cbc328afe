import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import { Front } from './front.ts'
import type { FrontCommands } from './relay-commands.ts'

// The program that fronts are, in a process of its own.

let fronts: readonly Front[]

serveCommands<FrontCommands>({
  async start(ports) {
    fronts = await Promise.all(ports.map(port => Front.start(port)))
    return fronts.map(({ port }) => port)
  },
  async setFault(fault) {
    await Promise.all(fronts.map(front => front.setFault(fault)))
  }
})
