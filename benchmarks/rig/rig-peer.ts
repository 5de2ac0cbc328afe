import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { killWithParent } from '../../src/cli/swarm/child-guard.ts'
import type { FaultPlan } from './fault.ts'
import { inOwnNamespace } from './network.ts'
import type { AnswerMessage, CommandMessage, PeerCommands, PeerStats, PeerTask } from './peer-commands.ts'

/** How long a peer may take for any command. Starting takes by far the longest, the more so side by side. */
const ANSWER_LIMIT_MS = 30_000

const program = fileURLToPath(new URL('./peer-process.ts', import.meta.url))

/** A command that was not answered yet. */
interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** A peer of the rig, in a process of its own, as its parent sees it. */
export class RigPeer {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  #multiaddr = ''
  #nextId = 0

  /**
   * @param address - to listen on: of this machine, or of the peer's end of a link
   * @param makeLink - makes that link for the process of a peer that is in a network namespace of its own
   */
  static async start(address: string, makeLink?: (pid: number) => Promise<void>): Promise<RigPeer> {
    // Both become the peer's program, and stay the same process.
    const command = makeLink === undefined ? [process.execPath] : inOwnNamespace([process.execPath])
    const peer = new RigPeer(command)
    try {
      await makeLink?.(peer.#child.pid!)
      peer.#multiaddr = await peer.#call('start', address)
    } catch (error) {
      await peer.kill()
      throw error
    }
    return peer
  }

  /** @param command - that runs a program */
  private constructor([execPath, ...execArgv]: readonly string[]) {
    this.#child = fork(program, {
      execPath: execPath!,
      // Without the parent's flags, which are not meant for it: an inspector's port, a test runner's loader.
      execArgv,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc']
    })
    killWithParent(this.#child)
    this.#child.on('message', (message: AnswerMessage) => this.#onAnswer(message))
    this.#child.on('error', error => this.#onEnd(error))
    this.#child.on('exit', (code, signal) =>
      this.#onEnd(new Error(`A peer ended (${signal ?? `exit code ${code}`})`))
    )
  }

  /** Where it can be dialled, with its peer id. */
  get multiaddr(): string {
    return this.#multiaddr
  }

  get peerId(): string {
    return this.#multiaddr.slice(this.#multiaddr.lastIndexOf('/') + 1)
  }

  /** Forgets all it had and did, and begins anew. */
  begin(task: PeerTask): Promise<void> {
    return this.#call('begin', task)
  }

  setFault(fault: FaultPlan): Promise<void> {
    return this.#call('setFault', fault)
  }

  /** What it did since it began its task. A frozen peer cannot tell. */
  stats(): Promise<PeerStats> {
    return this.#call('stats')
  }

  /** Stops it in its tracks: its connections stay open, and silent. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it at once, frozen or not. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  async #call<Name extends keyof PeerCommands>(
    name: Name,
    ...args: Parameters<PeerCommands[Name]>
  ): Promise<ReturnType<PeerCommands[Name]>> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const id = this.#nextId++
    this.#pending.set(id, { resolve, reject })
    const timer = setTimeout(() => reject(new Error(`A peer did not ${name} in time`)), ANSWER_LIMIT_MS)
    try {
      const command: CommandMessage<Name> = { id, name, args }
      this.#child.send(command, error => error !== null && reject(error))
      return (await promise) as ReturnType<PeerCommands[Name]>
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
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
