import { lockedMemory } from './locked-memory.ts'
import type { MemoryRegion } from './memory-region.ts'
import type { Sodium } from './sodium.ts'

/**
 * Memory from libsodium: locked, so that it is not swapped out; left out of core dumps; with pages around it, and around
 * itself while it is sealed, that kill whoever touches them.
 */
export class GuardedRegion implements MemoryRegion {
  readonly bytes: Uint8Array
  readonly lockedBytes: number | undefined
  readonly #sodium: Sodium
  /** The same bytes; libsodium frees nothing but what it has made itself. */
  readonly #allocated: Uint8Array

  /** @param measureLocked - how much memory of this process is locked, in bytes */
  constructor(sodium: Sodium, byteLength: number, measureLocked = lockedMemory) {
    this.#sodium = sodium
    const before = measureLocked()
    const allocated = sodium.sodium_malloc(byteLength)
    const after = measureLocked()
    // libsodium does not tell when the system refuses to lock it.
    this.lockedBytes = before === undefined || after === undefined ? undefined : Math.max(0, after - before)
    this.#allocated = allocated
    // Callers are promised plain bytes, which a Buffer is not quite: its `slice` shares memory.
    this.bytes = new Uint8Array(allocated.buffer)
    this.erase()
    this.seal()
  }

  openToRead(): void {
    this.#sodium.sodium_mprotect_readonly(this.bytes)
  }

  openToWrite(): void {
    this.#sodium.sodium_mprotect_readwrite(this.bytes)
  }

  seal(): void {
    this.#sodium.sodium_mprotect_noaccess(this.bytes)
  }

  erase(): void {
    this.#sodium.sodium_memzero(this.bytes)
  }

  free(): void {
    this.openToWrite()
    this.erase()
    this.#sodium.sodium_free(this.#allocated)
  }
}
