/**
 * How secrets are protected in memory, as measured. In JSON it is `memory_protection`, with the names given here; what
 * else is there, `rust_integrity`, is of another implementation, and always `false`: there is nothing of it to check.
 */
export interface MemoryProtectionStatus {
  /**
   * Whether the native module is in use, and every secret there is was seen to be locked: `enabled`. `undefined` if locking
   * cannot be seen on this system, which is to be read as `false`.
   */
  readonly isEnabled: boolean | undefined
  /**
   * Whether memory was tried out with success, once, when it was first needed: `self_check`. `undefined` if it was but for
   * locking, which cannot be seen on this system.
   */
  readonly selfCheckPassed: boolean | undefined
  /** How many secrets there are: `secure_buffers`. */
  readonly secureBuffers: number
  /** How much memory is locked for them, in bytes; `undefined` if that cannot be seen. */
  readonly lockedBytes: number | undefined
  /** Why it is not known to be enabled, in words. */
  readonly reason: string | undefined
}
