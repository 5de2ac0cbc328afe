import { setTimeout as sleep } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { CID } from 'multiformats/cid'
import { DeferredStream } from '../../../src/bitswap/deferred-stream.ts'
import { MessageReader } from '../../../src/bitswap/message-reader.ts'
import { Override } from '../../../src/bitswap/override.ts'
import { WantLedger } from '../../../src/bitswap/want-ledger.ts'
import { serveCommands } from '../../../src/cli/swarm/serve-commands.ts'
import { BITSWAP, Client } from './client.ts'
import type { Census, ClientCommands, Traces } from './client-child.ts'
import { CountingClock } from './counting-clock.ts'

// A client in a process of its own, so that its memory and its timers can be measured; `ClientChild` runs it.

interface Components {
  readonly connectionManager: ConnectionManager
  readonly registrar: Registrar
  readonly events: TypedEventTarget<Libp2pEvents>
}

const clock = new CountingClock()

let client: Client
let components: Components

serveCommands<ClientCommands>({
  async start(protection) {
    client = await Client.start({
      protection,
      core: { clock },
      before: {
        observer: (given: Components) => {
          components = given
          return {}
        }
      },
      libp2p: {
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
        connectionManager: {
          inboundConnectionThreshold: 10_000,
          maxIncomingPendingConnections: 1_000,
          // They are kept alive until then.
          inboundStreamProtocolNegotiationTimeout: 2_000,
          outboundStreamProtocolNegotiationTimeout: 2_000
        }
      }
    })
    return client.libp2p.getMultiaddrs()[0]!.toString()
  },
  connect: peer => client.connect(peer),
  async get(cid, limitMs) {
    return (await client.get(CID.parse(cid), AbortSignal.timeout(limitMs))).length
  },
  status: peer => client.status(peer),
  async restartService(times) {
    for (let done = 0; done < times; done++) {
      client.protection.stop()
      client.protection.start()
      // Now and then something else gets its turn.
      if (done % 50 === 0) await sleep(1)
    }
  },
  stopService: () => client.protection.stop(),
  startService: () => client.protection.start(),
  stopNode: async () => {
    await client.helia.stop()
  },
  startNode: async () => {
    await client.helia.start()
  },
  connections: () => client.libp2p.getConnections().length,
  traces,
  census
})

async function traces(): Promise<Traces> {
  // What is held by something that ends on its own soon, such as a closing socket, does not count.
  for (let round = 0; round < 3; round++) {
    await sleep(50)
    globalThis.gc!()
  }
  const { connectionManager, registrar, events } = components
  const connections = client.libp2p.getConnections()
  return {
    heapBytes: process.memoryUsage().heapUsed,
    timers: clock.waiting,
    resources: process.getActiveResourcesInfo().toSorted(),
    listeners: Object.fromEntries(
      (['connection:open', 'connection:close', 'peer:identify', 'peer:disconnect'] as const).map(type => [
        type,
        events.listenerCount(type)
      ])
    ),
    connectionListeners: connections.map(connection => connection.listenerCount('close')),
    ownMethods: {
      connectionManager: ownMethods(connectionManager),
      registrar: ownMethods(registrar),
      connections: connections.map(ownMethods)
    },
    topologies: registrar.getTopologies(BITSWAP).length,
    protocols: registrar.getProtocols(),
    records: [...client.protection.peers()].length
  }
}

function census(): Census {
  const count = (kind: Parameters<typeof queryObjects>[0]) => queryObjects(kind, { format: 'count' })
  return {
    links: count(WantLedger),
    overrides: count(Override),
    readers: count(MessageReader),
    deferredStreams: count(DeferredStream)
  }
}

/** Methods an object has itself, rather than from its class, and what they call themselves. */
function ownMethods(owner: object): Record<string, string> {
  const methods = Object.entries(owner).filter(([, value]) => typeof value === 'function')
  return Object.fromEntries(methods.map(([name, { name: ownName }]) => [name, ownName]))
}
