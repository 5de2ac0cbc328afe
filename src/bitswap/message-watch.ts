import type { Connection, Logger, Stream } from '@libp2p/interface'
import type { RejectedError } from '../core/index.ts'
import type { InboundGuard, InboundStream } from './inbound-guard.ts'
import { MessageReader, type MessageVisitor, type WantlistEntry } from './message-reader.ts'
import type { Pass } from './pass.ts'
import type { PeerJudge } from './peer-judge.ts'
import type { PeerLink } from './peer-link.ts'
import { type Delivery, type SendWatcher, tapReceiving, tapSending } from './stream-tap.ts'
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
  #isStockAsking = false
  readonly #context: WatchContext

  constructor(context: WatchContext) {
    this.#context = context
  }

  /** Watches a stream of ours for as long as it lasts: peers answer on streams of their own. */
  watchSending(stream: Stream, link: PeerLink, connection: Connection | undefined, pass: Pass): void {
    const sentOn = { stream: ++this.#streams, connection, wasRefused: pass.wasRefused }
    const onServed = (): void => this.#context.guard.served(link, connection)
    const onAsked = (): void => this.noteStockAsking()
    tapSending(stream, new SendListener(this.#context, sentOn, link, pass, onServed, onAsked))
  }

  /** Watches a stream that a peer opened, and aborts it once it brings too much, which may be at once. */
  watchReceiving(stream: Stream, link: PeerLink, connection: Connection): void {
    const inbound = this.#context.guard.opened(stream, link, connection)
    const listener = new ReceiveListener(this.#context, this, link, inbound)
    tapReceiving(stream, data => listener.received(data))
  }

  /** Whether anybody but the taker may have asked for blocks: then nothing that comes is for the taker alone. */
  get isStockAsking(): boolean {
    return this.#isStockAsking
  }

  /** Others than the taker have asked for blocks, or may have. */
  noteStockAsking(): void {
    this.#isStockAsking = true
  }
}

/** Whoever reads along must not disturb those who talk. Returns whether it was noted. */
function quietly({ isOff, log }: WatchContext, note: () => void): boolean {
  if (isOff()) return false
  try {
    note()
    return true
  } catch (error) {
    log.error('could not follow a stream - %e', error)
    return false
  }
}

/** Watches what is sent over one stream. */
class SendListener implements SendWatcher {
  readonly #context: WatchContext
  readonly #sentOn: SentOn
  readonly #link: PeerLink
  readonly #pass: Pass
  readonly #onServed: () => void
  readonly #onAsked: () => void
  #messages: OutgoingMessages | undefined

  /**
   * @param onServed - told of each want of the peer that is answered with the block, or the word that it is here
   * @param onAsked - told when anybody but the taker asks for blocks, or may do so
   */
  constructor(
    context: WatchContext,
    sentOn: SentOn,
    link: PeerLink,
    pass: Pass,
    onServed: () => void,
    onAsked: () => void
  ) {
    this.#context = context
    this.#sentOn = sentOn
    this.#link = link
    this.#pass = pass
    this.#onServed = onServed
    this.#onAsked = onAsked
  }

  sending(data: Bytes): void {
    const isRead = quietly(this.#context, () => {
      this.#messages ??= new OutgoingMessages(this.#link, this.#onServed)
      this.#messages.reader.push(data)
    })
    if (this.#pass.kind !== 'TAKER' && (!isRead || this.#messages?.asks === true)) this.#onAsked()
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
      if (this.#pass.kind === 'RIDE' || this.#pass.kind === 'TAKER') return
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

  fullWantlist(): void {}

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

/** Watches what comes over one stream, and keeps from the reader of it what is for the taker alone. */
class ReceiveListener {
  readonly #context: WatchContext
  readonly #watch: MessageWatch
  readonly #link: PeerLink
  readonly #inbound: InboundStream
  readonly #messages: IncomingMessages
  readonly #reader: MessageReader
  /** Whether a part of the message that comes just now was passed on: then so is the rest. */
  #isPassing = false

  constructor(context: WatchContext, watch: MessageWatch, link: PeerLink, inbound: InboundStream) {
    this.#context = context
    this.#watch = watch
    this.#link = link
    this.#inbound = inbound
    this.#messages = new IncomingMessages(context, link, inbound)
    this.#reader = new MessageReader(this.#messages)
  }

  received(data: Bytes): Delivery {
    if (!quietly(this.#context, () => this.#read(data))) this.#watch.noteStockAsking()
    const isWhole = this.#reader.isBetweenMessages
    const isPassed = this.#isPassing || !this.#mayKeep(isWhole)
    this.#isPassing = isPassed && !isWhole
    if (isWhole) this.#messages.forget()
    if (isPassed) return 'PASS'
    return isWhole ? 'DROP' : 'HOLD'
  }

  #read(data: Bytes): void {
    const { judge, taker } = this.#context
    judge.heard(this.#link)
    taker()?.heard(this.#link, data.byteLength)
    this.#inbound.received(data.byteLength)
    this.#reader.push(data)
    if (this.#reader.isBroken && !this.#reader.isTooLong) this.#inbound.unreadable()
  }

  /** Whether what came is for the taker alone; of a message that is not all there yet, as far as it has come. */
  #mayKeep(isWhole: boolean): boolean {
    if (this.#reader.isBroken || this.#watch.isStockAsking || this.#messages.hasForOthers) return false
    if (this.#messages.hasForTaker) return true
    return !isWhole && this.#context.taker()?.expects(this.#link) === true
  }
}

/** What a peer sends: answers to wants, and wants of its own. */
class IncomingMessages implements MessageVisitor {
  readonly #context: WatchContext
  readonly #link: PeerLink
  readonly #inbound: InboundStream
  /** By how much the wants of the peer grow with the message that is being received. */
  #added = 0
  /** Whether the taker expects the block that is being received. */
  #isExpected = false
  #hasForTaker = false
  #hasForOthers = false

  constructor(context: WatchContext, link: PeerLink, inbound: InboundStream) {
    this.#context = context
    this.#link = link
    this.#inbound = inbound
  }

  /** Whether a block has come that the taker expects. */
  get hasForTaker(): boolean {
    return this.#hasForTaker
  }

  /** Whether anything has come that is for others. */
  get hasForOthers(): boolean {
    return this.#hasForOthers
  }

  /** What has come so far is of no interest any more. */
  forget(): void {
    this.#hasForTaker = false
    this.#hasForOthers = false
  }

  want(_cid: Uint8Array, { cancel }: WantlistEntry): void {
    this.#hasForOthers = true
    this.#inbound.asked(cancel)
    this.#added += cancel ? -1 : 1
  }

  fullWantlist(): void {
    this.#hasForOthers = true
  }

  block(prefix: Uint8Array, size: number, data: Uint8Array | undefined): void {
    if (this.#isExpected) this.#hasForTaker = true
    else this.#hasForOthers = true
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
    if (taker()?.toldPresence(this.#link, cid, has) === true) return
    this.#hasForOthers = true
    judge.toldPresence(this.#link, cid)
  }

  needsData(): boolean {
    const { judge, taker } = this.#context
    this.#isExpected = taker()?.expects(this.#link) === true
    return this.#isExpected || judge.isDistrusted(this.#link)
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
