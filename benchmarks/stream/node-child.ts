import { ChildProgram } from '../../src/cli/swarm/child-program.ts'
import type { NodeCommands, NodeSetup } from './node-commands.ts'

/** How long a node may take for any command: a GiB on a machine that does other things as well is the most. */
const ANSWER_LIMIT_MS = 180_000

/** How long it may take to end when it is let go, in ms: a profiler in it writes down what it has found. */
const END_LIMIT_MS = 5_000

/** A node in a process of its own, as its parent sees it. */
export class NodeChild extends ChildProgram<NodeCommands> {
  #address = ''

  static async start(setup: NodeSetup): Promise<NodeChild> {
    const node = new NodeChild()
    try {
      node.#address = await node.call('start', setup)
      return node
    } catch (error) {
      await node[Symbol.asyncDispose]()
      throw error
    }
  }

  constructor() {
    super({
      name: 'A node',
      program: new URL('./node-program.ts', import.meta.url),
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
      answerLimitMs: ANSWER_LIMIT_MS,
      endLimitMs: END_LIMIT_MS
    })
  }

  /** Where it can be dialled, with its peer id. */
  get address(): string {
    return this.#address
  }
}
