import type { Deadline, Deadlines } from '../../core/deadlines.ts'
import { Ring, RingElement } from '../../core/ring.ts'

/** How long somebody waits. */
export interface Patience {
  readonly timeoutMs: number
  /** Why he waits no longer, after that. */
  readonly timeoutError: () => Error
  readonly signal: AbortSignal | undefined
}

/** Those who wait for something that there is not enough of: who came first is served first. */
export class WaitingLine<Value> {
  readonly #deadlines: Deadlines
  readonly #places = new Ring<Place<Value>>()
  #length = 0

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  get length(): number {
    return this.#length
  }

  /** Waits for its turn. @throws what it is rejected with; the error of being out of time; the signal's reason */
  join(patience: Patience): Promise<Value> {
    const { timeoutMs, timeoutError, signal } = patience
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const deadline = this.#deadlines.add(timeoutMs, () => place.reject(timeoutError()))
      const place = new Place(resolve, reject, deadline, signal, this.#onLeft)
      this.#places.add(place)
      this.#length++
    })
  }

  /** Serves who has waited longest. Returns whether there is anybody. */
  serve(make: () => Value): boolean {
    const { first } = this.#places
    first?.resolve(make())
    return first !== undefined
  }

  /** Sends away who has waited longest. */
  reject(error: unknown): void {
    this.#places.first?.reject(error)
  }

  rejectAll(error: unknown): void {
    for (const place of [...this.#places]) place.reject(error)
  }

  readonly #onLeft = (): void => {
    this.#length--
  }
}

/** Somebody who waits. */
class Place<Value> extends RingElement {
  readonly #resolve: (value: Value) => void
  readonly #reject: (error: unknown) => void
  readonly #deadline: Deadline
  readonly #signal: AbortSignal | undefined
  readonly #onLeft: () => void

  constructor(
    resolve: (value: Value) => void,
    reject: (error: unknown) => void,
    deadline: Deadline,
    signal: AbortSignal | undefined,
    onLeft: () => void
  ) {
    super()
    this.#resolve = resolve
    this.#reject = reject
    this.#deadline = deadline
    this.#signal = signal
    this.#onLeft = onLeft
    signal?.addEventListener('abort', this)
  }

  resolve(value: Value): void {
    this.#leave()
    this.#resolve(value)
  }

  reject(error: unknown): void {
    this.#leave()
    this.#reject(error)
  }

  /** Of its signal. */
  handleEvent(): void {
    this.reject(this.#signal!.reason)
  }

  #leave(): void {
    this.remove()
    this.#deadline.cancel()
    this.#signal?.removeEventListener('abort', this)
    this.#onLeft()
  }
}
