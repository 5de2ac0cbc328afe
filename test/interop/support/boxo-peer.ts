import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { inject } from 'vitest'
import type { Block } from '../../../src/cli/swarm/blocks.ts'
import { killWithParent } from '../../../src/cli/swarm/child-guard.ts'
import type { Reachable } from '../../integration/support/client.ts'

/** How long a peer may take for any command. */
const ANSWER_LIMIT_MS = 30_000

/** How long a peer may take to end by itself. */
const END_LIMIT_MS = 1_000

/** A UnixFS file; the hash is in base64. */
export interface BoxoFile {
  readonly cid: string
  readonly sha256: string
  readonly sizeBytes: number
}

/** What a peer has done so far. */
interface BoxoStats {
  readonly blocksSent: number
  /** Messages it got. */
  readonly messages: number
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** A peer with the Bitswap of boxo, on 127.0.0.1, in a process of its own. */
export class BoxoPeer implements AsyncDisposable, Reachable {
  peerId = ''
  multiaddr = ''
  readonly #child: ChildProcessWithoutNullStreams
  readonly #ended: Promise<unknown>
  readonly #pending = new Map<number, Pending>()
  #nextId = 1
  #stderr = ''

  static async start(): Promise<BoxoPeer> {
    const peer = new BoxoPeer()
    try {
      Object.assign(peer, await peer.#call('address'))
      return peer
    } catch (error) {
      await peer[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor() {
    this.#child = spawn(inject('boxoPeer'))
    killWithParent(this.#child)
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-8_192)
    })
    // What is written to a process that has ended is lost; whoever waits for the answer is told below.
    this.#child.stdin.on('error', () => {})
    createInterface({ input: this.#child.stdout }).on('line', line => this.#onAnswer(JSON.parse(line)))
    this.#ended = new Promise(resolve => this.#child.once('close', resolve)).then(() => this.#onEnd())
  }

  /** Gives it blocks. */
  async add(blocks: readonly Block[]): Promise<void> {
    const cids = await this.#call('add', { blocks: blocks.map(({ bytes }) => base64(bytes)) })
    if (`${cids}` !== `${blocks.map(({ cid }) => cid)}`) throw new Error(`Other CIDs than ours: ${cids}`)
  }

  /** Gives it a file: the same for the same seed. */
  addFile(seed: number, sizeBytes: number, chunkBytes = 262_144): Promise<BoxoFile> {
    return this.#call('addFile', { seed, sizeBytes, chunkBytes }) as Promise<BoxoFile>
  }

  async connect(multiaddr: string): Promise<void> {
    await this.#call('connect', { multiaddr })
  }

  /** Has it fetch blocks, all at once. */
  async get(blocks: readonly Block[], timeoutMs = ANSWER_LIMIT_MS): Promise<Uint8Array[]> {
    const contents = await this.#call('get', { cids: blocks.map(({ cid }) => `${cid}`), timeoutMs })
    return (contents as string[]).map(content => Buffer.from(content, 'base64'))
  }

  /** Has it read a file. */
  getFile(cid: string): Promise<Omit<BoxoFile, 'cid'>> {
    return this.#call('getFile', { cid, timeoutMs: ANSWER_LIMIT_MS }) as Promise<BoxoFile>
  }

  stats(): Promise<BoxoStats> {
    return this.#call('stats') as Promise<BoxoStats>
  }

  /** Stops it in its tracks until it is thawed: its connections stay open, and silent. */
  freeze(): Disposable {
    this.#child.kill('SIGSTOP')
    return { [Symbol.dispose]: () => this.thaw() }
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it at once, frozen or not. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw()
    this.#child.stdin.end()
    const timer = setTimeout(() => this.kill(), END_LIMIT_MS)
    await this.#ended
    clearTimeout(timer)
  }

  async #call(command: string, parameters: object = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const id = this.#nextId++
    const timer = setTimeout(() => reject(this.#error(`did not ${command} in time`)), ANSWER_LIMIT_MS)
    this.#pending.set(id, { resolve, reject })
    try {
      this.#child.stdin.write(`${JSON.stringify({ id, command, ...parameters })}\n`)
      return await promise
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
  }

  #onAnswer({ id, value, error }: Answer): void {
    const pending = this.#pending.get(id)
    if (error === undefined) pending?.resolve(value)
    else pending?.reject(this.#error(error))
  }

  #onEnd(): void {
    for (const { reject } of this.#pending.values()) reject(this.#error('has ended'))
  }

  #error(what: string): Error {
    return new Error(`Boxo peer: ${what}\n${this.#stderr}`.trim())
  }
}

/** Starts peers, all at once. They end with the scope. */
export async function startBoxoPeers(count: number): Promise<BoxoPeers> {
  const started = await Promise.allSettled(Array.from({ length: count }, () => BoxoPeer.start()))
  const peers = new BoxoPeers(started.flatMap(each => (each.status === 'fulfilled' ? [each.value] : [])))
  if (peers.all.length === count) return peers
  await peers[Symbol.asyncDispose]()
  throw started.find(each => each.status === 'rejected')!.reason
}

class BoxoPeers implements AsyncDisposable {
  readonly all: readonly BoxoPeer[]

  constructor(all: readonly BoxoPeer[]) {
    this.all = all
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map(peer => peer[Symbol.asyncDispose]()))
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
