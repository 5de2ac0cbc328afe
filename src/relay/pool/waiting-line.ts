import type { Deadlines } from '../../core/deadlines.ts'

/** How long somebody waits. */
export interface Patience {
  readonly timeoutMs: number
  /** Why he waits no longer, after that. */
  readonly timeoutError: () => Error
  readonly signal: AbortSignal | undefined
}

interface Place<Value> {
  resolve(value: Value): void
  reject(error: unknown): void
}

/** Those who wait for something that there is not enough of: who came first is served first. */
export class WaitingLine<Value> {
  readonly #deadlines: Deadlines
  readonly #places = new Set<Place<Value>>()

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  get length(): number {
    return this.#places.size
  }

  /** Waits for its turn. @throws what it is rejected with; the error of being out of time; the signal's reason */
  join({ timeoutMs, timeoutError, signal }: Patience): Promise<Value> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        deadline.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#places.delete(place)
      }
      const place: Place<Value> = {
        resolve: value => {
          leave()
          resolve(value)
        },
        reject: error => {
          leave()
          reject(error)
        }
      }
      const onAbort = (): void => place.reject(signal!.reason)
      const deadline = this.#deadlines.add(timeoutMs, () => place.reject(timeoutError()))
      signal?.addEventListener('abort', onAbort)
      this.#places.add(place)
    })
  }

  /** Serves who has waited longest. Returns whether there is anybody. */
  serve(make: () => Value): boolean {
    const [first] = this.#places
    first?.resolve(make())
    return first !== undefined
  }

  /** Sends away who has waited longest. */
  reject(error: unknown): void {
    const [first] = this.#places
    first?.reject(error)
  }

  rejectAll(error: unknown): void {
    for (const place of [...this.#places]) place.reject(error)
  }
}
