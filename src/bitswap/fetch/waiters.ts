import type { CID } from 'multiformats/cid'
import type { FetchProgress, ProgressListener } from './fetch-progress.ts'

/** Who waits for a fetch, and is told how it goes on. */
export interface FetchWatcher extends ProgressListener {
  readonly signal: AbortSignal | undefined
}

/** One who waits, until it is settled what he gets. */
interface Waiter {
  readonly watcher: FetchWatcher
  readonly resolve: (block: Uint8Array) => void
  readonly reject: (reason: unknown) => void
  readonly onAbort: () => void
}

/**
 * All who wait for one block. Each may give up for a reason of his own, which is no matter of the others: only when the last
 * one has, nobody wants the block any more.
 */
export class Waiters implements ProgressListener {
  readonly #onDeserted: () => void
  readonly #waiting = new Set<Waiter>()

  /** @param onDeserted - called when the last one has given up */
  constructor(onDeserted: () => void) {
    this.#onDeserted = onDeserted
  }

  /** Waits for the block. @throws the signal's reason */
  join(watcher: FetchWatcher): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#leave(waiter)
      const waiter: Waiter = { watcher, resolve, reject, onAbort }
      watcher.signal?.addEventListener('abort', onAbort)
      this.#waiting.add(waiter)
    })
  }

  /** Tells all who wait. */
  tell(progressOf: (cid: CID) => FetchProgress): void {
    for (const { watcher } of this.#waiting) watcher.tell(progressOf)
  }

  /** Who waits at this moment: what follows from the end of a fetch is done before anybody hears of it. */
  list(): readonly Waiter[] {
    return [...this.#waiting]
  }

  /** They have the block. @param progressOf - what they are told first */
  resolve(waiters: readonly Waiter[], block: Uint8Array, progressOf: (cid: CID) => FetchProgress): void {
    for (const waiter of waiters) {
      this.#dismiss(waiter)
      waiter.watcher.tell(progressOf)
      waiter.resolve(block)
    }
  }

  /** They will not get it. */
  reject(waiters: readonly Waiter[], reason: unknown): void {
    for (const waiter of waiters) {
      this.#dismiss(waiter)
      waiter.reject(reason)
    }
  }

  #leave(waiter: Waiter): void {
    this.#dismiss(waiter)
    waiter.reject(waiter.watcher.signal!.reason)
    if (this.#waiting.size === 0) this.#onDeserted()
  }

  #dismiss(waiter: Waiter): void {
    this.#waiting.delete(waiter)
    waiter.watcher.signal?.removeEventListener('abort', waiter.onAbort)
  }
}
