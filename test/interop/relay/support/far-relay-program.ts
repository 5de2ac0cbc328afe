import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { serveCommands } from '../../../../src/cli/swarm/serve-commands.ts'
import type { Identity } from '../../../relay/support/certificates.ts'

// A relay at the far end of a link, in a process of its own: it takes whatever it is sent, and says nothing.

export interface FarRelayCommands {
  /** Answers which port it has. */
  start(address: string, identity: Identity): number
}

serveCommands<FarRelayCommands>({
  async start(address, { certificate, key }) {
    const server = createServer({ cert: certificate, key, minVersion: 'TLSv1.3' }, socket => {
      socket.on('error', () => {})
      socket.resume()
    })
    server.listen(0, address)
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
})
