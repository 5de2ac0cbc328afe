import type { ProtectionEventType } from 'bitswap-protection/core'

/** How a call ended: with an answer, failed by chance, or failed because its peer was bad. */
export const outcomes = { ANSWER: 0, NOISE: 1, FAULT: 2 } as const
const { ANSWER, FAULT } = outcomes

/** A circuit that opens so long after its peer last failed for a fault opened for another reason. */
const FAULT_COUNTS_MS = 30_000
/** Calls that fail for a fault in one session, by which the circuit must have opened. */
const CALLS_TO_NOTICE = 20

/** What came of a simulation. */
export interface Counts {
  requests: number
  /** Requests answered by the first peer that was called, and by another. */
  answeredFirst: number
  answeredLater: number
  /** Times that nobody could be called for a request, or for another try of it. */
  nobodyToCall: number
  /** Calls that failed because their peer was bad, and the time waited for them. */
  wastedCalls: number
  wastedMs: number
  /** Times that a peer that was well was up to be called, and that it was refused. */
  wellAsked: number
  wellRefused: number
  opens: number
  /** Of those, of peers against which nothing was held, and that had not failed for a fault of late. */
  falseOpens: number
  /** Of those, of peers that had recovered from a fault in part, and were given up again for a call failed by chance. */
  falseRelapses: number
  /** Sessions in which a peer failed often enough for its circuit to open, and those in which it did not. */
  noticeable: number
  missed: number
}

/** Counts what happens in a simulation. */
export class Tally {
  readonly counts: Counts = {
    requests: 0,
    answeredFirst: 0,
    answeredLater: 0,
    nobodyToCall: 0,
    wastedCalls: 0,
    wastedMs: 0,
    wellAsked: 0,
    wellRefused: 0,
    opens: 0,
    falseOpens: 0,
    falseRelapses: 0,
    noticeable: 0,
    missed: 0
  }
  /** When the peer last failed for a fault. */
  readonly #lastFaultMs: Float64Array
  /** Calls of the session that failed for a fault. */
  readonly #faults: Int32Array
  readonly #hasOpened: Uint8Array
  /** Whether the circuit has opened and the peer has not recovered since. */
  readonly #isOnProbation: Uint8Array
  /** Peers whose circuit opened although they had not failed for a fault. */
  readonly #falselyOpened = new Set<number>()

  constructor({ peers }: { peers: number }) {
    this.#lastFaultMs = new Float64Array(peers).fill(-Infinity)
    this.#faults = new Int32Array(peers)
    this.#hasOpened = new Uint8Array(peers)
    this.#isOnProbation = new Uint8Array(peers)
  }

  /** How many peers were opened wrongly at least once. */
  get peersFalselyOpened(): number {
    return this.#falselyOpened.size
  }

  asked(isWell: boolean, isRefused: boolean): void {
    if (!isWell) return
    this.counts.wellAsked++
    if (isRefused) this.counts.wellRefused++
  }

  ended(peer: number, outcome: number, tries: number, tookMs: number, nowMs: number): void {
    if (outcome === ANSWER) {
      if (tries === 1) this.counts.answeredFirst++
      else this.counts.answeredLater++
    }
    if (outcome !== FAULT) return
    this.counts.wastedCalls++
    this.counts.wastedMs += tookMs
    if (peer < 0) return
    this.#lastFaultMs[peer] = nowMs
    this.#faults[peer]!++
  }

  changed(type: ProtectionEventType, peer: number, nowMs: number): void {
    if (type === 'recovery:complete') this.#isOnProbation[peer] = 0
    if (type === 'circuit:open') this.#opened(peer, nowMs)
  }

  /** The session of a peer is over. */
  left(peer: number): void {
    if (this.#faults[peer]! >= CALLS_TO_NOTICE) {
      this.counts.noticeable++
      if (this.#hasOpened[peer] === 0) this.counts.missed++
    }
    this.#faults[peer] = 0
    this.#hasOpened[peer] = 0
  }

  /** A newcomer has taken the place of a peer. */
  renewed(peer: number): void {
    this.#lastFaultMs[peer] = -Infinity
    this.#isOnProbation[peer] = 0
  }

  #opened(peer: number, nowMs: number): void {
    const wasOnProbation = this.#isOnProbation[peer] === 1
    this.#isOnProbation[peer] = 1
    this.#hasOpened[peer] = 1
    this.counts.opens++
    if (nowMs - this.#lastFaultMs[peer]! <= FAULT_COUNTS_MS) return
    if (wasOnProbation) this.counts.falseRelapses++
    else {
      this.counts.falseOpens++
      this.#falselyOpened.add(peer)
    }
  }
}

/** Share of the requests that were answered. */
export function answeredShare({ requests, answeredFirst, answeredLater }: Counts): number {
  return (answeredFirst + answeredLater) / requests
}
