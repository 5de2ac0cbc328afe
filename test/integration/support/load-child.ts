import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { BlocksRequest } from '../../../src/cli/swarm/blocks.ts'
import { killWithParent } from '../../../src/cli/swarm/child-guard.ts'
import type { Reachable } from './client.ts'

const program = fileURLToPath(new URL('./load-program.ts', import.meta.url))

/** Peers that flood a server with lists of wants it has no block for. */
export interface FloodLoad {
  readonly server: Reachable
  readonly peers: number
  /** Wants of each list. */
  readonly wants: number
  /** Lists of each peer, at most. */
  readonly lists: number
  /** Between two lists of a peer, in ms, give or take a half. */
  readonly pauseMs: number
}

/** Lists that were sent, or were to be; and those of which the stream did not open or was reset. */
export interface Flooded {
  readonly lists: number
  readonly refused: number
}

export interface FetchLoad {
  readonly server: Reachable
  readonly blocks: BlocksRequest
  readonly concurrency: number
}

interface LoadCommands {
  /** Comes before the flood. */
  connect(load: FloodLoad): void
  /** Lasts until it has sent all, or is ended. */
  flood(load: FloodLoad): Flooded
  endFlood(): void
  fetch(load: FetchLoad): number[]
}

export interface LoadCommand<Name extends keyof LoadCommands = keyof LoadCommands> {
  readonly id: number
  readonly name: Name
  readonly args: Parameters<LoadCommands[Name]>
}

type AnswerMessage = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string })

/** Peers that ask for blocks, in a process of their own. */
export class LoadChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>()
  #nextId = 0

  constructor() {
    this.#child = fork(program, { serialization: 'advanced' })
    killWithParent(this.#child)
    this.#child.on('message', (answer: AnswerMessage) => {
      const pending = this.#pending.get(answer.id)
      if ('error' in answer) pending?.reject(new Error(answer.error))
      else pending?.resolve(answer.value)
    })
    this.#child.once('exit', code => {
      for (const { reject } of this.#pending.values()) reject(new Error(`The load ended (${code})`))
    })
  }

  async call<Name extends keyof LoadCommands>(
    name: Name,
    ...args: Parameters<LoadCommands[Name]>
  ): Promise<ReturnType<LoadCommands[Name]>> {
    const id = this.#nextId++
    const pending = Promise.withResolvers<unknown>()
    this.#pending.set(id, pending)
    this.#child.send({ id, name, args } satisfies LoadCommand<Name>)
    try {
      return (await pending.promise) as ReturnType<LoadCommands[Name]>
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
