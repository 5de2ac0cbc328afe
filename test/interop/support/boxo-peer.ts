import { createInterface } from 'node:readline'
import { inject } from 'vitest'
import type { Block } from '../../../src/cli/swarm/blocks.ts'
import type { Reachable } from '../../integration/support/client.ts'
import { type PeerFile, PeerProcess, startPeers } from './peer-process.ts'

/** How long a peer may take for any command. */
const ANSWER_LIMIT_MS = 30_000

/** How long a peer may take to end by itself. */
const END_LIMIT_MS = 1_000

/** What others asked a peer for so far, by kind of entry in their wantlists. */
export interface Asked {
  readonly wantBlocks: number
  readonly wantHaves: number
  readonly cancels: number
}

/** What a peer has done so far. */
interface BoxoStats {
  readonly blocksSent: number
  /** Messages it got. */
  readonly messages: number
  readonly asked: Asked
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
export class BoxoPeer extends PeerProcess implements Reachable {
  peerId = ''
  multiaddr = ''
  readonly #pending = new Map<number, Pending>()
  #nextId = 1

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
    super('Boxo peer', inject('boxoPeer'), [])
    // What is written to a process that has ended is lost; whoever waits for the answer is told below.
    this.child.stdin.on('error', () => {})
    createInterface({ input: this.child.stdout }).on('line', line => this.#onAnswer(JSON.parse(line)))
    this.child.once('close', () => this.#onEnd())
  }

  /** Gives it blocks. */
  async add(blocks: readonly Block[]): Promise<void> {
    const cids = await this.#call('add', { blocks: blocks.map(({ bytes }) => base64(bytes)) })
    if (`${cids}` !== `${blocks.map(({ cid }) => cid)}`) throw new Error(`Other CIDs than ours: ${cids}`)
  }

  /** Gives it a file: the same for the same seed. */
  addFile(seed: number, sizeBytes: number, chunkBytes = 262_144): Promise<PeerFile> {
    return this.#call('addFile', { seed, sizeBytes, chunkBytes }) as Promise<PeerFile>
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
  getFile(cid: string): Promise<Omit<PeerFile, 'cid'>> {
    return this.#call('getFile', { cid, timeoutMs: ANSWER_LIMIT_MS }) as Promise<PeerFile>
  }

  stats(): Promise<BoxoStats> {
    return this.#call('stats') as Promise<BoxoStats>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw()
    this.child.stdin.end()
    const timer = setTimeout(() => this.kill(), END_LIMIT_MS)
    await this.ended
    clearTimeout(timer)
  }

  async #call(command: string, parameters: object = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const id = this.#nextId++
    const timer = setTimeout(() => reject(this.error(`did not ${command} in time`)), ANSWER_LIMIT_MS)
    this.#pending.set(id, { resolve, reject })
    try {
      this.child.stdin.write(`${JSON.stringify({ id, command, ...parameters })}\n`)
      return await promise
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
  }

  #onAnswer({ id, value, error }: Answer): void {
    const pending = this.#pending.get(id)
    if (error === undefined) pending?.resolve(value)
    else pending?.reject(this.error(error))
  }

  #onEnd(): void {
    for (const { reject } of this.#pending.values()) reject(this.error('has ended'))
  }
}

/** Starts peers, all at once. They end with the scope. */
export const startBoxoPeers = (count: number) => startPeers(count, () => BoxoPeer.start())

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
