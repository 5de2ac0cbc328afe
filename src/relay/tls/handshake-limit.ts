import { Ring, RingElement } from '../../core/ring.ts'

/**
 * Handshakes at once: more make each slower, and all together no quicker, as they take about 1 ms of CPU each. With 8 to 100 of
 * them, 3,000 took as long; with 100 each took 90 ms, with 32 it took 28 ms (Node 24.21, 2 cores).
 */
const MAX_HANDSHAKES = 32

/** Somebody who waits for his turn. */
class Turn extends RingElement {
  readonly come = Promise.withResolvers<void>()
}

/** Lets so many do something at once; whoever comes later waits his turn, for as long as he likes. */
export class HandshakeLimit {
  readonly #max: number
  #underWay = 0
  readonly #turns = new Ring<Turn>()
  #waiting = 0

  /** @param max - at once, from 1 */
  constructor(max = MAX_HANDSHAKES) {
    this.#max = max
  }

  get underWay(): number {
    return this.#underWay
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Does it when it is its turn. @throws the signal's reason; what it throws */
  async run<Value>(handshake: () => Promise<Value>, signal: AbortSignal): Promise<Value> {
    if (this.#underWay >= this.#max) await this.#turn(signal)
    else {
      signal.throwIfAborted()
      this.#underWay++
    }
    try {
      return await handshake()
    } finally {
      this.#passOn()
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const turn = new Turn()
    const onAbort = (): void => {
      turn.remove()
      turn.come.reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort)
    this.#turns.add(turn)
    this.#waiting++
    try {
      await turn.come.promise
    } finally {
      this.#waiting--
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** The next one takes over the place, so that nobody gets ahead of him meanwhile. */
  #passOn(): void {
    const { first } = this.#turns
    if (first === undefined) this.#underWay--
    else {
      first.remove()
      first.come.resolve()
    }
  }
}
