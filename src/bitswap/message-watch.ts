import type { Connection, Logger, Stream } from '@libp2p/interface'
import type { RejectedError } from '../core/index.ts'
import type { InboundGuard, InboundStream } from './inbound-guard.ts'
import { MessageReader, type MessageVisitor, type WantlistEntry } from './message-reader.ts'
import type { Pass } from './pass.ts'
import type { PeerJudge } from './peer-judge.ts'
import type { PeerLink } from './peer-link.ts'
import { type SendWatcher, tapReceiving, tapSending } from './stream-tap.ts'
import type { SentOn } from './want-ledger.ts'

type Bytes = Parameters<SendWatcher['sending']>[0]

/** Somebody who fetches blocks himself, and gets what comes before anybody else is credited with it. */
export interface BlockTaker {
  /** Whether what the peer sends may be for him. */
  expects(link: PeerLink): boolean
  /** The peer sent so many bytes. */
  heard(link: PeerLink, bytes: number): void
  /** Returns whether it was for him. */
  toldPresence(link: PeerLink, cid: Uint8Array, has: boolean): boolean
  /** Returns whether it was for him. */
  sentBlock(link: PeerLink, prefix: Uint8Array, data: Uint8Array): Promise<boolean>
}

/** What watching a stream takes besides the stream. */
interface WatchContext {
  readonly judge: PeerJudge
  /** If there is one at the moment. */
  readonly taker: () => BlockTaker | undefined
  readonly guard: InboundGuard
  /** Whether nothing is to be noted any more. */
  readonly isOff: () => boolean
  /** Told of wants that were not sent, since the stream was let through for answers only. */
  readonly onRefused: (link: PeerLink, refusal: RejectedError) => void
  readonly log: Logger
}

/** Reads along what is said on Bitswap streams, and tells the judge who asked for what, and who answered. */
export class MessageWatch {
  #streams = 0
  readonly #context: WatchContext

  constructor(context: WatchContext) {
    this.#context = context
  }

  /** Watches a stream of ours for as long as it lasts: peers answer on streams of their own. */
  watchSending(stream: Stream, link: PeerLink, connection: Connection | undefined, pass: Pass): void {
    const sentOn = { stream: ++this.#streams, connection, wasRefused: pass.wasRefused }
    const onServed = (): void => this.#context.guard.served(link, connection)
    tapSending(stream, new SendListener(this.#context, sentOn, link, pass, onServed))
  }

  /** Watches a stream that a peer opened, and aborts it once it brings too much, which may be at once. */
  watchReceiving(stream: Stream, link: PeerLink, connection: Connection): void {
    const { guard, judge, taker } = this.#context
    const inbound = guard.opened(stream, link, connection)
    const reader = new MessageReader(new IncomingMessages(this.#context, link, inbound))
    tapReceiving(stream, data =>
      quietly(this.#context, () => {
        judge.heard(link)
        taker()?.heard(link, data.byteLength)
        inbound.received(data.byteLength)
        reader.push(data)
        if (reader.isBroken && !reader.isTooLong) inbound.unreadable()
      })
    )
  }
}

/** Whoever reads along must not disturb those who talk. */
function quietly({ isOff, log }: WatchContext, note: () => void): void {
  if (isOff()) return
  try {
    note()
  } catch (error) {
    log.error('could not follow a stream - %e', error)
  }
}

/** Watches what is sent over one stream. */
class SendListener implements SendWatcher {
  readonly #context: WatchContext
  readonly #sentOn: SentOn
  readonly #link: PeerLink
  readonly #pass: Pass
  readonly #onServed: () => void
  #messages: OutgoingMessages | undefined

  /** @param onServed - told of each want of the peer that is answered with the block, or the word that it is here */
  constructor(context: WatchContext, sentOn: SentOn, link: PeerLink, pass: Pass, onServed: () => void) {
    this.#context = context
    this.#sentOn = sentOn
    this.#link = link
    this.#pass = pass
    this.#onServed = onServed
  }

  sending(data: Bytes): void {
    quietly(this.#context, () => {
      this.#messages ??= new OutgoingMessages(this.#link, this.#onServed)
      this.#messages.reader.push(data)
    })
    const { refusal } = this.#pass
    if (refusal === undefined || this.#messages?.asks !== true) return
    this.#context.onRefused(this.#link, refusal)
    throw refusal
  }

  sent(): void {
    quietly(this.#context, () => {
      const wants = this.#messages?.takeWants() ?? []
      if (wants.length === 0) return
      for (const { entry } of wants) if (!entry.cancel) noteAsked(this.#link)
      // From here on the wants are what counts, one by one.
      this.#pass.settle('ignored')
      if (this.#pass.kind === 'RIDE') return
      for (const { cid, entry } of wants) this.#context.judge.asked(this.#link, this.#sentOn, cid, entry)
    })
  }

  finished(): void {
    this.#pass.settle('ignored')
  }

  closed(wasReset: boolean): void {
    quietly(this.#context, () => {
      // Settled with the wants that went out on it, unless there were none.
      this.#pass.settle(wasReset ? 'failure' : 'ignored')
      if (wasReset) this.#context.judge.wasReset(this.#link, this.#sentOn.stream)
    })
  }
}

/** Answers of a peer that may be due. More than it keeps wants of ours: lists have 1,024. */
const MAX_ANSWERS_DUE = 4_096

/** The peer was asked for a block. If we take that back the answer may be on its way, so it stays due. */
function noteAsked(link: PeerLink): void {
  link.answersDue = Math.min(link.answersDue + 1, MAX_ANSWERS_DUE)
}

interface SentWant {
  readonly cid: Uint8Array
  readonly entry: WantlistEntry
}

/** What is sent to a peer: wants, and answers to its wants. */
class OutgoingMessages implements MessageVisitor {
  readonly reader = new MessageReader(this)
  readonly #link: PeerLink
  readonly #onServed: () => void
  #wants: SentWant[] = []

  constructor(link: PeerLink, onServed: () => void) {
    this.#link = link
    this.#onServed = onServed
  }

  /** Whether a block is wanted in what was not taken yet. */
  get asks(): boolean {
    return this.#wants.some(({ entry }) => !entry.cancel)
  }

  takeWants(): SentWant[] {
    const wants = this.#wants
    this.#wants = []
    return wants
  }

  want(cid: Uint8Array, entry: WantlistEntry): void {
    this.#wants.push({ cid, entry })
  }

  block(): void {
    this.#answer(true)
  }

  presence(_cid: Uint8Array, has: boolean): void {
    this.#answer(has)
  }

  #answer(isServed: boolean): void {
    if (this.#link.peerWants === 0) return
    this.#link.peerWants--
    if (isServed) this.#onServed()
  }

  needsData(): boolean {
    return false
  }

  message(): void {}
}

/** What a peer sends: answers to wants, and wants of its own. */
class IncomingMessages implements MessageVisitor {
  readonly #context: WatchContext
  readonly #link: PeerLink
  readonly #inbound: InboundStream
  /** By how much the wants of the peer grow with the message that is being received. */
  #added = 0

  constructor(context: WatchContext, link: PeerLink, inbound: InboundStream) {
    this.#context = context
    this.#link = link
    this.#inbound = inbound
  }

  want(_cid: Uint8Array, { cancel }: WantlistEntry): void {
    this.#inbound.asked(cancel)
    this.#added += cancel ? -1 : 1
  }

  block(prefix: Uint8Array, size: number, data: Uint8Array | undefined): void {
    if (this.#inbound.isRefused) return
    const { judge, log } = this.#context
    this.#inbound.answered(size)
    if (data === undefined) judge.sentBlock(this.#link)
    else this.#lookAtBlock(prefix, data).catch(error => log.error('hashing failed - %e', error))
  }

  presence(cid: Uint8Array, has: boolean): void {
    if (this.#inbound.isRefused) return
    const { judge, taker } = this.#context
    this.#inbound.answered(cid.byteLength)
    if (taker()?.toldPresence(this.#link, cid, has) !== true) judge.toldPresence(this.#link, cid)
  }

  needsData(): boolean {
    const { judge, taker } = this.#context
    return judge.isDistrusted(this.#link) || taker()?.expects(this.#link) === true
  }

  message(): void {
    this.#inbound.message()
    // Nobody will answer what was refused.
    if (!this.#inbound.isRefused) this.#link.peerWants = Math.max(0, this.#link.peerWants + this.#added)
    this.#added = 0
  }

  async #lookAtBlock(prefix: Uint8Array, data: Uint8Array): Promise<void> {
    const { judge, taker } = this.#context
    const isTaken = await taker()?.sentBlock(this.#link, prefix, data)
    if (isTaken !== true) await judge.sentDistrustedBlock(this.#link, prefix, data)
  }
}
