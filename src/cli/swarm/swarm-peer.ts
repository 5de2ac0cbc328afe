import { extname } from 'node:path'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { BlocksRequest } from './blocks.ts'
import { ChildProgram } from './child-program.ts'
import type { Fault, FileRequest, PeerCommands, PeerSetup, PeerStats } from './peer-commands.ts'

/** How long a peer may take for any command. Starting takes by far the longest, the more so side by side. */
const ANSWER_LIMIT_MS = 30_000

/** The program beside this file: `.ts` among the sources, `.js` among what was built. */
const program = new URL(`./peer-process${extname(import.meta.filename)}`, import.meta.url)

type PeerChild = ChildProgram<PeerCommands>

/** How a peer shall be. */
export interface PeerPlan {
  readonly name: string
  /** `none` if not given. */
  readonly fault?: Fault
  /** Delay in ms, each way, of everything on its connections: a round trip takes twice as much longer. */
  readonly delayMs?: number
  /**
   * How long it thinks in ms before each answer. It gives one client one answer after the other, each with all the
   * blocks asked for meanwhile.
   */
  readonly answerDelayMs?: number
}

/** A real Bitswap peer on 127.0.0.1, in a process of its own. */
export class SwarmPeer {
  readonly name: string
  /** Stays the same for good, as does its port. */
  readonly peerId: string
  readonly #setup: Omit<PeerSetup, 'port' | 'fault'>
  /** What was added to it, to be added anew to the next process. */
  readonly #content: Array<(child: PeerChild) => Promise<unknown>> = []
  #fault: Fault
  #port = 0
  #child: PeerChild | undefined

  /** A peer that is not there yet, until {@link restart}. */
  static async create(plan: PeerPlan): Promise<SwarmPeer> {
    return new SwarmPeer(plan, await generateKeyPair('Ed25519'))
  }

  private constructor({ name, fault = 'none', delayMs = 0, answerDelayMs = 0 }: PeerPlan, key: PrivateKey) {
    this.name = name
    this.peerId = peerIdFromPrivateKey(key).toString()
    this.#setup = { privateKey: privateKeyToProtobuf(key), delayMs, answerDelayMs }
    this.#fault = fault
  }

  /** Where to dial it, with its peer id. */
  get multiaddr(): string {
    return `/ip4/127.0.0.1/tcp/${this.#port}/p2p/${this.peerId}`
  }

  /** The id of its process. Another one after each {@link restart}. */
  get pid(): number {
    return this.#running.pid!
  }

  /** Adds the blocks that `makeBlocks` makes of the same request. */
  async addBlocks(request: BlocksRequest): Promise<void> {
    await this.#add(child => child.call('addBlocks', request))
  }

  /** @returns the root CID of a UnixFS file, whose content is that of `makeBytes` */
  async addFile(request: FileRequest): Promise<string> {
    return this.#add(child => child.call('addFile', request))
  }

  /** Changes its fault for the streams that come; wants a mute peer swallowed stay unanswered. */
  async setFault(fault: Fault): Promise<void> {
    await this.#running.call('setFault', fault)
    this.#fault = fault
  }

  /** What its process has done so far. A frozen peer cannot tell. */
  stats(): Promise<PeerStats> {
    return this.#running.call('stats')
  }

  /** Stops its process in its tracks: its connections stay open, and silent. */
  freeze(): void {
    this.#running.freeze()
  }

  /** Lets a frozen process go on. Whatever of it timed out meanwhile does so at once. */
  thaw(): void {
    this.#running.thaw()
  }

  /** Kills its process, frozen or not. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#child?.kill()
  }

  /** Starts a new process, with the same identity, port and content, and the fault last set. */
  async restart(): Promise<void> {
    await this.kill()
    const child: PeerChild = new ChildProgram({
      name: `Peer ${this.name}`,
      program,
      stderr: 'keep',
      answerLimitMs: ANSWER_LIMIT_MS
    })
    this.#child = child
    this.#port = await child.call('start', { ...this.#setup, port: this.#port, fault: this.#fault })
    for (const add of this.#content) await add(child)
  }

  /** Ends its process in good order, within about a second. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]()
  }

  async #add<Answer>(add: (child: PeerChild) => Promise<Answer>): Promise<Answer> {
    const answer = await add(this.#running)
    this.#content.push(add)
    return answer
  }

  get #running(): PeerChild {
    if (this.#child === undefined) throw new Error(`Peer ${this.name} was never started`)
    return this.#child
  }
}
