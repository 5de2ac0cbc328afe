import { type Clock, InvalidOptionError, type Protection } from '../../core/index.ts'
import { parseEndpoint } from '../endpoint.ts'
import { Failover } from './failover.ts'
import type { NodeChoice } from './node-choice.ts'
import type { NodeChange } from './node-watch.ts'
import type { RelayNode } from './relay-node.ts'
import type { NodeStatus, SecureChannelEvent } from './secure-channel-status.ts'

/** Hears what happens. */
export type SecureChannelListener = (event: SecureChannelEvent) => void

/** What happens to a node, found out or done by hand. */
type Change = NodeChange | 'isolated' | 'released'

/** The nodes of a secure channel: who they are, how they are, and who is told when that changes. */
export class NodeSet {
  readonly all: readonly RelayNode[]
  readonly #protection: Protection
  readonly #choice: NodeChoice
  readonly #clock: Clock
  readonly #failover: Failover
  readonly #listeners = new Set<SecureChannelListener>()

  constructor(nodes: readonly RelayNode[], protection: Protection, choice: NodeChoice, clock: Clock) {
    this.all = nodes
    this.#protection = protection
    this.#choice = choice
    this.#clock = clock
    this.#failover = new Failover(nodes, protection)
  }

  get isFailedOver(): boolean {
    return this.#failover.isFailedOver
  }

  get failovers(): number {
    return this.#failover.count
  }

  /** @throws InvalidOptionError if there is no such node */
  of(endpoint: string): RelayNode {
    const { key } = parseEndpoint(endpoint)
    const node = this.all.find(each => each.key === key)
    if (node === undefined)
      throw new InvalidOptionError('endpoint', endpoint, this.all.map(each => each.key).join(' or '))
    return node
  }

  /** Adds a listener; the function returned removes it. */
  subscribe(listener: SecureChannelListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Something has happened to a node. */
  changed(change: Change, node: RelayNode): void {
    this.#tell(`node:${change}`, node)
    const turn = this.#failover.look()
    if (turn !== undefined) this.#tell(turn, node)
  }

  status(): readonly NodeStatus[] {
    return Object.freeze(this.all.map(node => this.#statusOf(node)))
  }

  #statusOf(node: RelayNode): NodeStatus {
    const state = this.#failover.stateOf(node)
    const { key, role, height, responseTimeMs, client, lastCheckMs, failuresInRow, lastError } = node
    return Object.freeze({
      endpoint: key,
      role,
      state,
      isHealthy: state === 'up',
      height,
      isLagging: this.#choice.isLagging(node),
      responseTimeMs,
      inFlight: node.inFlight,
      connections: client.connections,
      lastCheck: lastCheckMs,
      consecutiveFails: failuresInRow,
      totalErrors: node.failures,
      answerTimes: node.answerTimes.read(),
      lastError: lastError instanceof Error ? lastError.message : undefined,
      circuit: this.#protection.getPeerStatus(key)
    })
  }

  #tell(type: SecureChannelEvent['type'], { key, role, lastError }: RelayNode): void {
    const error = isBad(type) ? lastError : undefined
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

/** Whether something happened because of an error. */
function isBad(type: SecureChannelEvent['type']): boolean {
  return ['node:suspect', 'node:down', 'node:refused', 'node:warming-up', 'failover'].includes(type)
}
