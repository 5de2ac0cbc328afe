import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { killWithParent } from '../../src/cli/swarm/child-guard.ts'
import type { AnswerMessage, CommandMessage, NodeCommands, NodeSetup } from './node-commands.ts'

/** How long a node may take for any command: a GiB on a machine that does other things as well is the most. */
const ANSWER_LIMIT_MS = 180_000

/** How long it may take to end when it is let go, in ms. */
const END_LIMIT_MS = 5_000

const program = fileURLToPath(new URL('./node-program.ts', import.meta.url))

/** A node in a process of its own, as its parent sees it. */
export class NodeChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>()
  #address = ''
  #nextId = 0

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
    this.#child = fork(program, {
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc']
    })
    killWithParent(this.#child)
    this.#child.on('message', (message: AnswerMessage) => this.#onAnswer(message))
    this.#child.on('error', error => this.#onEnd(error))
    this.#child.on('exit', (code, signal) =>
      this.#onEnd(new Error(`A node ended (${signal ?? `exit code ${code}`})`))
    )
  }

  /** Where it can be dialled, with its peer id. */
  get address(): string {
    return this.#address
  }

  async call<Name extends keyof NodeCommands>(
    name: Name,
    ...args: Parameters<NodeCommands[Name]>
  ): Promise<ReturnType<NodeCommands[Name]>> {
    const id = this.#nextId++
    const pending = Promise.withResolvers<unknown>()
    this.#pending.set(id, pending)
    const timer = setTimeout(
      () => pending.reject(new Error(`A node did not ${name} in time`)),
      ANSWER_LIMIT_MS
    )
    try {
      const command: CommandMessage<Name> = { id, name, args }
      this.#child.send(command, error => error !== null && pending.reject(error))
      return (await pending.promise) as ReturnType<NodeCommands[Name]>
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
  }

  /** Lets it end by itself, so that a profiler in it can write down what it found; and ends it if it does not. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_LIMIT_MS)
    this.#child.disconnect()
    await ended
    clearTimeout(timer)
  }

  #onAnswer(message: AnswerMessage): void {
    const pending = this.#pending.get(message.id)
    if ('error' in message) pending?.reject(new Error(message.error))
    else pending?.resolve(message.value)
  }

  #onEnd(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error)
  }
}
