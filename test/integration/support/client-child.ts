import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { BitswapPeerStatus, BitswapProtectionInit } from '../../../src/bitswap/index.ts'
import { killWithParent } from '../../../src/cli/swarm/child-guard.ts'
import type { Reachable } from './client.ts'

const program = fileURLToPath(new URL('./client-program.ts', import.meta.url))

/** What there is of a node and its protection at a moment, after garbage was collected. */
export interface Traces {
  readonly heapBytes: number
  /** Timers of the protection. */
  readonly timers: number
  /** What keeps the process alive. */
  readonly resources: readonly string[]
  /** How many listen to the node's events. */
  readonly listeners: Readonly<Record<string, number>>
  /** How many listen for the end of each connection. */
  readonly connectionListeners: readonly number[]
  /** Methods they have themselves, not by their class, and what these call themselves. */
  readonly ownMethods: {
    readonly connectionManager: Readonly<Record<string, string>>
    readonly registrar: Readonly<Record<string, string>>
    readonly connections: ReadonlyArray<Readonly<Record<string, string>>>
  }
  /** How many want to know of Bitswap peers. */
  readonly topologies: number
  readonly protocols: readonly string[]
  /** Peers the protection has a record of. */
  readonly records: number
}

/** How many objects of the protection there are: one for each peer, method replaced, and direction of a stream. */
export type Census = Readonly<Record<'links' | 'overrides' | 'readers' | 'deferredStreams', number>>

export interface ClientCommands {
  /** Comes first, and once. Answers where it listens. */
  start(protection: BitswapProtectionInit): string
  connect(peer: Reachable): void
  /** Answers the size of the block. */
  get(cid: string, limitMs: number): number
  status(peer: Reachable): BitswapPeerStatus
  restartService(times: number): void
  stopService(): void
  startService(): void
  stopNode(): void
  startNode(): void
  connections(): number
  traces(): Traces
  census(): Census
}

export interface CommandMessage<Name extends keyof ClientCommands = keyof ClientCommands> {
  readonly id: number
  readonly name: Name
  readonly args: Parameters<ClientCommands[Name]>
}

type AnswerMessage = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string })

/** A {@link Client} in a process of its own, in which garbage can be collected at will. */
export class ClientChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>()
  #nextId = 0

  constructor() {
    this.#child = fork(program, {
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
      serialization: 'advanced'
    })
    killWithParent(this.#child)
    this.#child.on('message', (answer: AnswerMessage) => {
      const pending = this.#pending.get(answer.id)
      if ('error' in answer) pending?.reject(new Error(answer.error))
      else pending?.resolve(answer.value)
    })
    this.#child.once('exit', code => {
      for (const { reject } of this.#pending.values()) reject(new Error(`The client ended (${code})`))
    })
  }

  async call<Name extends keyof ClientCommands>(
    name: Name,
    ...args: Parameters<ClientCommands[Name]>
  ): Promise<ReturnType<ClientCommands[Name]>> {
    const id = this.#nextId++
    const pending = Promise.withResolvers<unknown>()
    this.#pending.set(id, pending)
    this.#child.send({ id, name, args } satisfies CommandMessage<Name>)
    try {
      return (await pending.promise) as ReturnType<ClientCommands[Name]>
    } finally {
      this.#pending.delete(id)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** Of the traces, what must be the same whatever has happened in between. */
export function lasting(traces: Traces): Omit<Traces, 'heapBytes' | 'resources' | 'records'> {
  const { timers, listeners, connectionListeners, ownMethods, topologies, protocols } = traces
  return { timers, listeners, connectionListeners, ownMethods, topologies, protocols }
}
