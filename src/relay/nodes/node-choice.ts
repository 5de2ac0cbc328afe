import { NO_LIMIT_MS } from '../../core/deadlines.ts'
import { type Permit, type Protection, RejectedError } from '../../core/index.ts'
import type { RelayNode } from './relay-node.ts'

/** Who is asked next. */
export interface Choice {
  readonly node: RelayNode
  /** Leave to ask it; `undefined` if nobody may be asked, and this one is for want of a better one. */
  readonly permit: Permit | undefined
}

/** Chooses the node to ask. */
export class NodeChoice {
  readonly #nodes: readonly RelayNode[]
  readonly #protection: Protection
  readonly #random: () => number
  readonly #maxLagBlocks: number

  constructor(
    nodes: readonly RelayNode[],
    protection: Protection,
    random: () => number,
    maxLagBlocks: number
  ) {
    this.#nodes = nodes
    this.#protection = protection
    this.#random = random
    this.#maxLagBlocks = maxLagBlocks
  }

  /**
   * The best node not tried yet that the core lets be asked: a primary one before a backup, one that keeps up with the chain
   * before any that lags behind. Of those alike, the one that is expected to answer first out of two taken by chance: with
   * that, many clients do not all run to the same node (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
   */
  next(tried: ReadonlySet<RelayNode>): Choice | undefined {
    const fit = this.#fit(tried)
    for (let left = fit; left.length > 0; ) {
      const node = this.#best(left)
      const permit = this.leave(node)
      if (permit !== undefined) return { node, permit }
      left = left.filter(other => other !== node)
    }
    return undefined
  }

  /** The best node not tried yet, even if the core would not have it asked; but none that does not answer at all. */
  lastResort(tried: ReadonlySet<RelayNode>): Choice | undefined {
    const left = this.#fit(tried).filter(({ key }) => !this.#isOpen(key))
    return left.length === 0 ? undefined : { node: this.#best(left), permit: undefined }
  }

  /** Leave to ask a node. The call has limits of its own. */
  leave({ key }: RelayNode): Permit | undefined {
    try {
      return this.#protection.admit(key, { timeoutMs: NO_LIMIT_MS })
    } catch (error) {
      if (error instanceof RejectedError) return undefined
      throw error
    }
  }

  /** Whether a node is more blocks behind than it may be; `false` for one that was never asked. */
  isLagging({ height }: RelayNode): boolean {
    const reference = this.height
    return height !== undefined && reference !== undefined && height < reference - this.#maxLagBlocks
  }

  /**
   * How high the chain is: the highest that two nodes say, as one alone may be wrong; of two nodes the higher one. `undefined`
   * if no node was asked yet.
   */
  get height(): number | undefined {
    const heights = this.#nodes.flatMap(({ height }) => height ?? []).sort((a, b) => b - a)
    return heights.length > 2 ? heights[1] : heights[0]
  }

  /** Nodes not tried yet that answer requests, as far as is known. */
  #fit(tried: ReadonlySet<RelayNode>): RelayNode[] {
    return this.#nodes.filter(node => !tried.has(node) && !node.isWarmingUp && node.refusal === undefined)
  }

  /** @param nodes - one at least */
  #best(nodes: readonly RelayNode[]): RelayNode {
    const best = Math.min(...nodes.map(node => this.#rank(node)))
    return this.#soonerOfTwo(nodes.filter(node => this.#rank(node) === best))
  }

  /** The lower the better. */
  #rank(node: RelayNode): number {
    return (this.isLagging(node) ? 2 : 0) + (node.role === 'backup' ? 1 : 0)
  }

  #soonerOfTwo(nodes: readonly RelayNode[]): RelayNode {
    if (nodes.length === 1) return nodes[0]!
    const first = Math.floor(this.#random() * nodes.length)
    const second = (first + 1 + Math.floor(this.#random() * (nodes.length - 1))) % nodes.length
    const [a, b] = [nodes[first]!, nodes[second]!]
    return b.expectedMs < a.expectedMs ? b : a
  }

  #isOpen(key: string): boolean {
    return this.#protection.getPeerStatus(key)?.circuitState === 'OPEN'
  }
}
