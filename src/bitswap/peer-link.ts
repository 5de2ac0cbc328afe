import type { Connection, PeerId } from '@libp2p/interface'
import { HeldMessages } from './held-messages.ts'
import { ResponseTime } from './response-time.ts'
import { WantLedger } from './want-ledger.ts'

/** What is known of a peer while there is something to know: a connection, a call, or a search for it. */
export interface PeerLink {
  readonly peer: PeerId
  /** The peer id as text: the key of its record. */
  readonly key: string
  /** Those that stand, oldest first. */
  readonly connections: Set<Connection>
  /** Those on which streams are being opened that go on whatever becomes of whoever asked for them, one for each. */
  readonly tryingOn: Connection[]
  /** Those on which a stream did not open in time, since one last opened on any. */
  readonly silentOn: Set<Connection>
  /** How long Bitswap streams to it take to open. */
  readonly openTime: ResponseTime
  /** How long it takes from a want to its answer. */
  readonly answerTime: ResponseTime
  readonly wants: WantLedger
  /** When it last sent anything over Bitswap, and when it last answered a want, in ms awake. */
  lastHeardMs: number
  lastAnsweredMs: number
  /** Whether it said that it speaks Bitswap. */
  speaksBitswap: boolean
  /** The version of Bitswap it was last found to speak. */
  protocol: string | undefined
  /** Streams that are being opened. */
  opening: number
  /** Of these, the ones that go on whatever becomes of whoever asked for them: one is enough of a probe. */
  detached: number
  /** Whether one of them was opened for nothing but to find out whether the peer responds. */
  isProbed: boolean
  /** Messages that wait for their turn: the peer is suspect, or enough streams are being opened. */
  readonly held: HeldMessages
  /** Calls of `executeRequest` under way: the streams opened meanwhile belong to them. */
  executing: number
  /** Wants of the peer that we have not answered. */
  peerWants: number
  /** Wants of the peer that it was not given a block for, and has not taken back; what they were charged, in ms. */
  standingWants: number
  standingMs: number
  /** Wants of ours that the peer was sent, and has not answered; those we took back may still be. */
  answersDue: number
  /** Whether something meant for the peer was held back or lost, so that it should be announced again. */
  isOwed: boolean
  /** Whether the next look at its ramp is planned already. */
  isSwept: boolean
}

/** All links there are, by peer. */
export class PeerLinks {
  readonly #links = new Map<string, PeerLink>()

  get size(): number {
    return this.#links.size
  }

  find(key: string): PeerLink | undefined {
    return this.#links.get(key)
  }

  /** The link to a peer, made if there is none. */
  claim(peer: PeerId): PeerLink {
    const key = peer.toString()
    const found = this.#links.get(key)
    if (found !== undefined) return found
    const link = newLink(peer, key)
    this.#links.set(key, link)
    return link
  }

  /** Forgets a link nobody has a use for any more. */
  release(link: PeerLink): void {
    if (link.connections.size > 0 || link.opening > 0 || link.executing > 0) return
    if (this.#links.get(link.key) === link) this.#links.delete(link.key)
  }

  values(): Iterable<PeerLink> {
    return this.#links.values()
  }
}

/** A connection on which it would show whether the peer responds, and nobody is trying that. */
export function untriedConnection({ connections, tryingOn, silentOn }: PeerLink): Connection | undefined {
  return [...connections].find(connection => !tryingOn.includes(connection) && !silentOn.has(connection))
}

function newLink(peer: PeerId, key: string): PeerLink {
  return {
    peer,
    key,
    connections: new Set(),
    tryingOn: [],
    silentOn: new Set(),
    openTime: new ResponseTime(),
    answerTime: new ResponseTime(),
    wants: new WantLedger(),
    lastHeardMs: -Infinity,
    lastAnsweredMs: -Infinity,
    speaksBitswap: false,
    protocol: undefined,
    opening: 0,
    detached: 0,
    isProbed: false,
    held: new HeldMessages(),
    executing: 0,
    peerWants: 0,
    standingWants: 0,
    standingMs: 0,
    answersDue: 0,
    isOwed: false,
    isSwept: false
  }
}
