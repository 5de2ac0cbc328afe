import type { SecureChannel } from '../../../../src/relay/index.ts'

/** What came of reading. */
export interface Readings {
  readonly answers: number
  readonly errors: readonly unknown[]
  readonly longestMs: number
  /** What was last read. */
  readonly last: unknown
}

/** Ask for the height, one request after the other each, until they are told to stop. */
export class Readers {
  readonly #channel: SecureChannel
  readonly #all: Promise<unknown>
  #isStopped = false
  #answers = 0
  #longestMs = 0
  #last: unknown
  readonly #errors: unknown[] = []

  constructor(channel: SecureChannel, count: number) {
    this.#channel = channel
    this.#all = Promise.all(Array.from({ length: count }, () => this.#read()))
  }

  get last(): unknown {
    return this.#last
  }

  async stop(): Promise<Readings> {
    this.#isStopped = true
    await this.#all
    return {
      answers: this.#answers,
      errors: this.#errors,
      longestMs: this.#longestMs,
      last: this.#last
    }
  }

  async #read(): Promise<void> {
    while (!this.#isStopped) {
      const startedAtMs = performance.now()
      try {
        this.#last = await this.#channel.execute({ method: 'getblockcount' })
        this.#answers++
      } catch (error) {
        this.#errors.push(error)
      }
      this.#longestMs = Math.max(this.#longestMs, performance.now() - startedAtMs)
    }
  }
}
