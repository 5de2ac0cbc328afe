import type { ArrivedBlock } from './block-reader.ts'
import { RateMeter } from './rate-meter.ts'

/** What has come of a file so far. */
export class FetchTally {
  readonly #startedAt = performance.now()
  readonly #rate = new RateMeter(this.#startedAt)
  readonly #blocksFrom = new Map<string, number>()
  #blocks = 0
  #doneBytes = 0
  #endedAt: number | undefined
  /** Size of the file, once that is known. */
  totalBytes: number | undefined

  get blocks(): number {
    return this.#blocks
  }

  /** Bytes of the file written so far. */
  get doneBytes(): number {
    return this.#doneBytes
  }

  get durationMs(): number {
    return (this.#endedAt ?? performance.now()) - this.#startedAt
  }

  get bytesPerSecond(): number {
    return this.#rate.bytesPerSecond(performance.now())
  }

  /** How many blocks a peer was the first to send. */
  blocksFrom(peerId: string): number {
    return this.#blocksFrom.get(peerId) ?? 0
  }

  /** Stops the clock. */
  end(): void {
    this.#endedAt = performance.now()
  }

  addBlock({ sender }: ArrivedBlock): void {
    this.#blocks++
    if (sender !== undefined) this.#blocksFrom.set(sender, this.blocksFrom(sender) + 1)
  }

  addBytes(bytes: number): void {
    this.#doneBytes += bytes
    this.#rate.add(bytes, performance.now())
  }
}
