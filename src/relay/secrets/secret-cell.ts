import type { MemoryRegion } from './memory-region.ts'

/**
 * Where one secret is: in sealed memory, which is never handed out, and while it is accessed also in a window, which is.
 *
 * Handing out the sealed memory itself would save the copy. But JavaScript cannot take a reference back, and whoever kept
 * one would kill the whole process with it later, without an error that could be caught. Who keeps a reference to the
 * window finds zeros. The window is locked and left out of core dumps, too.
 */
export class SecretCell {
  readonly byteLength: number
  readonly #sealed: MemoryRegion
  readonly #window: MemoryRegion

  constructor(allocate: (byteLength: number) => MemoryRegion, byteLength: number) {
    this.byteLength = byteLength
    this.#sealed = allocate(byteLength)
    this.#window = allocate(byteLength)
    this.#window.openToWrite()
  }

  /** What is handed out: zeros, but between {@link show} and {@link hide}. */
  get window(): Uint8Array {
    return this.#window.bytes
  }

  /** How much of its memory is locked, in bytes; `undefined` if that cannot be seen on this system. */
  get lockedBytes(): number | undefined {
    const [sealed, window] = [this.#sealed.lockedBytes, this.#window.lockedBytes]
    return sealed === undefined || window === undefined ? undefined : sealed + window
  }

  /** Whether all of its memory is; `undefined` if that cannot be seen. */
  get isLocked(): boolean | undefined {
    if (this.lockedBytes === undefined) return undefined
    return [this.#sealed, this.#window].every(({ lockedBytes }) => lockedBytes! >= this.byteLength)
  }

  /** The secret is in the window from now on. */
  show(): void {
    this.#sealed.openToRead()
    try {
      this.#window.bytes.set(this.#sealed.bytes)
    } finally {
      this.#sealed.seal()
    }
  }

  /** What is in the window is the secret from now on. */
  keep(): void {
    this.#sealed.openToWrite()
    try {
      this.#sealed.bytes.set(this.#window.bytes)
    } finally {
      this.#sealed.seal()
    }
  }

  /** The window is zeros from now on. */
  hide(): void {
    this.#window.erase()
  }

  free(): void {
    this.#sealed.free()
    this.#window.free()
  }
}
