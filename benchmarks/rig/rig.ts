import { RigPeer } from './rig-peer.ts'

/** The first address of a /24 network of its own for each peer. All of 127.0.0.0/8 is this machine on Linux. */
function loopback(index: number): string {
  return `127.${10 + Math.floor(index / 256)}.${index % 256}.1`
}

/** Real peers with faults, each in a process and on a network of its own. They know nothing of each other. */
export class Rig implements AsyncDisposable {
  readonly #peers: RigPeer[]

  /** Resolves when all peers can be dialled. */
  static async start(count: number): Promise<Rig> {
    const starts = Array.from({ length: count }, (_, index) => RigPeer.start(loopback(index)))
    const started = await Promise.allSettled(starts)
    const peers = started.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    const rig = new Rig(peers)
    const failure = started.find(result => result.status === 'rejected')
    if (failure === undefined) return rig
    await rig[Symbol.asyncDispose]()
    throw failure.reason
  }

  private constructor(peers: RigPeer[]) {
    this.#peers = peers
  }

  get peers(): readonly RigPeer[] {
    return this.#peers
  }

  /** Puts a new peer in the place of one that is gone, or ends it first. */
  async restart(index: number): Promise<void> {
    await this.#peers[index]!.kill()
    this.#peers[index] = await RigPeer.start(loopback(index))
  }

  /** Ends all peers, in whatever state they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#peers.map(peer => peer.kill()))
  }
}
