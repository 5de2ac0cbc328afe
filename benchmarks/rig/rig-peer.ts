import { ChildProgram } from '../../src/cli/swarm/child-program.ts'
import type { FaultPlan } from './fault.ts'
import { inOwnNamespace } from './network.ts'
import type { PeerCommands, PeerStats, PeerTask } from './peer-commands.ts'

/** How long a peer may take for any command. Starting takes by far the longest, the more so side by side. */
const ANSWER_LIMIT_MS = 30_000

/** A peer of the rig, in a process of its own, as its parent sees it. */
export class RigPeer extends ChildProgram<PeerCommands> {
  #multiaddr = ''

  /**
   * @param address - to listen on: of this machine, or of the peer's end of a link
   * @param makeLink - makes that link for the process of a peer that is in a network namespace of its own
   */
  static async start(address: string, makeLink?: (pid: number) => Promise<void>): Promise<RigPeer> {
    // Both become the peer's program, and stay the same process.
    const command = makeLink === undefined ? [process.execPath] : inOwnNamespace([process.execPath])
    const peer = new RigPeer(address, command)
    try {
      await makeLink?.(peer.pid!)
      peer.#multiaddr = await peer.call('start', address)
    } catch (error) {
      await peer.kill()
      throw error
    }
    return peer
  }

  /** @param command - that runs a program */
  private constructor(address: string, [execPath, ...execArgv]: readonly string[]) {
    super({
      name: `Peer at ${address}`,
      program: new URL('./peer-process.ts', import.meta.url),
      execPath: execPath!,
      execArgv,
      answerLimitMs: ANSWER_LIMIT_MS
    })
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
    return this.call('begin', task)
  }

  setFault(fault: FaultPlan): Promise<void> {
    return this.call('setFault', fault)
  }

  /** What it did since it began its task. A frozen peer cannot tell. */
  stats(): Promise<PeerStats> {
    return this.call('stats')
  }
}
