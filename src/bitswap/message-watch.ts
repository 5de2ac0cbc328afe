import type { Connection, Logger, Stream } from '@libp2p/interface'
import type { RejectedError } from '../core/index.ts'
import { MessageReader, type MessageVisitor, type WantlistEntry } from './message-reader.ts'
import type { Pass } from './pass.ts'
import type { PeerJudge } from './peer-judge.ts'
import type { PeerLink } from './peer-link.ts'
import { type SendWatcher, tapReceiving, tapSending } from './stream-tap.ts'
import type { SentOn } from './want-ledger.ts'

type Bytes = Parameters<SendWatcher['sending']>[0]

/** Somebody who fetches blocks himself, and gets what comes before anybody else is credited with it. */
interface BlockTaker {
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
    tapSending(stream, new SendListener(this.#context, { stream: ++this.#streams, connection }, link, pass))
  }

  /** Watches a stream that a peer opened. */
  watchReceiving(stream: Stream, link: PeerLink): void {
    const { judge, taker } = this.#context
    const reader = new MessageReader(new IncomingMessages(this.#context, link))
    tapReceiving(stream, data =>
      quietly(this.#context, () => {
        judge.heard(link)
        taker()?.heard(link, data.byteLength)
        reader.push(data)
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
  #messages: OutgoingMessages | undefined

  constructor(context: WatchContext, sentOn: SentOn, link: PeerLink, pass: Pass) {
    this.#context = context
    this.#sentOn = sentOn
    this.#link = link
    this.#pass = pass
  }

  sending(data: Bytes): void {
    quietly(this.#context, () => {
      this.#messages ??= new OutgoingMessages(this.#link)
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

interface SentWant {
  readonly cid: Uint8Array
  readonly entry: WantlistEntry
}

/** What is sent to a peer: wants, and answers to its wants. */
class OutgoingMessages implements MessageVisitor {
  readonly reader = new MessageReader(this)
  readonly #link: PeerLink
  #wants: SentWant[] = []

  constructor(link: PeerLink) {
    this.#link = link
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
    this.#link.peerWants = Math.max(0, this.#link.peerWants - 1)
  }

  presence(): void {
    this.block()
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

  constructor(context: WatchContext, link: PeerLink) {
    this.#context = context
    this.#link = link
  }

  want(_cid: Uint8Array, { cancel }: WantlistEntry): void {
    this.#link.peerWants = Math.max(0, this.#link.peerWants + (cancel ? -1 : 1))
  }

  block(prefix: Uint8Array, _size: number, data: Uint8Array | undefined): void {
    const { judge, log } = this.#context
    if (data === undefined) judge.sentBlock(this.#link)
    else this.#lookAtBlock(prefix, data).catch(error => log.error('hashing failed - %e', error))
  }

  presence(cid: Uint8Array, has: boolean): void {
    const { judge, taker } = this.#context
    if (taker()?.toldPresence(this.#link, cid, has) !== true) judge.toldPresence(this.#link, cid)
  }

  needsData(): boolean {
    const { judge, taker } = this.#context
    return judge.isDistrusted(this.#link) || taker()?.expects(this.#link) === true
  }

  message(): void {}

  async #lookAtBlock(prefix: Uint8Array, data: Uint8Array): Promise<void> {
    const { judge, taker } = this.#context
    const isTaken = await taker()?.sentBlock(this.#link, prefix, data)
    if (isTaken !== true) await judge.sentDistrustedBlock(this.#link, prefix, data)
  }
}
