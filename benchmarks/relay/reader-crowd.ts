import { setTimeout as sleep } from 'node:timers/promises'
import type { Reading } from './readings.ts'

/** Asks for the height, and tells who has answered. */
export type Read = () => Promise<'primary' | 'backup'>

/** How long each reader waits between an answer and the next read, in ms: so that they are load, and do not fill the machine. */
const PAUSE_MS = 20

/** Readers that read one thing after the other, until they are told to stop. */
export class ReaderCrowd {
  readonly #read: Read
  readonly #readings: Reading[][]
  readonly #running: Promise<unknown>
  #isOver = false

  constructor(count: number, read: Read) {
    this.#read = read
    this.#readings = Array.from({ length: count }, () => [])
    this.#running = Promise.all(this.#readings.map((its, index) => this.#run(its, index / count)))
  }

  /** What each has read so far. */
  get readings(): ReadonlyArray<readonly Reading[]> {
    return this.#readings
  }

  /** How long after a moment the primary node answered first what was asked then or later, in ms; `undefined` if it did not yet. */
  answeredByPrimary(sinceMs: number): number | undefined {
    const ends = this.#readings.flatMap(its => {
      const found = its.find(({ startMs, answeredBy }) => startMs >= sinceMs && answeredBy === 'primary')
      return found?.endMs ?? []
    })
    return ends.length === 0 ? undefined : Math.min(...ends) - sinceMs
  }

  /** Resolves when the last read has ended. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  /** @param share - of the pause, after which it begins: they do not all ask at the same moment */
  async #run(readings: Reading[], share: number): Promise<void> {
    await sleep(share * PAUSE_MS)
    while (!this.#isOver) {
      const startMs = performance.now()
      const answeredBy = await this.#read().catch(() => undefined)
      readings.push({ startMs, endMs: performance.now(), answeredBy })
      await sleep(PAUSE_MS)
    }
  }
}
