import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Daemon } from '../../test/interop/relay/support/daemon.ts'
import { freePort } from '../../test/interop/relay/support/free-port.ts'
import { handshake } from '../../test/interop/relay/support/handshake.ts'
import type { Identity } from '../../test/relay/support/certificates.ts'

/** What stands before the lines of all listeners. Nothing is tried again unless a listener says so. */
const COMMON = [
  'global',
  '  maxconn 1000',
  'defaults',
  '  mode tcp',
  '  retries 0',
  '  timeout connect 3s',
  '  timeout client 60s',
  '  timeout server 60s'
]

/** HAProxy: listeners by name, all of which speak TLS 1.3, each with the lines of its section. */
export class HaProxy<Name extends string> implements AsyncDisposable {
  readonly #daemon: Daemon
  readonly #folder: string
  readonly #ports: Readonly<Record<Name, number>>

  /** Starts it, and resolves when all listeners shake hands. @param program - its path */
  static async start<Name extends string>(
    program: string,
    { certificate, key }: Identity,
    listeners: Readonly<Record<Name, readonly string[]>>
  ): Promise<HaProxy<Name>> {
    const folder = await mkdtemp(join(tmpdir(), 'proxy-'))
    const pem = join(folder, 'identity.pem')
    await writeFile(pem, `${certificate}\n${key}`, { mode: 0o600 })
    const lines = [...COMMON]
    const ports: Partial<Record<Name, number>> = {}
    for (const name of Object.keys(listeners) as Name[]) {
      ports[name] = await freePort()
      const bind = `bind 127.0.0.1:${ports[name]} ssl crt ${pem} ssl-min-ver TLSv1.3`
      lines.push(`listen ${name}`, ...[bind, ...listeners[name]].map(line => `  ${line}`))
    }
    const config = join(folder, 'haproxy.cfg')
    await writeFile(config, [...lines, ''].join('\n'))
    const command = { name: 'HAProxy', program, parameters: ['-db', '-f', config] }
    const daemon = await Daemon.start(command, () =>
      Promise.all(Object.values<number>(ports as Record<Name, number>).map(handshake))
    )
    return new HaProxy(daemon, folder, ports as Record<Name, number>)
  }

  private constructor(daemon: Daemon, folder: string, ports: Readonly<Record<Name, number>>) {
    this.#daemon = daemon
    this.#folder = folder
    this.#ports = ports
  }

  port(name: Name): number {
    return this.#ports[name]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true })
  }
}
