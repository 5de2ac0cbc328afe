import { readFileSync } from 'node:fs'

/** In proc(5), `/proc/pid/status`: `VmLck: Locked memory size`, in units of 1,024 bytes. */
const LOCKED = /^VmLck:\s+(\d+) kB$/m

/**
 * How much memory of this process is locked, by whichever thread, in bytes; `undefined` if the system is not Linux, or hides
 * it.
 */
export function lockedMemory(): number | undefined {
  try {
    const [, kibibytes] = LOCKED.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
  } catch {
    return undefined
  }
}
