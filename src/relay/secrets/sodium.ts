/// <reference path="./sodium-native.d.ts" />

/** What is used of libsodium. Whoever runs out of memory in `sodium_malloc` is aborted. */
export interface Sodium {
  /** Memory between guard pages, locked if the system lets us, and left out of core dumps. It is not zeros. */
  sodium_malloc(byteLength: number): Uint8Array<ArrayBuffer>
  /** Detaches it at once. The system gets it back, and it is unlocked, when the event loop turns. */
  sodium_free(bytes: Uint8Array): void
  sodium_memzero(bytes: Uint8Array): void
  /** From then on whoever touches it is killed (SIGSEGV). */
  sodium_mprotect_noaccess(bytes: Uint8Array): void
  sodium_mprotect_readonly(bytes: Uint8Array): void
  sodium_mprotect_readwrite(bytes: Uint8Array): void
}

/** Loads the native module. It is an optional dependency. @throws if it is not installed, or not for this platform */
export async function loadSodium(): Promise<Sodium> {
  const { default: sodium } = await import('sodium-native')
  return sodium
}
