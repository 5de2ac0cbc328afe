import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Daemon } from './daemon.ts'
import { freePort } from './free-port.ts'

const PROGRAM = join(import.meta.dirname, '../bcoin/node.cjs')

/** How long a node may take for any answer, and to have what others have, in ms. */
const ANSWER_LIMIT_MS = 10_000

/** How often it is looked at while something is waited for, in ms. */
const LOOK_EVERY_MS = 20

/** Who is paid for all blocks: the address (P2PKH) of the private key 1, as bcoin writes those of regtest, unlike others. */
export const MINER_ADDRESS = 'RKxTdfmtxtfLDKZBgx6SvNkBtNu9jRYnLh'

/** Blocks until a reward can be spent, of consensus (`COINBASE_MATURITY`). */
export const COINBASE_MATURITY = 100

/**
 * A node of bcoin on regtest, in a process of its own, without TLS. Its chain is in memory: when it is started again it has what
 * the nodes it is connected to have.
 */
export class BcoinNode implements AsyncDisposable {
  readonly apiKey = 'a-key-of-bcoin'
  readonly rpcPort: number
  readonly p2pPort: number
  readonly #connectTo: readonly string[]
  #daemon!: Daemon

  static async start({ connectTo = [] }: { connectTo?: readonly BcoinNode[] } = {}): Promise<BcoinNode> {
    const others = connectTo.map(({ p2pPort }) => `127.0.0.1:${p2pPort}`)
    const node = new BcoinNode(await freePort(), await freePort(), others)
    node.#daemon = await node.#launch()
    return node
  }

  private constructor(rpcPort: number, p2pPort: number, connectTo: readonly string[]) {
    this.rpcPort = rpcPort
    this.p2pPort = p2pPort
    this.#connectTo = connectTo
  }

  get pid(): number {
    return this.#daemon.pid
  }

  /** User name, which bcoin does not look at, and password. */
  get credentials(): string {
    return `x:${this.apiKey}`
  }

  /** Stops it in its tracks: its connections stay open, and silent. */
  stop(): void {
    this.#daemon.freeze()
  }

  resume(): void {
    this.#daemon.thaw()
  }

  /** Ends it at once; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]()
  }

  /** Ends it, and starts it again on the same ports. */
  async restart(): Promise<void> {
    await this.kill()
    this.#daemon = await this.#launch()
  }

  /** Asks it directly, not through us. */
  async call<Result>(method: string, ...params: readonly unknown[]): Promise<Result> {
    const response = await fetch(`http://127.0.0.1:${this.rpcPort}/`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(this.credentials)}` },
      body: JSON.stringify({ method, params, id: 1 }),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS)
    })
    const { result, error } = (await response.json()) as { result: Result; error: unknown }
    if (error !== null) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result
  }

  height(): Promise<number> {
    return this.call('getblockcount')
  }

  /** Makes blocks, paid to {@link MINER_ADDRESS}. @returns their hashes */
  mine(count: number): Promise<string[]> {
    return this.call('generatetoaddress', count, MINER_ADDRESS)
  }

  /** Ids of the transactions that wait to be in a block. */
  mempool(): Promise<string[]> {
    return this.call('getrawmempool')
  }

  /** Resolves when it has as many blocks, from whomever. */
  async reaches(height: number): Promise<void> {
    await this.#until(async () => (await this.height()) >= height, `has not reached height ${height}`)
  }

  /** Resolves when a transaction waits to be in a block. */
  async accepts(txid: string): Promise<void> {
    await this.#until(async () => (await this.mempool()).includes(txid), `has not accepted ${txid}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  #launch(): Promise<Daemon> {
    const { rpcPort, p2pPort, apiKey } = this
    const options = { rpcPort, p2pPort, apiKey, connectTo: this.#connectTo }
    const command = {
      name: 'bcoin',
      program: process.execPath,
      parameters: [PROGRAM, JSON.stringify(options)],
      // Its own parts in C++ do not build any more.
      environment: { NODE_BACKEND: 'js' }
    }
    return Daemon.start(command, () => this.height())
  }

  async #until(isSo: () => Promise<boolean>, complaint: string): Promise<void> {
    const limitMs = performance.now() + ANSWER_LIMIT_MS
    while (!(await isSo())) {
      if (performance.now() > limitMs) throw new Error(`The node ${complaint} in ${ANSWER_LIMIT_MS} ms`)
      await sleep(LOOK_EVERY_MS)
    }
  }
}
