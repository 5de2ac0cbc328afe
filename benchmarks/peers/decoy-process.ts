import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import { type DecoyCommands, reachable, startServer } from './flood.ts'

// The other server, in a process of its own.

serveCommands<DecoyCommands>({
  start: async () => reachable(await startServer())
})
