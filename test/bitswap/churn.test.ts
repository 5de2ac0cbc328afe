import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('./support/measure-churn.ts', import.meta.url))
const LONGEST_MS = 120_000

/** A fifth of a million: what is kept after the first 40,000 does not grow any more. */
const PEERS = 200_000

interface Figures {
  readonly bytes: number
  readonly growth: number
  readonly totalPeers: number
  readonly refused: number
  readonly circuitState: string
  readonly trips: number
}

test('peers that come, ask and go by the 10,000 a second cost no memory in the end, and flush no bad one', {
  timeout: LONGEST_MS
}, async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--conditions=source', '--disable-warning=ExperimentalWarning', script, String(PEERS)],
    { timeout: LONGEST_MS }
  )
  const { bytes, growth, ...figures } = JSON.parse(stdout) as Figures
  expect(figures).toEqual({ totalPeers: 10_000, refused: 0, circuitState: 'OPEN', trips: 1 })
  expect(bytes).toBeLessThan(16 * 2 ** 20)
  // All that is kept is more than this: less would mean that not all was counted.
  expect(bytes).toBeGreaterThan(2 ** 20)
  // Some of the heap is noise; what is kept of each of the 160,000 would be tens of bytes.
  expect(growth).toBeLessThan(1.5 * 2 ** 20)
})
