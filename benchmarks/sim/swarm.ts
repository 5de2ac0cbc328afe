/** How a peer that is bad fails: it says nothing, refuses at once, or sends something wrong when an answer was due. */
export type FaultWay = 'stall' | 'refuse' | 'corrupt'

export const faultWays: readonly FaultWay[] = ['stall', 'refuse', 'corrupt']

/** When a peer is bad. */
export interface Fault {
  readonly way: FaultWay
  /** When it begins, at first; 0 if not given. */
  readonly fromMs?: number
  /** When it is cured; never if not given. */
  readonly untilMs?: number
  /** Good and bad in turns, bad first; always bad if not given. */
  readonly turns?: { readonly badMs: number; readonly goodMs: number }
  /** Begins with this call to it, instead of at a time. */
  readonly fromCall?: number
}

/** The peers of a simulation, and how they are called. */
export interface Swarm {
  /** Peers that are known at a time. */
  readonly peers: number
  /** How many of them are called at a time. */
  readonly active: number
  /** How many of the active ones always stay so. */
  readonly residents: number
  /** Mean time the others stay active; then it is another's turn. */
  readonly sessionMs: number
  /** Share of the sessions that begin with a peer nobody has seen, in the place of one that is known. */
  readonly newcomerShare: number
  /** Mean requests per active peer. */
  readonly requestsPerS: number
  /** Peers that could answer a request, taken by chance, at most 8: the first one that may be called is. */
  readonly candidates: number
  /** How many may be called for one request, one after the other has failed. */
  readonly tries: number
  /** Chance that a call to a peer that is well fails all the same. */
  readonly noiseShare: number
  /** Nobody answers then. */
  readonly outage?: { readonly fromMs: number; readonly untilMs: number }
  readonly durationMs: number
  /** What is wrong with a peer; `undefined` if nothing is. Asked again when a newcomer takes its place. */
  fault(peer: number, random: () => number): Fault | undefined
}

/** One request a second to each active peer, and one peer called for it; nobody comes or goes. */
export const steadySwarm = {
  sessionMs: Infinity,
  newcomerShare: 0,
  requestsPerS: 1,
  candidates: 1,
  tries: 1,
  noiseShare: 0.01
} as const
