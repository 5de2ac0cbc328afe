import { systemRandom } from '../../core/clock.ts'
import { Deadlines } from '../../core/deadlines.ts'
import { type Clock, InvalidOptionError, Protection, systemClock } from '../../core/index.ts'
import { LatencyHistogram } from '../../core/latency-histogram.ts'
import { durationMs, wholeNumber } from '../../core/options.ts'
import { RpcError, type RpcReply, type RpcRequest } from '../protocols/rpc.ts'
import { HandshakeLimit } from '../tls/handshake-limit.ts'
import { type Broadcast, broadcastTo } from './broadcasting.ts'
import { Execution, type ExecutionContext, type Job } from './execution.ts'
import { Failover } from './failover.ts'
import { isUnheard } from './node-call.ts'
import { NodeChoice } from './node-choice.ts'
import type { NodeClient } from './node-client.ts'
import { type ClientContext, createNodeClient } from './node-clients.ts'
import { type NodeChange, NodeWatch } from './node-watch.ts'
import { Quorum } from './quorum.ts'
import { RelayNode } from './relay-node.ts'
import { kindOf, type RequestKind, requestKinds } from './request-kind.ts'
import { RequestLimit } from './request-limit.ts'
import { RetryBudget } from './retry-budget.ts'
import { readState, removeState, saveState } from './saved-state.ts'
import { NoNodeError, RateLimitError, SecureChannelClosedError } from './secure-channel-error.ts'
import {
  type NodeSetup,
  resolveSecureChannelOptions,
  type SecureChannelOptions,
  type SecureChannelSetup
} from './secure-channel-options.ts'
import type {
  NodeState,
  NodeStatus,
  SecureChannelEvent,
  SecureChannelStatus
} from './secure-channel-status.ts'
import { SentLedger } from './sent-ledger.ts'
import { Unfinished } from './unfinished.ts'

/** Of all secure channels of this process, unless they are given a limit of their own. */
const allHandshakes = new HandshakeLimit()

/** How long it is held against a node, over a restart, that it failed, in ms. */
const BAD_MAX_AGE_MS = 60 * 60_000

/** How long response times are remembered, in ms. */
const LATENCY_ROTATION_MS = 5 * 60_000

const timeoutRule = durationMs(1)

/** The key under which all requests are counted. */
const ALL_NODES = 'all'

/** What a secure channel can be given instead of what it makes or takes itself. */
export interface SecureChannelComponents {
  readonly clock?: Clock
  readonly random?: () => number
  /** Of handshakes at once; that of all secure channels of this process if not given. */
  readonly handshakes?: HandshakeLimit
  /** Makes the client that talks to a node. */
  readonly createClient?: (node: NodeSetup, setup: SecureChannelSetup, context: ClientContext) => NodeClient
}

/** How one request is made. */
export interface ExecuteOptions {
  /** Gives it up. */
  readonly signal?: AbortSignal | undefined
  /** How long it may take altogether, in ms, instead of `requestTimeoutMs`. */
  readonly timeoutMs?: number | undefined
  /** What may be done with it, if its method does not tell: see {@link RequestKind}. */
  readonly kind?: RequestKind | undefined
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
  readonly #nodes: readonly RelayNode[]
  readonly #protection: Protection
  readonly #choice: NodeChoice
  readonly #watch: NodeWatch
  readonly #failover: Failover
  readonly #executions: ExecutionContext
  readonly #limit: RequestLimit | undefined
  readonly #ledger = new SentLedger()
  readonly #unfinished = new Unfinished()
  readonly #latency: LatencyHistogram
  readonly #listeners = new Set<(event: SecureChannelEvent) => void>()
  #requests = 0
  #errors = 0
  #isDraining = false
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
    this.#nodes = setup.nodes.map(
      node => new RelayNode(createClient(node, setup, { clock, deadlines, handshakes }), node.role)
    )
    this.#protection = new Protection(
      { preset: 'relay', breaker: setup.breaker, recovery: setup.recovery, maxEjectedShare: 1 },
      { clock, random }
    )
    this.#choice = new NodeChoice(this.#nodes, this.#protection, random, setup.maxLagBlocks)
    this.#failover = new Failover(this.#nodes, this.#protection)
    this.#watch = new NodeWatch({
      nodes: this.#nodes,
      protection: this.#protection,
      choice: this.#choice,
      clock,
      deadlines,
      random,
      options: setup.healthCheck,
      onChange: (change, node) => this.#onChange(change, node)
    })
    this.#latency = new LatencyHistogram(LATENCY_ROTATION_MS, clock.now())
    this.#limit = limitOf(setup.maxRequestsPerS)
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
    this.#throwIfClosed()
    const { stateFile } = this.#setup.shutdown
    const state = stateFile === undefined ? undefined : await readState(stateFile)
    if (state !== undefined) {
      this.#protection.restore(state.circuits, BAD_MAX_AGE_MS)
      this.#ledger.restore(state.sent)
    }
    await this.#watch.start()
    if (state === undefined) return
    const sent = await Promise.allSettled(state.broadcasts.map(request => this.execute(request)))
    if (sent.every(isAnswered)) await removeState(stateFile!)
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
    return this.#run(
      requests,
      { kind, method, asking: (client, signal) => askAll(client, requests, signal) },
      options
    )
  }

  /** The number of blocks of the best chain, without the first. @throws what {@link execute} does */
  async getBlockHeight(options: ExecuteOptions = {}): Promise<number> {
    const method = 'getblockcount'
    return this.#run(
      [{ method }],
      {
        kind: 'read',
        method,
        asking: async (client, signal) => {
          const height = await client.height(signal)
          this.#nodes.find(node => node.client === client)!.height = height
          return height
        }
      },
      options
    )
  }

  /**
   * Hands a signed transaction on, to another node if the first fails, and looks whether the node has it in its memory pool.
   *
   * @param rawTransaction - in hexadecimal
   * @throws what {@link execute} does
   */
  async broadcast(rawTransaction: string, options: ExecuteOptions = {}): Promise<Broadcast> {
    const protocol = this.#setup.nodes[0]!.address.protocol
    const method = protocol === 'electrum' ? 'blockchain.transaction.broadcast' : 'sendrawtransaction'
    return this.#run(
      [{ method, params: [rawTransaction] }],
      {
        kind: 'broadcast',
        method,
        asking: (client, signal) => broadcastTo(client, protocol, rawTransaction, signal)
      },
      options
    )
  }

  /** Adds a listener for all events; the function returned removes it. What it throws changes nothing. */
  onEvent(listener: (event: SecureChannelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  getStatus(): SecureChannelStatus {
    const nodes = this.#nodes.map(node => this.#nodeStatus(node))
    return Object.freeze({
      isHealthy: nodes.some(({ isHealthy }) => isHealthy),
      isFailedOver: this.#failover.isFailedOver,
      isDraining: this.#isDraining,
      height: this.#choice.height,
      inFlight: this.#unfinished.size,
      totalRequests: this.#requests,
      totalRetries: this.#executions.tally.retries,
      totalHedges: this.#executions.tally.hedges,
      totalErrors: this.#errors,
      totalFailovers: this.#failover.count,
      latency: this.#latency.summary(this.#clock.now()),
      nodes: Object.freeze(nodes),
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
    this.#isDraining = true
    await this.#unfinished.ended(this.#clock, drainTimeoutMs)
    const givenUp = this.#unfinished.abort(['read'], new SecureChannelClosedError())
    await this.#unfinished.ended(this.#clock, Math.max(0, forceTimeoutMs - drainTimeoutMs))
    const left = this.#unfinished.size
    await this.close()
    return givenUp + left
  }

  /** Closes all at once. What was to be broadcast is kept in the state file, if there is one. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isDraining = true
    this.#isClosed = true
    this.#watch.close()
    const state = {
      circuits: this.#protection.badRecords(BAD_MAX_AGE_MS),
      sent: this.#ledger.hashes(),
      broadcasts: this.#unfinished.broadcasts
    }
    this.#unfinished.abort(requestKinds, new SecureChannelClosedError())
    this.#protection.close()
    await Promise.all(this.#nodes.map(({ client }) => client.close()))
    this.#deadlines.clear()
    const { stateFile } = this.#setup.shutdown
    if (stateFile !== undefined) await saveState(stateFile, state)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain()
  }

  #throwIfClosed(): void {
    if (this.#isDraining) throw new SecureChannelClosedError()
  }

  #executeOnce(request: RpcRequest, options: ExecuteOneOptions): Promise<unknown> {
    const { method } = request
    const kind = options.kind ?? kindOf(method)
    return this.#run(
      [request],
      { kind, method, asking: (client, signal) => client.call(request, signal) },
      options,
      this.#checkedAgree(options.agree, kind)
    )
  }

  async #run<Value>(
    requests: readonly RpcRequest[],
    job: Omit<Job<Value>, 'timeoutMs'>,
    { signal, timeoutMs = this.#setup.requestTimeoutMs }: ExecuteOptions,
    agree = 1
  ): Promise<Value> {
    this.#throwIfClosed()
    const limited: Job<Value> = { ...job, timeoutMs: checkedTimeoutMs(timeoutMs) }
    if (this.#limit !== undefined) {
      await this.#limit.take(ALL_NODES)
      this.#throwIfClosed()
    }
    const running =
      agree > 1 ? new Quorum(this.#executions, limited, agree) : new Execution(this.#executions, limited)
    const startedAtMs = this.#clock.now()
    this.#requests++
    try {
      const value = await this.#unfinished.follow(running, { kind: job.kind, requests }, () =>
        running.run(signal)
      )
      this.#latency.record(this.#clock.now() - startedAtMs, this.#clock.now())
      return value
    } catch (error) {
      if (!(error instanceof RpcError) && !signal?.aborted) this.#errors++
      throw error
    }
  }

  /** @throws InvalidOptionError */
  #checkedAgree(agree: number | undefined, kind: RequestKind): number {
    if (agree === undefined || agree === 1) return 1
    const rule = wholeNumber(1, this.#nodes.length)
    if (!rule.accepts(agree))
      throw new InvalidOptionError('agree', agree, `${rule.allowed}, as there are nodes`)
    if (kind !== 'read')
      throw new InvalidOptionError(
        'agree',
        agree,
        `1 for a request that is a ${kind}: only what reads can be asked of several nodes`
      )
    return agree
  }

  #nodeStatus(node: RelayNode): NodeStatus {
    const state: NodeState = this.#failover.stateOf(node)
    const { key, role, height, responseTimeMs, client, lastCheckMs, failuresInRow, lastError } = node
    return Object.freeze({
      endpoint: key,
      role,
      state,
      isHealthy: state === 'up',
      height,
      isLagging: this.#choice.isLagging(node),
      responseTimeMs,
      inFlight: node.underWay.size,
      connections: client.connections,
      lastCheck: lastCheckMs,
      consecutiveFails: failuresInRow,
      lastError: lastError instanceof Error ? lastError.message : undefined,
      circuit: this.#protection.getPeerStatus(key)
    })
  }

  #onChange(change: NodeChange, node: RelayNode): void {
    this.#tell(`node:${change}`, node)
    const turn = this.#failover.look()
    if (turn !== undefined) this.#tell(turn, node)
  }

  #tell(type: SecureChannelEvent['type'], { key, role, lastError }: RelayNode): void {
    const error = type === 'node:up' || type === 'failback' ? undefined : lastError
    const event = Object.freeze({ type, endpoint: key, role, error, at: this.#clock.wallTime() })
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch {
        // It is the listener's own affair.
      }
    }
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

/** @throws InvalidOptionError */
function checkedTimeoutMs(timeoutMs: number): number {
  if (!timeoutRule.accepts(timeoutMs))
    throw new InvalidOptionError('timeoutMs', timeoutMs, timeoutRule.allowed)
  return timeoutMs
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
