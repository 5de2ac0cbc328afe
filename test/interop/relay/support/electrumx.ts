import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import type { Identity } from '../../../relay/support/certificates.ts'
import type { BcoinNode } from './bcoin-node.ts'
import { Daemon, newFolder } from './daemon.ts'
import { freePort } from './free-port.ts'
import { handshake } from './handshake.ts'

/** How often it looks whether its node has new blocks, and transactions, in ms. */
const POLL_INTERVAL_MS = 200

/** A server of ElectrumX over one node, which speaks TLS by itself, and knows nobody else. */
export class ElectrumX implements AsyncDisposable {
  /** `host:port` where it speaks Electrum's protocol over TLS. */
  readonly endpoint: string
  readonly #daemon: Daemon

  /** Starts it, and resolves when it has all blocks of the node. @param identity - who it is to those that connect */
  static async start(node: BcoinNode, { certificate, key }: Identity): Promise<ElectrumX> {
    const folder = await newFolder('electrumx')
    const path = (name: string): string => join(folder, name)
    await mkdir(path('db'))
    await writeFile(path('server.crt'), certificate)
    await writeFile(path('server.key'), key, { mode: 0o600 })
    const port = await freePort()
    const command = {
      name: 'ElectrumX',
      program: inject('electrumx'),
      parameters: [],
      environment: {
        COIN: 'Bitcoin',
        NET: 'regtest',
        DB_ENGINE: 'leveldb',
        DB_DIRECTORY: path('db'),
        DAEMON_URL: `http://${node.credentials}@127.0.0.1:${node.rpcPort}/`,
        DAEMON_POLL_INTERVAL_BLOCKS: `${POLL_INTERVAL_MS}`,
        DAEMON_POLL_INTERVAL_MEMPOOL: `${POLL_INTERVAL_MS}`,
        SERVICES: `ssl://127.0.0.1:${port}`,
        SSL_CERTFILE: path('server.crt'),
        SSL_KEYFILE: path('server.key'),
        PEER_DISCOVERY: 'off',
        PEER_ANNOUNCE: '',
        ALLOW_ROOT: 'true',
        // Those of these tests come all from one address, which it would slow down.
        COST_SOFT_LIMIT: '0',
        COST_HARD_LIMIT: '0'
      }
    }
    return new ElectrumX(await Daemon.start(command, () => handshake(port)), port)
  }

  private constructor(daemon: Daemon, port: number) {
    this.#daemon = daemon
    this.endpoint = `127.0.0.1:${port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]()
  }
}
