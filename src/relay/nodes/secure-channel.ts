import { systemRandom } from '../../core/clock.ts'
import { Deadlines } from '../../core/deadlines.ts'
import { type BadRecords, type Clock, InvalidOptionError, Protection, systemClock } from '../../core/index.ts'
import { wholeNumber } from '../../core/options.ts'
import { RpcError, type RpcReply, type RpcRequest } from '../protocols/rpc.ts'
import { HandshakeLimit } from '../tls/handshake-limit.ts'
import { type Broadcast, broadcastTo, summed } from './broadcasting.ts'
import { Copies } from './copies.ts'
import { Execution, type ExecutionContext, type Job } from './execution.ts'
import { isUnheard } from './node-call.ts'
import { NodeChoice } from './node-choice.ts'
import type { NodeClient } from './node-client.ts'
import { type ClientContext, createNodeClient } from './node-clients.ts'
import { NodeSet, type SecureChannelListener } from './node-set.ts'
import { NodeWatch } from './node-watch.ts'
import { Quorum } from './quorum.ts'
import { RelayNode } from './relay-node.ts'
import { kindOf, type RequestKind, requestKinds } from './request-kind.ts'
import { RequestLimit } from './request-limit.ts'
import { type ExecuteOptions, Requests } from './requests.ts'
import { RetryBudget } from './retry-budget.ts'
import { nothingSaved, readState, removeState, type SavedState, saveState } from './saved-state.ts'
import { NoNodeError, RateLimitError } from './secure-channel-error.ts'
import {
  type NodeSetup,
  resolveSecureChannelOptions,
  type SecureChannelOptions,
  type SecureChannelSetup
} from './secure-channel-options.ts'
import type { SecureChannelStatus } from './secure-channel-status.ts'
import { SentLedger } from './sent-ledger.ts'

/** Of all secure channels of this process, unless they are given a limit of their own. */
const allHandshakes = new HandshakeLimit()

/** How long it is held against a node, over a restart, that it failed, in ms. */
const BAD_MAX_AGE_MS = 60 * 60_000

/** To how many nodes a transaction is handed: if one is lost right after, so is not the transaction. */
const COPIES = 2

/** What a secure channel can be given instead of what it makes or takes itself. */
export interface SecureChannelComponents {
  readonly clock?: Clock
  readonly random?: () => number
  /** Of handshakes at once; that of all secure channels of this process if not given. */
  readonly handshakes?: HandshakeLimit
  /** Makes the client that talks to a node. */
  readonly createClient?: (node: NodeSetup, setup: SecureChannelSetup, context: ClientContext) => NodeClient
}

/** How a transaction is handed on. */
export interface BroadcastOptions extends Omit<ExecuteOptions, 'kind'> {
  /** To how many nodes, from 1; to two, if there are as many, unless it is told. */
  readonly copies?: number | undefined
}

/** How one request is made, with what goes for single ones only. */
export interface ExecuteOneOptions extends ExecuteOptions {
  /** How many nodes have to give the same answer, from 1. Only of what changes nothing. */
  readonly agree?: number | undefined
  /**
   * Whoever asks for something else under the same key gets the answer to the first request; it is sent once. For shares that
   * were found, and the like. The last 10,000 keys are remembered, also over a restart if there is a state file.
   */
  readonly idempotencyKey?: string | undefined
}

/**
 * Several Bitcoin nodes, used as if they were one that does not fail. Each is guarded by the core: one that does not answer is
 * not waited for, and taken back when it answers again.
 *
 * Nothing runs until it is told to. Without {@link start} nodes are checked only once they have failed.
 */
export class SecureChannel implements AsyncDisposable {
  readonly #setup: SecureChannelSetup
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  readonly #protection: Protection
  readonly #choice: NodeChoice
  readonly #nodes: NodeSet
  readonly #watch: NodeWatch
  readonly #executions: ExecutionContext
  readonly #requests: Requests
  readonly #ledger = new SentLedger()
  /** What an earlier process has left; `undefined` before it was read. */
  #earlier: SavedState | undefined
  #isClosed = false

  /** @throws InvalidOptionError */
  constructor(options: Partial<SecureChannelOptions>, components: SecureChannelComponents = {}) {
    const { clock = systemClock, random = systemRandom, handshakes = allHandshakes } = components
    const { createClient = createNodeClient } = components
    const setup = resolveSecureChannelOptions(options)
    const deadlines = new Deadlines(clock)
    this.#setup = setup
    this.#clock = clock
    this.#deadlines = deadlines
    const nodes = setup.nodes.map(
      node => new RelayNode(createClient(node, setup, { clock, deadlines, handshakes }), node.role)
    )
    this.#protection = new Protection(
      { preset: 'relay', breaker: setup.breaker, recovery: setup.recovery, maxEjectedShare: 1 },
      { clock, random }
    )
    this.#choice = new NodeChoice(nodes, this.#protection, random, setup.maxLagBlocks)
    this.#nodes = new NodeSet(nodes, this.#protection, this.#choice, clock)
    this.#watch = new NodeWatch({
      nodes,
      protection: this.#protection,
      choice: this.#choice,
      clock,
      deadlines,
      random,
      options: setup.healthCheck,
      onChange: (change, node) => this.#nodes.changed(change, node)
    })
    this.#requests = new Requests(clock, setup.requestTimeoutMs, limitOf(setup.maxRequestsPerS))
    this.#executions = {
      clock,
      deadlines,
      random,
      choice: this.#choice,
      budget: new RetryBudget(setup.retryShare),
      limit: limitOf(setup.maxNodeRequestsPerS),
      maxRetries: setup.maxRetries,
      hedgeAfterMs: setup.hedgeAfterMs,
      tally: { retries: 0, hedges: 0 },
      onSlow: node => this.#watch.doubt(node),
      onFailed: (node, error) => this.#watch.failed(node, error),
      // If it allows nothing, its check finds that out.
      onNotAllowed: node => this.#watch.doubt(node),
      onWarmingUp: node => this.#watch.warmingUp(node)
    }
  }

  /**
   * Takes up what an earlier process has left in the state file, checks all nodes, and goes on with that. Resolves when each
   * was checked once, whether it answered or not.
   *
   * @throws SecureChannelClosedError; StateFileError
   */
  async start(): Promise<void> {
    this.#requests.throwIfClosed()
    const { circuits, sent, broadcasts } = await this.#readEarlier()
    this.#protection.restore(circuits, BAD_MAX_AGE_MS)
    this.#ledger.restore(sent)
    await this.#watch.start()
    const settled = await Promise.allSettled(broadcasts.map(request => this.execute(request)))
    const unsent = broadcasts.filter((_, index) => !isAnswered(settled[index]!))
    this.#earlier = { circuits, sent: [], broadcasts: unsent }
    const { stateFile } = this.#setup.shutdown
    if (stateFile !== undefined && unsent.length === 0) await removeState(stateFile)
  }

  /**
   * Has a node answer a request: another one if the first does not.
   *
   * @throws RpcError if a node answers that; NoNodeError; RequestTimeoutError; OutcomeUnknownError if it must not be made
   * twice; DisagreementError; RateLimitError; DuplicateRequestError; SecureChannelClosedError; InvalidOptionError; the
   * signal's reason
   */
  async execute(request: RpcRequest, options: ExecuteOneOptions = {}): Promise<unknown> {
    const { idempotencyKey } = options
    if (idempotencyKey === undefined) return this.#executeOnce(request, options)
    // What is not even accepted was not sent, and may be another time.
    this.#requests.throwIfClosed()
    options.signal?.throwIfAborted()
    return this.#ledger.once(idempotencyKey, () => this.#executeOnce(request, options), isUndone)
  }

  /**
   * Several requests at once, at one node. Answers are in their order.
   *
   * @throws what {@link execute} does, but for RpcError, which is in the reply
   */
  async executeAll(requests: readonly RpcRequest[], options: ExecuteOptions = {}): Promise<RpcReply[]> {
    const kinds = requests.map(({ method }) => kindOf(method))
    const kind = options.kind ?? requestKinds.findLast(each => kinds.includes(each)) ?? 'read'
    const method = `${requests.length} requests`
    return this.#requests.run(
      {
        requests,
        kind,
        method,
        asking: (client: NodeClient, signal: AbortSignal) => askAll(client, requests, signal)
      },
      options,
      job => this.#one(job)
    )
  }

  /** The number of blocks of the best chain, without the first. @throws what {@link execute} does */
  async getBlockHeight(options: ExecuteOptions = {}): Promise<number> {
    const method = 'getblockcount'
    return this.#requests.run(
      {
        requests: [{ method }],
        kind: 'read',
        method,
        asking: async (client: NodeClient, signal: AbortSignal) => {
          const height = await client.height(signal)
          this.#nodes.all.find(node => node.client === client)!.height = height
          return height
        }
      },
      options,
      job => this.#one(job)
    )
  }

  /**
   * Hands a signed transaction to different nodes, so that it is not lost with one, and looks whether they have it in their
   * memory pools.
   *
   * @param rawTransaction - in hexadecimal
   * @returns what became of it, once as many nodes have taken it, or as can
   * @throws what {@link execute} does, if none has taken it
   */
  async broadcast(rawTransaction: string, options: BroadcastOptions = {}): Promise<Broadcast> {
    const protocol = this.#setup.nodes[0]!.address.protocol
    const method = protocol === 'electrum' ? 'blockchain.transaction.broadcast' : 'sendrawtransaction'
    const copies = this.#checkedCount('copies', options.copies ?? Math.min(COPIES, this.#nodes.all.length))
    const taken = await this.#requests.run(
      {
        requests: [{ method, params: [rawTransaction] }],
        kind: 'broadcast',
        method,
        asking: (client: NodeClient, signal: AbortSignal) =>
          broadcastTo(client, protocol, rawTransaction, signal)
      },
      options,
      job => new Copies(this.#executions, job, copies)
    )
    return summed(taken)
  }

  /** What the names of its metrics begin with. */
  get namespace(): string {
    return this.#setup.namespace
  }

  /**
   * Takes a node out of service, as before it is maintained: nothing more is asked of it. Resolves when nothing is under way
   * there any more, so that it can be ended without anything being lost.
   *
   * @param endpoint - `host:port`
   * @throws InvalidOptionError if there is no such node
   */
  async isolate(endpoint: string): Promise<void> {
    const node = this.#nodes.of(endpoint)
    this.#protection.isolate(node.key)
    this.#nodes.changed('isolated', node)
    await node.idle()
  }

  /** Ends {@link isolate}: the node is as it would be without it. @throws InvalidOptionError if there is no such node */
  release(endpoint: string): void {
    const node = this.#nodes.of(endpoint)
    this.#protection.release(node.key)
    this.#nodes.changed('released', node)
  }

  /** Adds a listener for all events; the function returned removes it. What it throws changes nothing. */
  onEvent(listener: SecureChannelListener): () => void {
    return this.#nodes.subscribe(listener)
  }

  getStatus(): SecureChannelStatus {
    const nodes = this.#nodes.status()
    const { isDraining, inFlight, total, errors, latency } = this.#requests
    return Object.freeze({
      isHealthy: nodes.some(({ isHealthy }) => isHealthy),
      isFailedOver: this.#nodes.isFailedOver,
      isDraining,
      height: this.#choice.height,
      inFlight,
      totalRequests: total,
      totalRetries: this.#executions.tally.retries,
      totalHedges: this.#executions.tally.hedges,
      totalErrors: errors,
      totalFailovers: this.#nodes.failovers,
      latency,
      nodes,
      lastUpdated: this.#clock.wallTime()
    })
  }

  /**
   * Takes no more requests, waits until all that were taken have ended, and closes. After `drainTimeoutMs` what only reads is
   * given up, after `forceTimeoutMs` all; what was to be broadcast is kept in the state file then, for the next process.
   *
   * @returns how many requests had to be given up
   */
  async drain(options: { drainTimeoutMs?: number; forceTimeoutMs?: number } = {}): Promise<number> {
    const { drainTimeoutMs, forceTimeoutMs } = { ...this.#setup.shutdown, ...options }
    const givenUp = await this.#requests.drain(drainTimeoutMs, forceTimeoutMs)
    await this.close()
    return givenUp
  }

  /**
   * Closes all at once. What was to be broadcast is kept in the state file, if there is one.
   *
   * @throws StateFileError if there is something else in its place, which is left alone; what the file system says
   */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#watch.close()
    const circuits = this.#protection.badRecords(BAD_MAX_AGE_MS)
    const { broadcasts } = this.#requests
    this.#requests.close()
    this.#protection.close()
    await Promise.all(this.#nodes.all.map(({ client }) => client.close()))
    this.#deadlines.clear()
    await this.#save(circuits, broadcasts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain()
  }

  /** Along with what an earlier process has left that was not done since. */
  async #save(circuits: BadRecords, broadcasts: readonly RpcRequest[]): Promise<void> {
    const { stateFile } = this.#setup.shutdown
    if (stateFile === undefined) return
    const earlier = await this.#readEarlier()
    this.#ledger.restore(earlier.sent)
    const state = {
      circuits,
      sent: this.#ledger.hashes(),
      broadcasts: [...earlier.broadcasts, ...broadcasts]
    }
    await saveState(stateFile, state)
  }

  /** @throws StateFileError */
  async #readEarlier(): Promise<SavedState> {
    const { stateFile } = this.#setup.shutdown
    this.#earlier ??= stateFile === undefined ? undefined : await readState(stateFile)
    this.#earlier ??= nothingSaved(this.#clock)
    return this.#earlier
  }

  #executeOnce(request: RpcRequest, options: ExecuteOneOptions): Promise<unknown> {
    const { method } = request
    const kind = options.kind ?? kindOf(method)
    const agree = this.#checkedAgree(options.agree, kind)
    return this.#requests.run(
      {
        requests: [request],
        kind,
        method,
        asking: (client: NodeClient, signal: AbortSignal) => client.call(request, signal)
      },
      options,
      job => (agree > 1 ? new Quorum(this.#executions, job, agree) : this.#one(job))
    )
  }

  #one<Value>(job: Job<Value>): Execution<Value> {
    return new Execution(this.#executions, job)
  }

  /** @throws InvalidOptionError */
  #checkedAgree(agree = 1, kind: RequestKind): number {
    if (agree !== 1 && kind !== 'read')
      throw new InvalidOptionError(
        'agree',
        agree,
        `1 for a ${kind}: several nodes are asked only for what reads`
      )
    return this.#checkedCount('agree', agree)
  }

  /** @throws InvalidOptionError */
  #checkedCount(option: string, count: number): number {
    const { accepts, allowed } = wholeNumber(1, this.#nodes.all.length)
    if (!accepts(count)) throw new InvalidOptionError(option, count, `${allowed}, the number of nodes`)
    return count
  }
}

/** A node that only starts answers none of them: another one is asked then. */
async function askAll(
  client: NodeClient,
  requests: readonly RpcRequest[],
  signal: AbortSignal
): Promise<RpcReply[]> {
  const replies = await client.callAll(requests, signal)
  const warmingUp = replies.find(reply => 'error' in reply && reply.error.isWarmingUp)
  if (warmingUp !== undefined && 'error' in warmingUp) throw warmingUp.error
  return replies
}

function limitOf(maxPerS: number | undefined): RequestLimit | undefined {
  return maxPerS === undefined ? undefined : new RequestLimit(maxPerS)
}

/** Whether what failed so was certainly not done: no node has heard it, or one has answered that it will not do it. */
function isUndone(error: unknown): boolean {
  if (error instanceof NoNodeError) return error.errors.every(isUnheard)
  return error instanceof RpcError || error instanceof RateLimitError || error instanceof InvalidOptionError
}

/** Whether a node has answered, whatever. */
function isAnswered(settled: PromiseSettledResult<unknown>): boolean {
  return settled.status === 'fulfilled' || settled.reason instanceof RpcError
}
