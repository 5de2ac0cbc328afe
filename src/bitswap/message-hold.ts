import {
  type Connection,
  ConnectionClosedError,
  type Logger,
  type NewStreamOptions,
  type Stream
} from '@libp2p/interface'
import { NO_LIMIT_MS } from '../core/deadlines.ts'
import { type Protection, RejectedError } from '../core/index.ts'
import { mayAnswer, Pass } from './pass.ts'
import type { PeerLink } from './peer-link.ts'
import { spokenBy } from './stream-opener.ts'

/** Streams that may be being opened to one peer at once. */
const MAX_OPENING = 32

/** Opens the streams that messages are sent over when their turn has come. */
export interface HoldStreams {
  /** On the newest connection, for what `admit` lets through. */
  open(link: PeerLink, admit: () => Pass): Promise<Stream>
  /** One that nobody looks after. */
  openUnguarded(link: PeerLink): Promise<Stream>
}

/** Who is told what becomes of messages that wait. */
export interface HoldHandlers {
  /** A sender goes on without his stream: he counts on it that his message is delivered. */
  onTaken(): void
  /** A message that was taken from its sender did not reach the peer. */
  onLost(link: PeerLink): void
  /** Something meant for the peer was held back. */
  onHeldBack(link: PeerLink, rejection: RejectedError): void
}

/**
 * Has messages wait for their turn while their senders go on: those to a suspect until it is known whether it responds, and
 * those to a peer to which enough streams are being opened until there is room.
 *
 * To refuse them would be worse: a session of stock Helia has nothing to do with a peer any more that failed it once.
 */
export class MessageHold {
  readonly #protection: Protection
  readonly #streams: HoldStreams
  readonly #handlers: HoldHandlers
  readonly #log: Logger

  constructor(protection: Protection, streams: HoldStreams, handlers: HoldHandlers, log: Logger) {
    this.#protection = protection
    this.#streams = streams
    this.#handlers = handlers
    this.#log = log
  }

  /** What the sender of a message that has to wait may write it to; `undefined` if it has not, or cannot wait. */
  add(
    link: PeerLink,
    { limits }: Connection,
    protocols: readonly string[],
    { message, runOnLimitedConnection }: NewStreamOptions & { message?: unknown }
  ): Stream | undefined {
    if (!this.#isHeldUp(link) || mayAnswer(message, link.peerWants)) return undefined
    const isAllowed = limits === undefined || runOnLimitedConnection === true
    const protocol = isAllowed ? spokenBy(link, protocols) : undefined
    const held = protocol && link.held.add(protocol, this.#log)
    if (held) this.#handlers.onTaken()
    return held || undefined
  }

  /** Sends what waits, if its turn has come. */
  sendOn(link: PeerLink): void {
    while (!this.#isHeldUp(link)) {
      const sending = link.held.take()
      if (sending === undefined) return
      sending(this.#open(link))
    }
  }

  /** Sends what waits, whatever its turn: it has been taken from its senders. */
  sendUnguarded(link: PeerLink): void {
    for (let sending = link.held.take(); sending !== undefined; sending = link.held.take())
      sending(this.#streams.openUnguarded(link))
  }

  /** The last connection is gone, and with it what waited. */
  lose(link: PeerLink): void {
    const error = new ConnectionClosedError(`Not connected to ${link.key} any more`)
    if (link.held.size > 0) this.#handlers.onLost(link)
    for (let sending = link.held.take(); sending !== undefined; sending = link.held.take())
      sending(Promise.reject(error))
  }

  #isHeldUp(link: PeerLink): boolean {
    if (this.#protection.mode !== 'enforce') return false
    return isCrowded(link) || this.#protection.isSuspect(link.key)
  }

  async #open(link: PeerLink): Promise<Stream> {
    try {
      return await this.#streams.open(link, () => this.#admit(link))
    } catch (error) {
      if (error instanceof RejectedError) this.#handlers.onHeldBack(link, error)
      throw error
    }
  }

  /** @throws RejectedError */
  #admit({ key }: PeerLink): Pass {
    const pass = Pass.call(this.#protection.admit(key, { timeoutMs: NO_LIMIT_MS }))
    pass.isTaken = true
    return pass
  }
}

/** Whether as many streams to the peer are being opened as may be at once. */
export function isCrowded({ opening }: PeerLink): boolean {
  return opening >= MAX_OPENING
}
