import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { serveCommands } from '../../src/cli/swarm/serve-commands.ts'
import type { EchoCommands } from './relay-commands.ts'

// The program that an echo server is, in a process of its own: it needs as many files as its clients have channels.

let connections = 0

serveCommands<EchoCommands>({
  async start({ certificate, key }) {
    const server = createServer({ cert: certificate, key, minVersion: 'TLSv1.3' }, socket => {
      connections++
      socket.once('close', () => connections--)
      // Clients may be killed.
      socket.on('error', () => {})
      socket.pipe(socket)
    })
    // Whoever is measured tells what became of handshakes.
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  },
  connections: () => connections
})
