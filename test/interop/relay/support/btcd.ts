import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { inject } from 'vitest'
import type { Identity } from '../../../relay/support/certificates.ts'
import { Daemon, newFolder } from './daemon.ts'
import { freePort } from './free-port.ts'

/** How long a node may take for any answer, in ms. */
const ANSWER_LIMIT_MS = 10_000

/** Who is paid for all blocks: the address (P2PKH of regtest) of the private key 1. */
const MINER_ADDRESS = 'mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r'

/** A node of btcd on regtest, which speaks TLS by itself, and knows nobody. */
export class Btcd implements AsyncDisposable {
  readonly credentials = 'somebody:a-password'
  readonly #rpcPort: number
  #daemon!: Daemon

  /** @param identity - who it is to those that connect */
  static async start(identity: Identity): Promise<Btcd> {
    const node = new Btcd(await freePort())
    node.#daemon = await node.#launch(identity, await freePort())
    return node
  }

  private constructor(rpcPort: number) {
    this.#rpcPort = rpcPort
  }

  /** `host:port` of its JSON-RPC. */
  get endpoint(): string {
    return `127.0.0.1:${this.#rpcPort}`
  }

  /** Asks it directly, not through us. */
  async call<Result>(method: string, ...params: readonly unknown[]): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const call = request({
      host: '127.0.0.1',
      port: this.#rpcPort,
      method: 'POST',
      auth: this.credentials,
      agent: false,
      rejectUnauthorized: false,
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS)
    })
    call.on('error', reject)
    call.on('response', response => text(response).then(resolve, reject))
    call.end(JSON.stringify({ jsonrpc: '1.0', method, params, id: 1 }))
    const { result, error } = JSON.parse(await promise)
    if (error !== null) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result
  }

  height(): Promise<number> {
    return this.call('getblockcount')
  }

  /** Makes blocks, paid to {@link MINER_ADDRESS}. @returns their hashes */
  mine(count: number): Promise<string[]> {
    return this.call('generate', count)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]()
  }

  async #launch({ certificate, key }: Identity, p2pPort: number): Promise<Daemon> {
    const folder = await newFolder('btcd')
    const path = (name: string): string => join(folder, name)
    await writeFile(path('rpc.cert'), certificate)
    await writeFile(path('rpc.key'), key, { mode: 0o600 })
    await writeFile(path('btcd.conf'), '')
    const [user, password] = this.credentials.split(':')
    const options = {
      configfile: path('btcd.conf'),
      datadir: path('data'),
      logdir: path('logs'),
      listen: `127.0.0.1:${p2pPort}`,
      rpclisten: this.endpoint,
      rpcuser: user,
      rpcpass: password,
      rpccert: path('rpc.cert'),
      rpckey: path('rpc.key'),
      miningaddr: MINER_ADDRESS
    }
    const parameters = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
    const command = {
      name: 'btcd',
      program: inject('btcd'),
      parameters: ['--regtest', '--nodnsseed', ...parameters],
      environment: { HOME: folder }
    }
    return Daemon.start(command, () => this.height())
  }
}
