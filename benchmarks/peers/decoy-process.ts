import { reachable, startServer } from './flood.ts'

// The other server, in a process of its own.

process.once('disconnect', () => process.exit())
const server = await startServer()
process.send!(reachable(server))
