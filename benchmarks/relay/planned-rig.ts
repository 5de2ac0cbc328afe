import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SecureChannel } from 'bitswap-protection/relay'
import { BcoinNode, COINBASE_MATURITY } from '../../test/interop/relay/support/bcoin-node.ts'
import { spendReward, type Transaction } from '../../test/interop/relay/support/transactions.ts'
import { Authority } from '../../test/relay/support/certificates.ts'
import { HaProxy } from './haproxy.ts'

/** Blocks that are made at once; more would take a node too long for one answer. */
const BLOCKS_AT_ONCE = 100

/** How long a transaction that was taken may take until it is in a memory pool, in ms; and how often that is looked at. */
const MEMPOOL_LIMIT_MS = 5_000
const LOOK_EVERY_MS = 20

/** Two connected nodes of bcoin with one chain, behind HAProxy that ends TLS, and rewards to be spent. */
export class PlannedRig implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack
  readonly a: BcoinNode
  readonly b: BcoinNode
  readonly #root: string
  readonly #terminator: HaProxy<'a' | 'b'>
  readonly #folder: string
  /** The next block of which the reward is spent. */
  #height = 1

  /** @param haproxy - its path @param transactions - how many are going to be made */
  static async start(haproxy: string, transactions: number): Promise<PlannedRig> {
    await using stack = new AsyncDisposableStack()
    const a = stack.use(await BcoinNode.start())
    const b = stack.use(await BcoinNode.start({ connectTo: [a] }))
    const blocks = transactions + COINBASE_MATURITY
    for (let made = 0; made < blocks; made += BLOCKS_AT_ONCE)
      await a.mine(Math.min(BLOCKS_AT_ONCE, blocks - made))
    await b.reaches(blocks)
    const authority = await Authority.create()
    const identity = await authority.issue({ addresses: ['127.0.0.1'] })
    const terminator = stack.use(
      await HaProxy.start(haproxy, identity, {
        a: [`server node 127.0.0.1:${a.rpcPort}`],
        b: [`server node 127.0.0.1:${b.rpcPort}`]
      })
    )
    const folder = await mkdtemp(join(tmpdir(), 'planned-'))
    stack.defer(() => rm(folder, { recursive: true }))
    return new PlannedRig(stack.move(), a, b, authority.certificate, terminator, folder)
  }

  private constructor(
    stack: AsyncDisposableStack,
    a: BcoinNode,
    b: BcoinNode,
    root: string,
    terminator: HaProxy<'a' | 'b'>,
    folder: string
  ) {
    this.#stack = stack
    this.a = a
    this.b = b
    this.#root = root
    this.#terminator = terminator
    this.#folder = folder
  }

  /** Transactions that were never sent. */
  async makeTransactions(count: number): Promise<Transaction[]> {
    const made: Transaction[] = []
    for (let index = 0; index < count; index++) made.push(await spendReward(this.a, this.#height++))
    return made
  }

  /** A channel of which that node is the primary one, and the other the backup; all have the same state file. */
  async channel(primary: 'a' | 'b'): Promise<SecureChannel> {
    const [username, password] = this.a.credentials.split(':')
    const node = (name: 'a' | 'b') => ({
      address: `127.0.0.1:${this.#terminator.port(name)}`,
      username,
      password
    })
    const channel = new SecureChannel({
      primaryNodes: [node(primary)],
      backupNodes: [node(primary === 'a' ? 'b' : 'a')],
      tls: { roots: [this.#root] },
      shutdown: { stateFile: join(this.#folder, 'state.json') }
    })
    await channel.start()
    return channel
  }

  /**
   * How many no node has, as the nodes themselves say. They answer before they have looked at a transaction, so it is waited until
   * none is missing, but not for long.
   */
  async lost(transactions: readonly Transaction[]): Promise<number> {
    const limitMs = performance.now() + MEMPOOL_LIMIT_MS
    for (;;) {
      const known = new Set([...(await this.a.mempool()), ...(await this.b.mempool())])
      const lost = transactions.filter(({ txid }) => !known.has(txid)).length
      if (lost === 0 || performance.now() > limitMs) return lost
      await sleep(LOOK_EVERY_MS)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}
