import type { Protection } from '../../core/index.ts'
import type { RelayNode } from './relay-node.ts'
import type { NodeState } from './secure-channel-status.ts'

/** Whether the primary nodes answer, or backup ones have to. */
export class Failover {
  readonly #nodes: readonly RelayNode[]
  readonly #protection: Protection
  #isFailedOver = false
  #count = 0

  constructor(nodes: readonly RelayNode[], protection: Protection) {
    this.#nodes = nodes
    this.#protection = protection
  }

  get isFailedOver(): boolean {
    return this.#isFailedOver
  }

  /** How often backup nodes had to take over. */
  get count(): number {
    return this.#count
  }

  /** How a node is. */
  stateOf({ key, refusal, isWarmingUp }: RelayNode): NodeState {
    const circuit = this.#protection.getPeerStatus(key)
    if (circuit?.isIsolated) return 'isolated'
    if (refusal !== undefined) return 'refused'
    if (isWarmingUp) return 'warming-up'
    if (circuit?.isSuspect) return 'suspect'
    return circuit?.circuitState === 'OPEN' ? 'down' : 'up'
  }

  /** Looks again after something has changed. Returns what came of it; `undefined` if that is nothing. */
  look(): 'failover' | 'failback' | undefined {
    const isUp = this.#nodes.some(node => node.role === 'primary' && this.stateOf(node) === 'up')
    if (isUp !== this.#isFailedOver) return undefined
    this.#isFailedOver = !isUp
    if (isUp) return 'failback'
    this.#count++
    return 'failover'
  }
}
