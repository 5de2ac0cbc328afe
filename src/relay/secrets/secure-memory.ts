import { GuardedRegion } from './guarded-region.ts'
import type { MemoryProtectionStatus } from './memory-protection-status.ts'
import type { MemoryRegion } from './memory-region.ts'
import { PlainRegion } from './plain-region.ts'
import { SecretCell } from './secret-cell.ts'
import { SecretLimitError } from './secret-error.ts'
import { checkMemory, NOT_LOCKED, NOT_MEASURABLE, type SelfCheck } from './self-check.ts'
import { loadSodium } from './sodium.ts'

/**
 * Secrets at once. Each takes eight mappings, of which Linux gives a process 65,530 (`vm.max_map_count`), and at least two
 * locked pages, of which many systems give 8 MiB: so many of up to 4,080 bytes can be locked there.
 */
const MAX_SECRETS = 1_024

/** Secrets whose memory the system has not got back. */
const MAX_LEAVING = 64

/** Memory that secrets of this thread are in. */
export class SecureMemory {
  readonly #allocate: (byteLength: number) => MemoryRegion
  readonly #selfCheck: SelfCheck
  readonly #cells = new Set<SecretCell>()
  #leaving = 0

  constructor(allocate: (byteLength: number) => MemoryRegion, selfCheck: SelfCheck) {
    this.#allocate = allocate
    this.#selfCheck = selfCheck
  }

  /** Waits until memory that is to be given back has been, if it is much. */
  async settled(): Promise<void> {
    if (this.#leaving < MAX_LEAVING) return
    await new Promise<void>(resolve => setImmediate(resolve))
    this.#leaving = 0
  }

  /** @param byteLength - from 1 @throws SecretLimitError */
  allocate(byteLength: number): SecretCell {
    if (this.#cells.size >= MAX_SECRETS) throw new SecretLimitError(MAX_SECRETS)
    const cell = new SecretCell(this.#allocate, byteLength)
    this.#cells.add(cell)
    return cell
  }

  free(cell: SecretCell): void {
    if (!this.#cells.delete(cell)) return
    cell.free()
    this.#leaving++
  }

  status(): MemoryProtectionStatus {
    const { hasPassed: isEnabled, problem: reason } = this.#check()
    return Object.freeze({
      isEnabled,
      selfCheckPassed: this.#selfCheck.hasPassed,
      secureBuffers: this.#cells.size,
      lockedBytes: [...this.#cells].reduce<number | undefined>((sum, cell) => add(sum, cell.lockedBytes), 0),
      reason
    })
  }

  /** Memory that was tried out with success may still not be locked: the system locks only so much. */
  #check(): SelfCheck {
    if (this.#selfCheck.hasPassed !== true) return this.#selfCheck
    const locked = Array.from(this.#cells, cell => cell.isLocked)
    const unlocked = locked.filter(isLocked => isLocked === false).length
    if (unlocked > 0)
      return { hasPassed: false, problem: `${unlocked} of ${locked.length} secrets: ${NOT_LOCKED}` }
    return locked.includes(undefined) ? { hasPassed: undefined, problem: NOT_MEASURABLE } : this.#selfCheck
  }
}

function add(sum: number | undefined, more: number | undefined): number | undefined {
  return sum === undefined || more === undefined ? undefined : sum + more
}

let loading: Promise<SecureMemory> | undefined

/** The memory for secrets of this thread, with room in it. It is loaded when it is first asked for. */
export async function secureMemory(): Promise<SecureMemory> {
  loading ??= load()
  const memory = await loading
  await memory.settled()
  return memory
}

async function load(): Promise<SecureMemory> {
  try {
    const sodium = await loadSodium()
    const allocate = (byteLength: number): MemoryRegion => new GuardedRegion(sodium, byteLength)
    return new SecureMemory(allocate, checkMemory(allocate))
  } catch (error) {
    return new SecureMemory(byteLength => new PlainRegion(byteLength), {
      hasPassed: false,
      problem: `secrets are in ordinary memory, as sodium-native cannot be used: ${(error as Error).message}`
    })
  }
}
