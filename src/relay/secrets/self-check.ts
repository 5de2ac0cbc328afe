import type { MemoryRegion } from './memory-region.ts'

/** What was found out about the memory for secrets. */
export interface SelfCheck {
  /** Whether it does all it should; `undefined` if that cannot be seen on this system. */
  readonly hasPassed: boolean | undefined
  /** Why it is not known to. */
  readonly problem: string | undefined
}

/** What is wrong, in words. */
export const NOT_LOCKED = 'the system does not lock memory for this process: see RLIMIT_MEMLOCK (ulimit -l)'
export const NOT_MEASURABLE = 'this system does not show whether memory is locked'

/** Bytes that are neither zero nor what fresh memory is filled with. */
const PATTERN = Uint8Array.from({ length: 32 }, (_, index) => index + 1)

/**
 * Tries memory out: whether it is locked, keeps what is written, and is zeros once erased.
 *
 * @throws if it cannot be used
 */
export function checkMemory(allocate: (byteLength: number) => MemoryRegion): SelfCheck {
  const region = allocate(PATTERN.length)
  try {
    checkContent(region)
  } finally {
    region.free()
  }
  if (region.lockedBytes === undefined) return { hasPassed: undefined, problem: NOT_MEASURABLE }
  if (region.lockedBytes < PATTERN.length) return { hasPassed: false, problem: NOT_LOCKED }
  return { hasPassed: true, problem: undefined }
}

function checkContent(region: MemoryRegion): void {
  const { bytes } = region
  region.openToWrite()
  bytes.set(PATTERN)
  region.seal()
  region.openToRead()
  if (!bytes.every((byte, index) => byte === PATTERN[index])) throw new Error('it loses what is written')
  region.openToWrite()
  region.erase()
  if (bytes.some(byte => byte !== 0)) throw new Error('it is not erased')
}
