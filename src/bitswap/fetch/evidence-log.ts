import type { CID } from 'multiformats/cid'
import type { Fault } from './fault.ts'

/** Peers of whom evidence is kept, and how much of each. */
const MAX_PEERS = 512
const MAX_PER_PEER = 8

/** What a peer did wrong. */
export interface Evidence {
  readonly fault: Fault
  /** The block it was about, unless there was none. */
  readonly cid: string | undefined
  /** By the wall clock, in ms since 1970. */
  readonly at: number
}

/** The latest faults of peers. Whose last fault is longest ago is forgotten first. */
export class EvidenceLog {
  readonly #byPeer = new Map<string, readonly Evidence[]>()

  note(key: string, fault: Fault, cid: CID | undefined, at: number): void {
    const evidence = Object.freeze({ fault, cid: cid?.toString(), at })
    const all = [...(this.#byPeer.get(key) ?? []), evidence].slice(-MAX_PER_PEER)
    this.#byPeer.delete(key)
    if (this.#byPeer.size >= MAX_PEERS) this.#byPeer.delete(this.#byPeer.keys().next().value!)
    this.#byPeer.set(key, Object.freeze(all))
  }

  /** Oldest first. */
  of(key: string): readonly Evidence[] {
    return this.#byPeer.get(key) ?? []
  }
}
