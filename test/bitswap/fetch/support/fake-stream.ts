import {
  type Stream,
  StreamAbortEvent,
  StreamCloseEvent,
  StreamResetError,
  StreamResetEvent
} from '@libp2p/interface'
import { MessageReader, type WantlistEntry } from '../../../../src/bitswap/message-reader.ts'

/** What a peer is told about a block, as a test reads it. */
type Word = 'want' | 'have?' | 'cancel'

/** One line of a wantlist. */
export interface Line {
  readonly cid: Uint8Array
  readonly word: Word
}

/** Our end of a stream to a peer, as far as somebody who only writes sees it. */
export class FakeStream extends EventTarget {
  status: 'open' | 'closed' | 'aborted' | 'reset' = 'open'
  writeStatus: 'writable' | 'closed' = 'writable'
  isReadClosed = false
  /** What was sent, by message. */
  readonly messages: Line[][] = []
  /** Whether it takes no more until {@link drain}. */
  isFull = false
  /** What closing it ends with. */
  closeError: Error | undefined
  readonly #reader: MessageReader
  readonly #onMessage: (lines: readonly Line[]) => void
  #lines: Line[] = []
  #drained: PromiseWithResolvers<void> | undefined

  constructor(onMessage: (lines: readonly Line[]) => void = () => {}) {
    super()
    this.#onMessage = onMessage
    this.#reader = new MessageReader({
      want: (cid, entry) => this.#lines.push({ cid: cid.slice(), word: wordOf(entry) }),
      fullWantlist: () => {},
      block: () => {},
      presence: () => {},
      needsData: () => false,
      message: () => {
        const lines = this.#lines
        this.#lines = []
        this.messages.push(lines)
        this.#onMessage(lines)
      }
    })
  }

  /** What is handed to whoever writes. */
  get stream(): Stream {
    return this as unknown as Stream
  }

  send(data: Uint8Array): boolean {
    if (this.writeStatus !== 'writable') throw new Error('Cannot write to a stream that is closed')
    this.#reader.push(data)
    return !this.isFull
  }

  onDrain(): Promise<void> {
    this.#drained ??= Promise.withResolvers()
    return this.#drained.promise
  }

  drain(): void {
    this.isFull = false
    this.#drained?.resolve()
    this.#drained = undefined
  }

  async closeRead(): Promise<void> {
    this.isReadClosed = true
  }

  async close(): Promise<void> {
    if (this.closeError !== undefined) throw this.closeError
    this.#end('closed', new StreamCloseEvent())
  }

  abort(error: Error): void {
    this.#end('aborted', new StreamAbortEvent(error))
  }

  /** The peer resets it. */
  reset(): void {
    this.#end('reset', new StreamResetEvent(new StreamResetError()))
  }

  #end(status: 'closed' | 'aborted' | 'reset', event: StreamCloseEvent): void {
    if (this.status !== 'open') return
    this.status = status
    this.writeStatus = 'closed'
    // As libp2p does: whoever waits to write fails as well.
    this.#drained?.promise.catch(() => {})
    this.#drained?.reject(event.error ?? new Error('closed'))
    this.dispatchEvent(event)
  }
}

function wordOf({ cancel, isHave }: WantlistEntry): Word {
  if (cancel) return 'cancel'
  return isHave ? 'have?' : 'want'
}
