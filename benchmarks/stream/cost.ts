import { nextTurn } from '../harness.ts'

/** What a transfer took of the process that asked for it. */
export interface Cost {
  readonly timeMs: number
  /** User and system, of all threads. */
  readonly cpuMs: number
  /** How much did not come as it should: blocks, or streams. */
  readonly failed: number
}

/** CPU time that this process has taken since it began, in ms. */
export function cpuTakenMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Collects garbage, so that nobody pays for that of the one before. */
export async function settle(): Promise<void> {
  globalThis.gc!()
  await nextTurn()
}

export async function costOf(work: () => Promise<void>): Promise<Omit<Cost, 'failed'>> {
  await settle()
  const cpuMs = cpuTakenMs()
  const startMs = performance.now()
  await work()
  return { timeMs: performance.now() - startMs, cpuMs: cpuTakenMs() - cpuMs }
}
