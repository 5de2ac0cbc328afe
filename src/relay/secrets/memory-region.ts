/** A piece of memory. Nobody can read or write it but while it is open. It is not open to begin with, and all zeros. */
export interface MemoryRegion {
  /** The memory itself. Touching it while it is not open may kill the process. */
  readonly bytes: Uint8Array
  /** How much of it, in bytes, was seen to be locked when it was made; `undefined` if that cannot be seen on this system. */
  readonly lockedBytes: number | undefined
  openToRead(): void
  openToWrite(): void
  /** Nobody can read or write it from now on. */
  seal(): void
  /** Overwrites it with zeros. It must be open to write. */
  erase(): void
  /** Erases it and gives it back, open or not. It is not to be used after that. */
  free(): void
}
