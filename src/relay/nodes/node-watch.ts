import type { Deadline, Deadlines } from '../../core/deadlines.ts'
import type { Clock, Protection } from '../../core/index.ts'
import { TooManyPendingError } from '../protocols/pending-error.ts'
import { RpcError } from '../protocols/rpc.ts'
import { type Asking, NodeCall } from './node-call.ts'
import type { NodeChoice } from './node-choice.ts'
import { isRefusal, type RelayNode } from './relay-node.ts'
import { NodeDownError, RequestTimeoutError } from './secure-channel-error.ts'

/** The first wait between checks of a node that does not answer, in ms, and the longest. */
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 2_000

/** A node that is slow by nature has this many times its usual time to answer. */
const PATIENCE = 4

/** How nodes are looked after. Durations in ms. */
interface WatchOptions {
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly retries: number
  readonly probeTimeoutMs: number
}

/** What became of a node. */
export type NodeChange = 'suspect' | 'down' | 'up' | 'refused' | 'warming-up'

/** What a watch needs. */
export interface WatchContext {
  readonly nodes: readonly RelayNode[]
  readonly protection: Protection
  readonly choice: NodeChoice
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly random: () => number
  readonly options: WatchOptions
  readonly onChange: (change: NodeChange, node: RelayNode) => void
}

/** What is planned for one node. */
interface Plan {
  dueMs: number
  /** The check under way. */
  checking: Promise<void> | undefined
  /** What is being asked. */
  asking: NodeCall<unknown> | undefined
  /** Whether there is a reason to believe that it does not answer. */
  isDoubted: boolean
  /** Checks in a row that it did not pass. */
  failed: number
  /** What was last told of it. */
  told: NodeChange
}

/**
 * Finds out whether nodes answer: one that has failed or is slow at once, and again after ever longer waits until it
 * answers; all of them now and then while nothing happens, once started.
 *
 * A node that fails is held back while that is found out; one that passes is taken back at once, also before the time for which
 * its circuit was opened is over.
 */
export class NodeWatch {
  readonly #context: WatchContext
  readonly #plans = new Map<RelayNode, Plan>()
  #isStarted = false
  #isClosed = false
  #cancelTimer: (() => void) | undefined
  #timerDueMs = Infinity

  constructor(context: WatchContext) {
    this.#context = context
    for (const node of context.nodes)
      this.#plans.set(node, {
        dueMs: Infinity,
        checking: undefined,
        asking: undefined,
        isDoubted: false,
        failed: 0,
        told: 'up'
      })
  }

  /** Checks all nodes, and goes on with that. Resolves when each was checked once, by a check begun after now. */
  async start(): Promise<void> {
    this.#isStarted = true
    await Promise.all(
      this.#context.nodes.map(async node => {
        await this.#plans.get(node)!.checking
        await this.#check(node)
      })
    )
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** A request to a node has failed: it is held back, and checked. */
  failed(node: RelayNode, error: unknown): void {
    node.failed(error)
    if (node.refusal !== undefined) this.#tell('refused', node)
    else if (this.#context.protection.suspect(node.key)) this.#tell('suspect', node)
    this.doubt(node)
  }

  /** A node says that it only starts. */
  warmingUp(node: RelayNode): void {
    node.isWarmingUp = true
    this.#tell('warming-up', node)
    this.doubt(node)
  }

  /**
   * A node is checked now, unless it failed a check just before. One that is being checked at leisure has to answer as soon as
   * if it were checked now.
   */
  doubt(node: RelayNode): void {
    const plan = this.#plans.get(node)!
    const { asking } = plan
    if (asking !== undefined && !plan.isDoubted) this.#limit(asking, this.#probeTimeoutMs(node))
    plan.isDoubted = true
    if (plan.failed === 0) this.#plan(node, 0)
  }

  #plan(node: RelayNode, waitMs: number): void {
    const plan = this.#plans.get(node)!
    const dueMs = this.#context.clock.now() + waitMs
    if (plan.checking !== undefined || this.#isClosed) return
    plan.dueMs = dueMs
    if (dueMs < this.#timerDueMs) this.#setTimer(dueMs)
  }

  /** One timer for all nodes. */
  #setTimer(dueMs: number): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerDueMs = dueMs
    if (dueMs === Infinity) return
    const waitMs = Math.max(0, dueMs - this.#context.clock.now())
    this.#cancelTimer = this.#context.clock.schedule(() => this.#onDue(), waitMs)
  }

  #onDue(): void {
    const now = this.#context.clock.now()
    for (const [node, { dueMs }] of this.#plans) if (dueMs <= now) void this.#check(node)
    this.#setTimer(Math.min(...Array.from(this.#plans.values(), ({ dueMs }) => dueMs)))
  }

  /** At most one check of a node is under way. */
  #check(node: RelayNode): Promise<void> {
    const plan = this.#plans.get(node)!
    plan.checking ??= this.#checkNow(node, plan)
    return plan.checking
  }

  async #checkNow(node: RelayNode, plan: Plan): Promise<void> {
    plan.dueMs = Infinity
    const error = await this.#problem(node, plan)
    plan.checking = undefined
    if (this.#isClosed) return
    node.lastCheckMs = this.#context.clock.wallTime()
    if (error === undefined) this.#passed(node, plan)
    else if (error instanceof TooManyPendingError)
      this.#plan(node, FIRST_WAIT_MS) // Which says nothing of the node.
    else this.#notPassed(node, plan, error)
  }

  /** What keeps a node from answering; `undefined` if nothing does. */
  async #problem(node: RelayNode, plan: Plan): Promise<unknown> {
    try {
      const { timeoutMs } = this.#context.options
      if (plan.isDoubted)
        await this.#ask(node, this.#probeTimeoutMs(node), (client, signal) => client.ping(signal))
      // It must not come back with a chain that is out of date.
      node.height = await this.#ask(node, timeoutMs, (client, signal) => client.height(signal))
      return undefined
    } catch (error) {
      // One that answers, whatever, is there.
      return error instanceof RpcError && !error.isWarmingUp ? undefined : error
    }
  }

  #probeTimeoutMs({ responseTimeMs }: RelayNode): number {
    const { probeTimeoutMs, timeoutMs } = this.#context.options
    return Math.min(Math.max(probeTimeoutMs, PATIENCE * responseTimeMs), timeoutMs)
  }

  async #ask<Value>(node: RelayNode, timeoutMs: number, asking: Asking<Value>): Promise<Value> {
    const plan = this.#plans.get(node)!
    const { choice, clock } = this.#context
    const call = new NodeCall(
      { clock, limit: undefined, onFailed() {}, onNotAllowed() {}, onWarmingUp() {} },
      node,
      asking,
      false
    )
    const deadline = this.#limit(call, timeoutMs)
    plan.asking = call
    try {
      return await call.run(choice.leave(node))
    } finally {
      plan.asking = undefined
      deadline.cancel()
    }
  }

  /** Gives a check so much time from now on. */
  #limit(call: NodeCall<unknown>, timeoutMs: number): Deadline {
    const error = new RequestTimeoutError('a health check', timeoutMs)
    return this.#context.deadlines.add(timeoutMs, () => call.abandon(error))
  }

  #passed(node: RelayNode, plan: Plan): void {
    const { protection, options } = this.#context
    plan.failed = 0
    plan.isDoubted = false
    node.isThere()
    protection.clearSuspicion(node.key)
    protection.retryNow(node.key)
    this.#tell('up', node)
    const isClosing = protection.getPeerStatus(node.key)?.circuitState !== 'CLOSED'
    if (isClosing) this.#plan(node, FIRST_WAIT_MS)
    else if (this.#isStarted) this.#plan(node, options.intervalMs)
  }

  #notPassed(node: RelayNode, plan: Plan, error: unknown): void {
    const { protection } = this.#context
    if (error instanceof RpcError) {
      node.isThere()
      node.isWarmingUp = true
      protection.clearSuspicion(node.key)
      this.#tell('warming-up', node)
      this.#plan(node, FIRST_WAIT_MS * 2)
      return
    }
    plan.failed++
    plan.isDoubted = true
    node.failed(error)
    if (isRefusal(error)) this.#refused(node)
    else this.#doesNotAnswer(node, plan, error)
  }

  /** Somebody has to mend that; to try it often mends nothing. */
  #refused(node: RelayNode): void {
    this.#context.protection.clearSuspicion(node.key)
    this.#tell('refused', node)
    this.#plan(node, this.#context.options.intervalMs)
  }

  /** It is held back, and what others can do as well is left to them; after a few times its circuit is opened. */
  #doesNotAnswer(node: RelayNode, plan: Plan, error: unknown): void {
    const { options, protection } = this.#context
    const isDown = plan.failed >= options.retries
    if (isDown) protection.trip(node.key)
    else protection.suspect(node.key)
    this.#tell(isDown ? 'down' : 'suspect', node)
    if (this.#hasOther(node)) node.abandon(new NodeDownError(node.key, error))
    this.#plan(node, this.#waitMs(plan))
  }

  #hasOther(node: RelayNode): boolean {
    return this.#context.nodes.some(other => other !== node && this.#plans.get(other)!.told === 'up')
  }

  /** Some of it is chance, so that not all who lost a node come back at once. */
  #waitMs({ failed }: Plan): number {
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (failed - 1), LONGEST_WAIT_MS)
    return waitMs * (1 - this.#context.random() / 4)
  }

  #tell(change: NodeChange, node: RelayNode): void {
    const plan = this.#plans.get(node)!
    if (plan.told === change) return
    plan.told = change
    this.#context.onChange(change, node)
  }
}
