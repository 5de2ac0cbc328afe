import { RpcError, type SecureChannel } from '../../relay/index.ts'

/** Requests at once; beyond that none is made. */
const MAX_UNDER_WAY = 100

/** What came of requests. */
export interface RequestCounts {
  /** Those that have ended. */
  readonly requests: number
  readonly failed: number
  /** Those that a node answered, be it with an error. */
  readonly answered: number
  /** The longest time to the end of one, in ms. */
  readonly longestMs: number
}

/** What a reader tells. */
export interface ReaderHandlers {
  /** Requests begin to fail. */
  onFailing(error: unknown): void
  /** They are answered again, after so many that failed. */
  onAnswered(failed: number): void
}

/** Asks for the height of the chain again and again, whether or not it was answered before. */
export class HeightReader {
  readonly #channel: SecureChannel
  readonly #handlers: ReaderHandlers
  readonly #counts = { requests: 0, failed: 0, answered: 0, longestMs: 0 }
  #underWay = 0
  #failedInRow = 0
  #timer: NodeJS.Timeout | undefined

  constructor(channel: SecureChannel, handlers: ReaderHandlers) {
    this.#channel = channel
    this.#handlers = handlers
  }

  get counts(): RequestCounts {
    return { ...this.#counts }
  }

  /** Asks at once, and then every so many ms. */
  start(everyMs: number): void {
    void this.#ask()
    this.#timer = setInterval(() => void this.#ask(), everyMs)
  }

  /** Asks no more. What is under way is counted when it ends. */
  stop(): void {
    clearInterval(this.#timer)
  }

  async #ask(): Promise<void> {
    if (this.#underWay >= MAX_UNDER_WAY) return
    const startedAtMs = performance.now()
    this.#underWay++
    try {
      await this.#channel.getBlockHeight()
      this.#counts.answered++
      this.#succeeded()
    } catch (error) {
      if (error instanceof RpcError) this.#counts.answered++
      this.#failed(error)
    } finally {
      this.#underWay--
      this.#counts.requests++
      this.#counts.longestMs = Math.max(this.#counts.longestMs, performance.now() - startedAtMs)
    }
  }

  #succeeded(): void {
    if (this.#failedInRow > 0) this.#handlers.onAnswered(this.#failedInRow)
    this.#failedInRow = 0
  }

  #failed(error: unknown): void {
    this.#counts.failed++
    if (this.#failedInRow++ === 0) this.#handlers.onFailing(error)
  }
}
