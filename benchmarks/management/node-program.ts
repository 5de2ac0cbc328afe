import { setTimeout as sleep } from 'node:timers/promises'
import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import { type Asked, RpcServer } from '../../test/relay/support/rpc-server.ts'
import type { NodeCommands } from './commands.ts'

// A Bitcoin node as far as this goes, in a process of its own.

/** How long it thinks, in ms. */
const THINKING_MS = 5

serveCommands<NodeCommands>({
  async start(identity) {
    const methods = { uptime: () => 1, getblockcount: () => 100 }
    const server = await RpcServer.start(identity, methods)
    server.behaviour = async (asked: Asked) => {
      await sleep(THINKING_MS)
      asked.send(200, asked.answer())
    }
    return server.endpoint
  }
})
