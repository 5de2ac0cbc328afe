import type { Rig } from './rig.ts'
import type { Incident } from './scenarios.ts'

/** A blocked event loop: for how long at a time, and how much it gets done in between, in ms. */
const BLOCKED_MS = 500
const FREE_MS = 50

const nobody = new Int32Array(new SharedArrayBuffer(4))

/** Has the incidents of a scenario happen, and undoes them. */
export class Incidents implements AsyncDisposable {
  readonly #rig: Rig
  readonly #pending: Set<Incident>
  readonly #underWay = new Map<Incident, NodeJS.Timeout | undefined>()
  readonly #work: Array<Promise<void>> = []
  readonly #struckAt = new Map<number, number>()
  #endedAt: number | undefined

  constructor(rig: Rig, incidents: readonly Incident[]) {
    this.#rig = rig
    this.#pending = new Set(incidents)
  }

  /** When each peer was struck, in ms since 1970. */
  get struckAt(): ReadonlyMap<number, number> {
    return this.#struckAt
  }

  /** When the last one was over by itself, in ms since 1970. */
  get endedAt(): number | undefined {
    return this.#endedAt
  }

  /** Peers that cannot answer now. */
  get struck(): ReadonlySet<number> {
    return new Set([...this.#underWay.keys()].flatMap(({ kind, peers }) => (kind === 'cure' ? [] : peers)))
  }

  /** Begins what is due when there are so many blocks. */
  pass(blocks: number): void {
    for (const incident of this.#pending) {
      if (incident.afterBlocks > blocks) continue
      this.#pending.delete(incident)
      this.#begin(incident)
    }
  }

  /** Ends all that is under way. Resolves when all peers can be told what to do again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#pending.clear()
    for (const incident of this.#underWay.keys()) this.#end(incident)
    await Promise.all(this.#work)
  }

  #begin(incident: Incident): void {
    const { kind, peers, lastsMs } = incident
    for (const peer of peers) this.#struckAt.set(peer, now())
    const byItself = (): void => {
      this.#end(incident)
      this.#endedAt = now()
    }
    let timer = lastsMs === undefined ? undefined : setTimeout(byItself, lastsMs)
    if (kind === 'freeze') for (const peer of peers) this.#rig.peers[peer]!.freeze()
    else if (kind === 'kill') for (const peer of peers) this.#work.push(this.#rig.peers[peer]!.kill())
    else if (kind === 'block') timer = setInterval(() => Atomics.wait(nobody, 0, 0, BLOCKED_MS), FREE_MS)
    else {
      this.#endedAt = now()
      for (const peer of peers) this.#work.push(this.#rig.peers[peer]!.setFault({ kind: 'none' }))
    }
    this.#underWay.set(incident, timer)
  }

  #end(incident: Incident): void {
    const { kind, peers } = incident
    clearTimeout(this.#underWay.get(incident))
    this.#underWay.delete(incident)
    if (kind === 'freeze') for (const peer of peers) this.#rig.peers[peer]!.thaw()
    if (kind === 'kill') for (const peer of peers) this.#work.push(this.#rig.restart(peer))
  }
}

/** The same time in all processes, in ms since 1970. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}
