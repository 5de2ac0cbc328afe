import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import { newFolder } from './daemon.ts'
import { type Front, portsFor, startTerminator, Terminator } from './terminator.ts'

/** A front, and what is done with connections to it. */
export interface Listener extends Front {
  /** The version of TLS that it speaks; 1.3 if not given. */
  readonly tls?: 'TLSv1.2'
  /** Further lines of its section `listen`. */
  readonly lines: readonly string[]
}

const COMMON = [
  'global',
  '  maxconn 1000',
  'defaults',
  '  mode tcp',
  '  timeout connect 3s',
  '  timeout client 60s',
  '  timeout server 60s'
]

/** HAProxy (haproxy.org). */
export class HaProxy<Name extends string> extends Terminator<Name> {
  static async start<Name extends string>(
    listeners: Readonly<Record<Name, Listener>>
  ): Promise<HaProxy<Name>> {
    const folder = await newFolder('haproxy')
    const ports = await portsFor(listeners)
    const lines = [...COMMON]
    for (const [name, port] of ports) lines.push(...(await section(folder, name, port, listeners[name])))
    const config = join(folder, 'haproxy.cfg')
    await writeFile(config, [...lines, ''].join('\n'))
    const command = { name: 'HAProxy', program: inject('haproxy'), parameters: ['-db', '-f', config] }
    return new HaProxy(await startTerminator(command, ports), ports)
  }
}

/** Leads all connections to one port on 127.0.0.1. */
export function toPort(port: number): string[] {
  return [`server node 127.0.0.1:${port}`]
}

/** Writes what a listener needs into the folder. @returns its lines of the configuration */
async function section(folder: string, name: string, port: number, listener: Listener): Promise<string[]> {
  const { identity, clients, tls = 'TLSv1.3', lines } = listener
  const pem = join(folder, `${name}.pem`)
  await writeFile(pem, `${identity.certificate}\n${identity.key}`, { mode: 0o600 })
  let bind = `bind 127.0.0.1:${port} ssl crt ${pem} ssl-min-ver ${tls} ssl-max-ver ${tls}`
  if (clients !== undefined) {
    const path = join(folder, `${name}.clients`)
    await writeFile(path, clients)
    bind += ` ca-file ${path} verify required`
  }
  return [`listen ${name}`, ...[bind, ...lines].map(line => `  ${line}`)]
}
