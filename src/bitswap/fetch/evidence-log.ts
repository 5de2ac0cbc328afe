import type { CID } from 'multiformats/cid'
import { type Fault, faultWeights } from './fault.ts'

/** Peers of whom evidence is kept, and how much of each: as much as there are faults. */
const MAX_PEERS = 512
const MAX_PER_PEER = Object.keys(faultWeights).length

/** What a peer did wrong. */
export interface Evidence {
  readonly fault: Fault
  /** The block it was about, unless there was none. */
  readonly cid: string | undefined
  /** By the wall clock, in ms since 1970. */
  readonly at: number
}

/**
 * The latest faults of peers. Whose last fault is longest ago is forgotten first; of one peer the oldest of those it did
 * more than once, so that much of what is harmless does not hide what is not.
 */
export class EvidenceLog {
  readonly #byPeer = new Map<string, readonly Evidence[]>()

  note(key: string, fault: Fault, cid: CID | undefined, at: number): void {
    const evidence = Object.freeze({ fault, cid: cid?.toString(), at })
    const all = [...(this.#byPeer.get(key) ?? []), evidence]
    if (all.length > MAX_PER_PEER) all.splice(indexOfRepeated(all), 1)
    this.#byPeer.delete(key)
    if (this.#byPeer.size >= MAX_PEERS) this.#byPeer.delete(this.#byPeer.keys().next().value!)
    this.#byPeer.set(key, Object.freeze(all))
  }

  /** Oldest first. */
  of(key: string): readonly Evidence[] {
    return this.#byPeer.get(key) ?? []
  }
}

/** Where the oldest evidence is of which there is more of the same kind. */
function indexOfRepeated(all: readonly Evidence[]): number {
  return all.findIndex(({ fault }, index) => all.findLastIndex(other => other.fault === fault) > index)
}
