import { readdirSync } from 'node:fs'
import type { CountingClock } from '../../../../integration/support/counting-clock.ts'
import type { Footprint } from './soak-commands.ts'

const collectGarbage = (globalThis as { gc?: () => void }).gc!

/** What this process takes. It has to run with `--expose-gc`. */
export function footprint(clock: CountingClock): Footprint {
  collectGarbage()
  collectGarbage()
  const { heapUsed, rss } = process.memoryUsage()
  return {
    heapBytes: heapUsed,
    rssBytes: rss,
    // One of them is that of the folder itself.
    openFiles: readdirSync('/proc/self/fd').length - 1,
    timers: clock.waiting,
    resources: process.getActiveResourcesInfo().sort()
  }
}
