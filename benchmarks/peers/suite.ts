import {
  busyClient,
  connected,
  fewHaveAll,
  firstAreBad,
  firstAreStricken,
  frozenBystander,
  healthy,
  mixed,
  oneHolderEach,
  oscillating,
  outage,
  type Scenario,
  someAreBad
} from '../rig/scenarios.ts'
import { DELAY_TIERS_MS, type Workload } from '../rig/workload.ts'
import type { Patience } from './comparison.ts'

/** A scenario of the suite. */
export interface Entry {
  readonly name: string
  readonly title: string
  make(seed: number, workload: Workload): Scenario
  /** By how much the protection may be slower than a stock session, if it is judged by that. */
  readonly maxRatio?: number
  readonly patience?: Patience
}

/** Stock sessions lose all that is left when they lose one, so they are not given as long for each. */
const PATIENCE: Patience = {
  patient: { blockMs: 15_000, totalMs: 15_000 },
  ofSessions: { blockMs: 3_000, totalMs: 4_000 }
}

const OUTAGE_MS = 10_000

/** So long that a session would be seen to go on after the outage. */
const OUTAGE_PATIENCE: Patience = {
  patient: { blockMs: 20_000, totalMs: 20_000 },
  ofSessions: { blockMs: 3_000, totalMs: OUTAGE_MS + 4_000 }
}

/** By now it is known of all peers how quick they are. */
const KNOWN_BLOCKS = 71

const half = ({ peers }: Workload): number => peers / 2

export const suite: readonly Entry[] = [
  { name: 'S0', title: 'all are well', make: healthy, maxRatio: 1.03 },
  { name: 'S1', title: 'six of ten are bad, each in its way', make: mixed, maxRatio: 1 },
  {
    name: 'S0-connected',
    title: 'all are well, and connected beforehand',
    make: connected(healthy),
    maxRatio: 1.03
  },
  {
    name: 'S1-connected',
    title: 'six of ten are bad, and all are connected beforehand',
    make: connected(mixed),
    maxRatio: 1
  },
  {
    name: 'S2',
    title: 'the first five are silent',
    make: (seed, workload) => firstAreBad(seed, workload, { kind: 'stall' })
  },
  {
    name: 'S3',
    title: 'the first five fall silent after a block',
    make: (seed, workload) => firstAreBad(seed, workload, { kind: 'stall', afterBlocks: 1 })
  },
  {
    name: 'S3-20',
    title: 'the first five fall silent after 20 blocks each',
    make: (seed, workload) => firstAreBad(seed, workload, { kind: 'stall', afterBlocks: 20 })
  },
  {
    name: 'S3-80',
    title: 'the first five fall silent after 80 blocks each',
    make: (seed, workload) => firstAreBad(seed, workload, { kind: 'stall', afterBlocks: 80 })
  },
  {
    name: 'S3-corrupt',
    title: 'the first five send other bytes after a block',
    make: (seed, workload) => firstAreBad(seed, workload, { kind: 'corrupt', afterBlocks: 1 })
  },
  {
    name: 'S3-disconnect',
    title: 'the first five break off after a block',
    make: (seed, workload) => firstAreBad(seed, workload, { kind: 'disconnect', afterBlocks: 1 })
  },
  {
    name: 'S3-slow',
    title: 'the first five take 2 s after a block',
    make: (seed, workload) => firstAreBad(seed, workload, { kind: 'slow', afterBlocks: 1 })
  },
  {
    name: 'S3-frozen',
    title: 'the first five are stopped (SIGSTOP) when 21 blocks are there',
    make: (seed, workload) => firstAreStricken(seed, workload, 'freeze', 5, 21)
  },
  {
    name: 'S3-killed',
    title: 'the first three are killed (SIGKILL) when 21 blocks are there',
    make: (seed, workload) => firstAreStricken(seed, workload, 'kill', 3, 21)
  },
  {
    name: 'S4',
    title: 'eight of ten are good for a second and silent for five, in turns',
    make: (seed, workload) => oscillating(seed, workload, 0.8 * workload.peers, 1_000, 5_000)
  },
  {
    name: 'S5',
    title: 'half say they have it, and never send it',
    make: (seed, workload) => someAreBad(seed, workload, half(workload), { kind: 'lie' })
  },
  {
    name: 'S6',
    title: 'half send other bytes, every tenth time',
    make: (seed, workload) => someAreBad(seed, workload, half(workload), { kind: 'corrupt', every: 10 })
  },
  {
    name: 'S6-all',
    title: 'half send other bytes, each time',
    make: (seed, workload) => someAreBad(seed, workload, half(workload), { kind: 'corrupt' })
  },
  {
    name: 'S7',
    title: 'half send 64 B each 200 ms',
    make: (seed, workload) => someAreBad(seed, workload, half(workload), { kind: 'drip' })
  },
  {
    name: 'S8',
    title: 'all are stopped (SIGSTOP) for 10 s when 31 blocks are there',
    make: (seed, workload) => outage(seed, workload, 31, OUTAGE_MS),
    patience: OUTAGE_PATIENCE
  },
  {
    name: 'S9',
    title: 'the event loop of who fetches is blocked for 500 ms, again and again, after 71 blocks',
    make: (seed, workload) => busyClient(seed, workload, KNOWN_BLOCKS)
  },
  { name: 'S12', title: 'what two have, the others are silent', make: fewHaveAll },
  { name: 'S13', title: 'each block is held by one peer (onePeerPerBlock)', make: oneHolderEach },
  {
    name: 'bystander',
    title: 'a peer that is connected, and has nothing, is stopped (SIGSTOP)',
    make: frozenBystander
  }
]

export function patienceOf({ patience = PATIENCE }: Entry, { isLong = false }: NamedWorkload): Patience {
  return isLong ? { patient: LONG_LIMITS, ofSessions: LONG_LIMITS } : patience
}

const LONG_LIMITS = { blockMs: 10_000, totalMs: 20_000 }

/** A workload of the suite. */
export interface NamedWorkload extends Workload {
  readonly name: string
  readonly title: string
  /** Whether a fetch that is well takes seconds. */
  readonly isLong?: boolean
}

const TEN = { peers: 10, blocks: 100, sizeBytes: 8_000 }
const LARGE = { peers: 10, blocks: 64, sizeBytes: 256 * 1_024 }

/** The first one is what all scenarios are gone through with. */
export const workloads: readonly [NamedWorkload, ...NamedWorkload[]] = [
  { name: '100x8k', title: '100 blocks of 8 kB, ten peers', ...TEN },
  { name: '1000x8k', title: '1,000 blocks of 8 kB, ten peers', ...TEN, blocks: 1_000, isLong: true },
  { name: '64x256k', title: '64 blocks of 256 KiB, ten peers', ...LARGE, isLong: true },
  {
    name: 'file',
    title: 'a UnixFS file of 64 blocks of 256 KiB, ten peers',
    ...LARGE,
    isFile: true,
    isLong: true
  },
  {
    name: 'narrow',
    title: '64 blocks of 256 KiB, ten peers that send 1.25 MB/s each',
    ...LARGE,
    bytesPerS: 1_250_000,
    isLong: true
  },
  {
    name: 'narrow-file',
    title: 'a UnixFS file of 64 blocks of 256 KiB, ten peers that send 1.25 MB/s each',
    ...LARGE,
    isFile: true,
    bytesPerS: 1_250_000,
    isLong: true
  },
  {
    name: 'overlap1',
    title: '100 blocks of 8 kB, three quarters with each of ten peers',
    ...TEN,
    distribution: 'overlap1'
  },
  {
    name: 'overlap2',
    title: '100 blocks of 8 kB, two thirds with each of ten peers',
    ...TEN,
    distribution: 'overlap2'
  },
  {
    name: 'tiers',
    title: '100 blocks of 8 kB, ten peers that take 10, 60, 200 or 800 ms',
    ...TEN,
    delaysMs: DELAY_TIERS_MS,
    isLong: true
  },
  { name: '20-peers', title: '100 blocks of 8 kB, 20 peers', ...TEN, peers: 20 },
  { name: '50-peers', title: '100 blocks of 8 kB, 50 peers', ...TEN, peers: 50, isLong: true }
]

/** What other workloads are gone through with, if nothing else is asked for. */
export const TELLING: readonly string[] = ['S0', 'S1', 'S2', 'S3']
