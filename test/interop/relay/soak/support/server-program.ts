import { serveCommands } from '../../../../../src/cli/swarm/serve-commands.ts'
import { EchoService } from './echo-service.ts'
import { identityFaults, isOneOf, lineFaults } from './fault.ts'
import { FaultyFront } from './faulty-front.ts'
import { RpcService } from './rpc-service.ts'
import type { Service } from './service.ts'
import type { Identities, ServerCommands } from './soak-commands.ts'

// A server that can fail, in a process of its own, so that this can be stopped and killed.

const kinds = { rpc: RpcService, echo: EchoService }

let front: FaultyFront
let services: Readonly<Record<keyof Identities, Service>>

serveCommands<ServerCommands>({
  async start(kind, identities, port) {
    services = {
      right: await kinds[kind].start(identities.right),
      'wrong-certificate': await kinds[kind].start(identities['wrong-certificate']),
      'expired-certificate': await kinds[kind].start(identities['expired-certificate'])
    }
    front = await FaultyFront.start(services.right.port, port)
    return front.port
  },
  async fail(fault) {
    if (isOneOf(lineFaults, fault)) await front.fail(fault)
    else if (isOneOf(identityFaults, fault)) front.leadTo(services[fault].port)
    else services.right.misbehave(fault)
  },
  async heal() {
    await front.heal()
    front.leadTo(services.right.port)
    services.right.misbehave(undefined)
  }
})
