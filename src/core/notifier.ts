/**
 * Tells listeners of events: each after the change is complete, in order, never one inside another. A listener
 * that throws changes nothing for anybody else.
 */
export class Notifier<Event> {
  readonly #listeners = new Set<(event: Event) => void>()
  readonly #queue: Event[] = []
  readonly #onError: (error: unknown) => void
  #isTelling = false

  /** @param onError - told of what listeners throw */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0
  }

  /** Adds a listener; the function returned removes it. */
  subscribe(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  tell(event: Event): void {
    this.#queue.push(event)
    if (this.#isTelling) return
    this.#isTelling = true
    // The queue may grow meanwhile.
    for (let next = 0; next < this.#queue.length; next++) this.#tellAll(this.#queue[next]!)
    this.#queue.length = 0
    this.#isTelling = false
  }

  #tellAll(event: Event): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        this.#report(error)
      }
    }
  }

  #report(error: unknown): void {
    try {
      this.#onError(error)
    } catch {
      // There is nobody left to tell.
    }
  }
}
