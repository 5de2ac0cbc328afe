import { createHash } from 'node:crypto'
import { DuplicateRequestError } from './secure-channel-error.ts'

/** Keys that are remembered. The oldest is forgotten for a new one. */
const MAX_KEYS = 10_000

/** Which requests were made that must not be made twice, as a share that was found. */
export class SentLedger {
  /** By the hash of its key: what came, or comes, of it; `undefined` if only that it was sent is known. */
  readonly #sent = new Map<string, Promise<unknown> | undefined>()

  /**
   * Sends what has not been sent before. Whoever asks again gets what came of it.
   *
   * @param isUndone - whether an error means that it was certainly not done: then it may be sent again
   * @throws what `send` throws; DuplicateRequestError if it was sent in an earlier life of this process
   */
  async once<Value>(
    key: string,
    send: () => Promise<Value>,
    isUndone: (error: unknown) => boolean
  ): Promise<Value> {
    const hash = hashOf(key)
    if (this.#sent.has(hash)) {
      const earlier = this.#sent.get(hash) as Promise<Value> | undefined
      if (earlier === undefined) throw new DuplicateRequestError(key)
      return earlier
    }
    const sending = send()
    this.#add(hash, sending)
    try {
      return await sending
    } catch (error) {
      if (isUndone(error)) this.#sent.delete(hash)
      throw error
    }
  }

  /** Hashes of the keys, the oldest first: keys may tell secrets. */
  hashes(): string[] {
    return [...this.#sent.keys()]
  }

  /** These were sent before; what came of it is not known. */
  restore(hashes: readonly string[]): void {
    for (const hash of hashes) this.#add(hash, undefined)
  }

  #add(hash: string, sending: Promise<unknown> | undefined): void {
    if (this.#sent.size >= MAX_KEYS) this.#sent.delete(this.#sent.keys().next().value!)
    this.#sent.set(hash, sending)
  }
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}
