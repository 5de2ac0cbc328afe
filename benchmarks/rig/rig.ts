import { linkAddresses, makeLink } from './network.ts'
import { RigPeer } from './rig-peer.ts'

/** The first address of a /24 network of its own for each peer. All of 127.0.0.0/8 is this machine on Linux. */
function loopback(index: number): string {
  return `127.${10 + Math.floor(index / 256)}.${index % 256}.1`
}

function startPeer(index: number, qdisc: string | undefined): Promise<RigPeer> {
  if (qdisc === undefined) return RigPeer.start(loopback(index))
  return RigPeer.start(linkAddresses(index).theirs, pid => makeLink(index, pid, qdisc))
}

/** Real peers with faults, each in a process and on a network of its own. They know nothing of each other. */
export class Rig implements AsyncDisposable {
  readonly #peers: RigPeer[]
  readonly #qdisc: string | undefined

  /**
   * Resolves when all peers can be dialled.
   *
   * @param qdisc - what is between this process and each peer, see `netem`; both are on this machine's loopback if not
   * given. This process has to be in a network namespace of its own.
   */
  static async start(count: number, qdisc?: string): Promise<Rig> {
    const starts = Array.from({ length: count }, (_, index) => startPeer(index, qdisc))
    const started = await Promise.allSettled(starts)
    const peers = started.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    const rig = new Rig(peers, qdisc)
    const failure = started.find(result => result.status === 'rejected')
    if (failure === undefined) return rig
    await rig[Symbol.asyncDispose]()
    throw failure.reason
  }

  private constructor(peers: RigPeer[], qdisc: string | undefined) {
    this.#peers = peers
    this.#qdisc = qdisc
  }

  get peers(): readonly RigPeer[] {
    return this.#peers
  }

  /** Puts a new peer in the place of one that is gone, or ends it first. */
  async restart(index: number): Promise<void> {
    await this.#peers[index]!.kill()
    this.#peers[index] = await startPeer(index, this.#qdisc)
  }

  /** Ends all peers, in whatever state they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#peers.map(peer => peer.kill()))
  }
}
