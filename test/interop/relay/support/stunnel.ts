import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import { newFolder } from './daemon.ts'
import { type Front, portsFor, startTerminator, Terminator } from './terminator.ts'

/** What comes over TLS 1.3 and goes on in the clear. */
export interface Tunnel extends Front {
  /** Port on 127.0.0.1 that it leads to. */
  readonly to: number
}

/** stunnel (stunnel.org). */
export class Stunnel<Name extends string> extends Terminator<Name> {
  static async start<Name extends string>(tunnels: Readonly<Record<Name, Tunnel>>): Promise<Stunnel<Name>> {
    const folder = await newFolder('stunnel')
    const ports = await portsFor(tunnels)
    const lines = ['foreground = yes', 'pid =', 'sslVersionMin = TLSv1.3']
    for (const [name, port] of ports) lines.push(...(await service(folder, name, port, tunnels[name])))
    const config = join(folder, 'stunnel.conf')
    await writeFile(config, lines.join('\n'))
    const command = { name: 'stunnel', program: inject('stunnel'), parameters: [config] }
    return new Stunnel(await startTerminator(command, ports), ports)
  }
}

/** Writes what a tunnel needs into the folder. @returns its lines of the configuration */
async function service(folder: string, name: string, port: number, tunnel: Tunnel): Promise<string[]> {
  const { identity, clients, to } = tunnel
  const path = (kind: string): string => join(folder, `${name}.${kind}`)
  await writeFile(path('crt'), identity.certificate)
  await writeFile(path('key'), identity.key, { mode: 0o600 })
  const lines = [
    `[${name}]`,
    `accept = 127.0.0.1:${port}`,
    `connect = 127.0.0.1:${to}`,
    `cert = ${path('crt')}`,
    `key = ${path('key')}`
  ]
  if (clients === undefined) return lines
  await writeFile(path('clients'), clients)
  return [...lines, `CAfile = ${path('clients')}`, 'verifyChain = yes']
}
