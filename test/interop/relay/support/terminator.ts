import type { Identity } from '../../../relay/support/certificates.ts'
import { type Command, Daemon } from './daemon.ts'
import { freePort } from './free-port.ts'
import { handshake } from './handshake.ts'

/** A port that is connected to over TLS. */
export interface Front {
  /** Who it is to those that connect. */
  readonly identity: Identity
  /** Certificate, as PEM, of whoever has to have signed those of clients. Anybody may connect if not given. */
  readonly clients?: string
}

/** A program that speaks TLS for others that do not: one process, with one or more fronts by name. */
export abstract class Terminator<Name extends string> implements AsyncDisposable {
  readonly #daemon: Daemon
  readonly #ports: ReadonlyMap<Name, number>

  protected constructor(daemon: Daemon, ports: ReadonlyMap<Name, number>) {
    this.#daemon = daemon
    this.#ports = ports
  }

  /** `host:port` of a front. */
  endpoint(name: Name): string {
    return `127.0.0.1:${this.#ports.get(name)!}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]()
  }
}

/** A free port for each front. */
export async function portsFor<Name extends string>(
  fronts: Readonly<Record<Name, Front>>
): Promise<Map<Name, number>> {
  const ports = new Map<Name, number>()
  for (const name of Object.keys(fronts) as Name[]) ports.set(name, await freePort())
  return ports
}

/** Starts a terminator, and resolves when all its fronts shake hands. */
export function startTerminator(command: Command, ports: ReadonlyMap<string, number>): Promise<Daemon> {
  return Daemon.start(command, () => Promise.all(Array.from(ports.values(), handshake)))
}
