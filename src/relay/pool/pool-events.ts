import type { Clock, ProtectionEventType } from '../../core/index.ts'
import { Notifier } from '../../core/notifier.ts'

/** Something that happened to a pool. */
export interface PoolEvent {
  /** A channel can be used, or not any more; one could not be opened; or something became of the circuit that guards connecting. */
  readonly type: 'connection:open' | 'connection:close' | 'connection:fail' | ProtectionEventType
  /** `host:port`. */
  readonly endpoint: string
  /** The channel, if it is about one that stood. */
  readonly connectionId: string | undefined
  /** Why, if there is a reason. */
  readonly error: Error | undefined
  /** When, in ms since 1970. */
  readonly at: number
}

/** Tells what happens to a pool, if anybody listens. */
export class PoolEvents {
  readonly #endpoint: string
  readonly #clock: Clock
  // What listeners throw is their own affair.
  readonly #notifier = new Notifier<PoolEvent>(() => {})

  constructor(endpoint: string, clock: Clock) {
    this.#endpoint = endpoint
    this.#clock = clock
  }

  subscribe(listener: (event: PoolEvent) => void): () => void {
    return this.#notifier.subscribe(listener)
  }

  tell(type: PoolEvent['type'], connectionId?: string, error?: unknown): void {
    if (!this.#notifier.hasListeners) return
    const event = {
      type,
      endpoint: this.#endpoint,
      connectionId,
      error: error instanceof Error ? error : undefined,
      at: this.#clock.wallTime()
    }
    this.#notifier.tell(Object.freeze(event))
  }
}
