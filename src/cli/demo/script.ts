import type { SwarmPeer } from '../swarm/swarm-peer.ts'

/** Something that is done to a peer while the file is read. */
export interface Scene {
  /** Since reading began. */
  readonly atMs: number
  readonly peer: string
  readonly text: string
  play(peer: SwarmPeer): void | Promise<void>
}

export const script: readonly Scene[] = [
  { atMs: 3000, peer: 'stuck', text: 'frozen by SIGSTOP', play: peer => peer.freeze() },
  { atMs: 3000, peer: 'comeback', text: 'frozen by SIGSTOP', play: peer => peer.freeze() },
  { atMs: 5000, peer: 'doomed', text: 'killed by SIGKILL', play: peer => peer.kill() },
  { atMs: 6000, peer: 'comeback', text: 'thawed by SIGCONT', play: peer => peer.thaw() }
]
