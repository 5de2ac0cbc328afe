import type { MemoryRegion } from './memory-region.ts'

/** Ordinary memory, for where there is no other: it may be swapped out and dumped, and is always open. */
export class PlainRegion implements MemoryRegion {
  readonly bytes: Uint8Array
  /** Nobody has locked it. */
  readonly lockedBytes = 0

  constructor(byteLength: number) {
    // With a buffer of its own: V8 keeps small arrays without one on its heap, and leaves copies behind when it moves them.
    this.bytes = new Uint8Array(new ArrayBuffer(byteLength))
  }

  openToRead(): void {}

  openToWrite(): void {}

  seal(): void {}

  erase(): void {
    this.bytes.fill(0)
  }

  free(): void {
    this.erase()
  }
}
