import type { Logger, Stream } from '@libp2p/interface'
import type { RejectedError } from '../core/index.ts'
import { MessageReader, type MessageVisitor, type WantlistEntry } from './message-reader.ts'
import type { Pass } from './pass.ts'
import type { PeerJudge } from './peer-judge.ts'
import type { PeerLink } from './peer-link.ts'
import { tapStream } from './stream-tap.ts'

interface SentWant {
  readonly cid: Uint8Array
  readonly entry: WantlistEntry
}

/** Reads along what is said on Bitswap streams, and tells the judge who asked for what, and who answered. */
export class MessageWatch {
  readonly #judge: PeerJudge
  readonly #isOff: () => boolean
  readonly #onRefused: (link: PeerLink, refusal: RejectedError) => void
  readonly #log: Logger

  /** @param onRefused - told of wants that were not sent, since the stream was let through for answers only */
  constructor(
    judge: PeerJudge,
    isOff: () => boolean,
    onRefused: (link: PeerLink, refusal: RejectedError) => void,
    log: Logger
  ) {
    this.#judge = judge
    this.#onRefused = onRefused
    this.#isOff = isOff
    this.#log = log
  }

  /**
   * Watches a stream for as long as it lasts.
   *
   * @param pass - what one of ours was let through as; one the peer opened has none
   */
  watch(stream: Stream, link: PeerLink, pass?: Pass): void {
    const sentWants: SentWant[] = []
    // Most streams carry messages one way only.
    let outgoing: MessageReader | undefined
    let incoming: MessageReader | undefined
    tapStream(stream, {
      sending: data => {
        this.#quietly(() => {
          outgoing ??= new MessageReader(this.#outgoing(link, sentWants))
          outgoing.push(data)
        })
        if (pass?.refusal === undefined || sentWants.every(({ entry }) => entry.cancel)) return
        this.#onRefused(link, pass.refusal)
        throw pass.refusal
      },
      sent: () => this.#quietly(() => this.#noteSent(stream, link, pass, sentWants.splice(0))),
      received: data =>
        this.#quietly(() => {
          this.#judge.heard(link)
          incoming ??= new MessageReader(this.#incoming(link))
          incoming.push(data)
        }),
      finished: () => pass?.settle('ignored'),
      closed: wasReset =>
        this.#quietly(() => {
          // Settled with the wants that went out on it, unless there were none.
          pass?.settle(wasReset ? 'failure' : 'ignored')
          if (wasReset) this.#judge.wasReset(link, stream)
        })
    })
  }

  #noteSent(stream: Stream, link: PeerLink, pass: Pass | undefined, wants: readonly SentWant[]): void {
    if (wants.length === 0) return
    // From here on the wants are what counts, one by one.
    pass?.settle('ignored')
    if (pass?.kind === 'RIDE') return
    for (const { cid, entry } of wants) this.#judge.asked(link, stream, cid, entry)
  }

  #outgoing(link: PeerLink, sentWants: SentWant[]): MessageVisitor {
    const answered = (): void => {
      link.peerWants = Math.max(0, link.peerWants - 1)
    }
    return {
      want: (cid, entry) => sentWants.push({ cid, entry }),
      block: answered,
      presence: answered,
      needsData: () => false,
      message: () => {}
    }
  }

  #incoming(link: PeerLink): MessageVisitor {
    return {
      want: (_cid, { cancel }) => {
        link.peerWants = Math.max(0, link.peerWants + (cancel ? -1 : 1))
      },
      block: (prefix, _size, data) => {
        this.#judge
          .sentBlock(link, prefix, data)
          .catch(error => this.#log.error('hashing failed - %e', error))
      },
      presence: cid => this.#judge.toldPresence(link, cid),
      needsData: () => this.#judge.isDistrusted(link),
      message: () => {}
    }
  }

  /** Whoever reads along must not disturb those who talk. */
  #quietly(note: () => void): void {
    if (this.#isOff()) return
    try {
      note()
    } catch (error) {
      this.#log.error('could not follow a stream - %e', error)
    }
  }
}
