import type { Cost } from './cost.ts'
import { NodeChild } from './node-child.ts'
import type { Memory, NodeCommands } from './node-commands.ts'
import { NumberedBlocks } from './numbered-blocks.ts'
import type { Guard } from './stream-node.ts'

/** Which of the two nodes has what of this library. */
export interface Arm {
  readonly name: string
  readonly asking: Guard
  readonly serving: Guard
}

/** What there is to be sent. */
export interface Goods {
  readonly seed: number
  /** Of blocks of 256 KiB, by number. */
  readonly names: readonly string[]
  /** Of how many chunks of 256 KiB a download consists. */
  readonly chunks: number
}

export async function makeGoods(seed: number, blockCount: number, chunks: number): Promise<Goods> {
  return { seed, names: await new NumberedBlocks(seed).name(blockCount), chunks }
}

/** What a transfer took of both nodes. */
export interface PairCost extends Cost {
  /** `cpuMs` of the node that serves. */
  readonly servingCpuMs: number
}

/** Two new nodes, each in a process of its own, of which one asks and the other serves. */
export class Pair implements AsyncDisposable {
  readonly #goods: Goods
  readonly #asking: NodeChild
  readonly #serving: NodeChild
  /** No block is asked for twice: a Helia node does not send it again for a while. */
  #nextNumber = 0

  static async start(arm: Arm, goods: Goods): Promise<Pair> {
    const started = await Promise.allSettled([
      NodeChild.start({ ...goods, names: [], guard: arm.asking }),
      NodeChild.start({ ...goods, guard: arm.serving })
    ])
    try {
      const [asking, serving] = started.map(settled => {
        if (settled.status === 'rejected') throw settled.reason
        return settled.value
      }) as [NodeChild, NodeChild]
      await asking.call('connect', serving.address)
      return new Pair(goods, asking, serving)
    } catch (error) {
      for (const settled of started)
        if (settled.status === 'fulfilled') await settled.value[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(goods: Goods, asking: NodeChild, serving: NodeChild) {
    this.#goods = goods
    this.#asking = asking
    this.#serving = serving
  }

  /** @throws RangeError if there are not so many blocks left */
  transferBlocks(count: number): Promise<PairCost> {
    const firstNumber = this.#nextNumber
    this.#nextNumber += count
    if (this.#nextNumber > this.#goods.names.length) throw new RangeError('There are no more blocks')
    const names = this.#goods.names.slice(firstNumber, this.#nextNumber)
    return this.#costOf('transferBlocks', { firstNumber, names })
  }

  download(): Promise<PairCost> {
    return this.#costOf('download')
  }

  exchangeEchoes(count: number): Promise<PairCost> {
    return this.#costOf('exchangeEchoes', count)
  }

  /** Of the node that asks, and of the one that serves. */
  async memory(): Promise<{ readonly asking: Memory; readonly serving: Memory }> {
    return { asking: await this.#asking.call('memory'), serving: await this.#serving.call('memory') }
  }

  /** Whether the connection goes through the service at exactly those nodes that have it. */
  async isAsSaid({ asking, serving }: Arm): Promise<boolean> {
    const guarded = [
      await this.#asking.call('guardedConnections'),
      await this.#serving.call('guardedConnections')
    ]
    return [asking, serving].every((guard, index) => guarded[index] === (guard === 'none' ? 0 : 1))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#asking[Symbol.asyncDispose](), this.#serving[Symbol.asyncDispose]()])
  }

  async #costOf<Name extends 'transferBlocks' | 'download' | 'exchangeEchoes'>(
    name: Name,
    ...args: Parameters<NodeCommands[Name]>
  ): Promise<PairCost> {
    const servingBeforeMs = await this.#serving.call('settle')
    const cost = await this.#asking.call(name, ...args)
    return { ...cost, servingCpuMs: (await this.#serving.call('cpuTakenMs')) - servingBeforeMs }
  }
}
