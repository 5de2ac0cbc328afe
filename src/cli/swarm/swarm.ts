import { type PeerPlan, SwarmPeer } from './swarm-peer.ts'

/**
 * Real Bitswap peers on 127.0.0.1, each in a process of its own, whose faults can be chosen. They know nothing of each
 * other and connect to nobody.
 *
 * The processes end with this one, also by an uncaught error or Ctrl-C; only if this one is killed by SIGKILL do those
 * that are frozen then stay behind.
 */
export class Swarm implements AsyncDisposable {
  readonly peers: readonly SwarmPeer[]

  /**
   * Resolves when all peers can be dialled.
   *
   * @param options.signal - ends the start, with all that was started
   * @throws Error if a peer does not start, with its error output
   */
  static async start(
    plans: readonly PeerPlan[],
    { signal }: { signal?: AbortSignal | undefined } = {}
  ): Promise<Swarm> {
    const swarm = new Swarm(await Promise.all(plans.map(SwarmPeer.create)))
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort)
    try {
      signal?.throwIfAborted()
      await Promise.race([aborted, Promise.all(swarm.peers.map(peer => peer.restart()))])
      return swarm
    } catch (error) {
      await swarm[Symbol.asyncDispose]()
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  private constructor(peers: readonly SwarmPeer[]) {
    this.peers = peers
  }

  /** @throws Error if there is none of that name */
  peer(name: string): SwarmPeer {
    const found = this.peers.find(peer => peer.name === name)
    if (found === undefined) throw new Error(`There is no peer ${name} in this swarm`)
    return found
  }

  /** Ends all peers, in whatever state they are, within about a second. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.peers.map(peer => peer[Symbol.asyncDispose]()))
  }
}
