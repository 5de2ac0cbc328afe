import type { Deadlines } from '../../core/deadlines.ts'

/** Connections that take longer than this, in ms, do not keep others from being made. */
const SOON_MS = 200

/**
 * Connections being made to peers that may have a block. Nobody else has to be looked for while there are any, and no more are
 * made while some may be there soon: but one that takes long holds up nothing, as it may never be there.
 */
export class PendingConnections {
  readonly #deadlines: Deadlines
  #count = 0
  #soonCount = 0

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  /** Whether any is being made. */
  get isAny(): boolean {
    return this.#count > 0
  }

  /** Whether one may still be expected to be there soon. */
  get isAnySoon(): boolean {
    return this.#soonCount > 0
  }

  /** Some are being made. @param connected - when that is done, or has failed; `onOver` is called then */
  add(connected: Promise<void>, onOver: () => void): void {
    this.#count++
    this.#soonCount++
    let isSoon = true
    const notSoon = (): void => {
      if (isSoon) this.#soonCount--
      isSoon = false
    }
    const patience = this.#deadlines.add(SOON_MS, notSoon)
    const onEnd = (): void => {
      patience.cancel()
      notSoon()
      this.#count--
      onOver()
    }
    connected.then(onEnd, onEnd)
  }
}
