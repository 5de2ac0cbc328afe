import { setTimeout as sleep } from 'node:timers/promises'

/** Longest anything is waited for unless it takes long by nature, in ms. A condition that holds ends the wait. */
const LIMIT_MS = 20_000

const INTERVAL_MS = 20

/** Waits for a condition, and says what for if it never holds. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  limitMs: number = LIMIT_MS
): Promise<void> {
  const startedAt = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedAt > limitMs) throw new Error(`Waited ${limitMs} ms in vain until ${what}`)
    await sleep(INTERVAL_MS)
  }
}
