import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('../support/measure-memory.ts', import.meta.url))
const LONGEST_MS = 30_000

/** Runs one measurement in a process of its own, with so much room that nothing is collected meanwhile. */
async function measure<Figures>(what: string): Promise<Figures> {
  const flags = [
    '--expose-gc',
    '--max-semi-space-size=256',
    '--min-semi-space-size=256',
    // Compiled at once, not when there is time beside: so that a busy machine measures the same.
    '--no-concurrent-recompilation'
  ]
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      ...flags,
      '--conditions=bitswap-protection-source',
      '--disable-warning=ExperimentalWarning',
      script,
      what
    ],
    { timeout: LONGEST_MS }
  )
  return JSON.parse(stdout)
}

interface Allocation {
  settled: number
  rejected: number
  recovering: number
  admitted: number
  shed: number
}

interface Calls {
  leftPerCall: number
  inFlight: number
}

interface Peers {
  bytesPerPeer: number
  totalPeers: number
  pending: number
  most: number
  left: number
}

interface Churn {
  growth: number
  totalPeers: number
  ejectedPeers: number
  isStillKnown: boolean
  isStillBad: boolean
}

// All at once: they are all that takes long.
const allocation = measure<Allocation>('allocation')
const peers = measure<Peers>('peers')
const calls = measure<Calls>('calls')
const cleanChurn = measure<Churn>('clean churn')
const badChurn = measure<Churn>('bad churn')
for (const measurement of [allocation, peers, calls, cleanChurn, badChurn]) measurement.catch(() => {})

test('a call admitted and settled allocates nothing', { timeout: LONGEST_MS }, async () => {
  expect((await allocation).settled).toBeLessThan(1)
})

test('a call rejected allocates nothing', { timeout: LONGEST_MS }, async () => {
  const { rejected, admitted } = await allocation
  expect(rejected).toBeLessThan(1)
  expect(admitted).toBe(0)
})

test('a call to a target that recovers allocates nothing', { timeout: LONGEST_MS }, async () => {
  const { recovering, shed } = await allocation
  expect(recovering).toBeLessThan(1)
  expect(shed).toBeGreaterThan(500_000)
})

test('a call that has ended leaves nothing behind, however it ended', { timeout: LONGEST_MS }, async () => {
  const { leftPerCall, inFlight } = await calls
  expect(leftPerCall).toBeLessThan(4)
  expect(inFlight).toBe(0)
})

test('a target costs at most 256 bytes, its key included', { timeout: LONGEST_MS }, async () => {
  const { bytesPerPeer, totalPeers } = await peers
  expect(totalPeers).toBe(100_000)
  expect(bytesPerPeer).toBeLessThanOrEqual(256)
  // A record alone is more than this: less would mean that not all was counted.
  expect(bytesPerPeer).toBeGreaterThan(100)
})

test('100000 targets need one timer', { timeout: LONGEST_MS }, async () => {
  expect(await peers).toMatchObject({ pending: 1, most: 1, left: 0 })
})

test.each([
  ['clean', cleanChurn, 1],
  ['bad', badChurn, 5000]
])(
  'a flood of %s identities costs no memory, and flushes no bad one',
  { timeout: LONGEST_MS },
  async (_, churn, ejectedPeers) => {
    const { growth, ...figures } = await churn
    expect(figures).toEqual({ totalPeers: 10_000, ejectedPeers, isStillKnown: true, isStillBad: true })
    // Up to a page or two of the heap is noise; what is kept of an identity takes tens of bytes for each.
    expect(growth).toBeLessThan(800_000)
  }
)
