import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

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

describe('peers that come, ask and go by the 10,000 a second', { timeout: 2 * LONGEST_MS }, () => {
  test.each([
    ['of a thousand networks', 1_000, 0],
    ['of one network, most of whom are refused', 1, 0.9]
  ])('%s, cost no memory in the end, and flush no bad one', async (_, subnets, refusedShare) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        '--expose-gc',
        '--conditions=bitswap-protection-source',
        '--disable-warning=ExperimentalWarning',
        script,
        String(PEERS),
        String(subnets)
      ],
      { timeout: LONGEST_MS }
    )
    const { bytes, growth, refused, totalPeers, circuitState, trips } = JSON.parse(stdout) as Figures
    expect({ totalPeers, circuitState, trips }).toEqual({
      totalPeers: 10_000,
      circuitState: 'OPEN',
      trips: 1
    })
    expect(refused / PEERS).toBeCloseTo(refusedShare, 1)
    expect(bytes).toBeLessThan(16 * 2 ** 20)
    // All that is kept is more than this: less would mean that not all was counted.
    expect(bytes).toBeGreaterThan(2 ** 20)
    // Some of the heap is noise; what is kept of each of the 160,000 would be tens of bytes.
    expect(growth).toBeLessThan(1.5 * 2 ** 20)
  })
})
