import { type ChurnPlan, type Crowd, newCrowd, sameCrowd } from './churn.ts'
import { BLOCK_BYTES } from './numbered-blocks.ts'
import type { Arm, Pair, PairCost } from './pair.ts'

/** One thing that is measured of a pair of nodes. */
export interface Measure {
  readonly name: string
  readonly title: string
  /** Sent in all; `undefined` if it is streams that matter. */
  readonly sizeBytes?: number
  /** Whether the service is held to its limits here. */
  readonly isJudged: boolean
  /** What the nodes do before. */
  warmUp?(pair: Pair): Promise<unknown>
  run(pair: Pair): Promise<PairCost>
}

/** What is measured of the same pair of nodes, one thing after the other, and in which arms. */
export interface Workload {
  readonly name: string
  readonly arms: readonly Arm[]
  readonly rounds: number
  readonly measures: readonly Measure[]
}

export const STOCK: Arm = { name: 'stock', asking: 'none', serving: 'none' }
export const ASKING: Arm = { name: 'service, asking', asking: 'service', serving: 'none' }
export const SERVING: Arm = { name: 'service, serving', asking: 'none', serving: 'service' }
const DROP_IN: Arm = { name: 'protectBitswap', asking: 'protectBitswap', serving: 'none' }

const MIB = 2 ** 20

function blocksIn(mib: number): number {
  return (mib * MIB) / BLOCK_BYTES
}

const first: Measure = {
  name: 'first-16-MiB',
  title: 'the first 64 blocks of 256 KiB that processes transfer: much of their code is not compiled yet',
  sizeBytes: 16 * MIB,
  isJudged: false,
  run: pair => pair.transferBlocks(blocksIn(16))
}

/** A single one takes so little that what disturbs it is a good part of it. */
const SMALL_TRANSFERS = 5

const small: Measure = {
  name: '16-MiB',
  title: `64 blocks of 256 KiB, the mean of ${SMALL_TRANSFERS} transfers one after the other`,
  sizeBytes: 16 * MIB,
  isJudged: true,
  warmUp: pair => pair.transferBlocks(blocksIn(48)),
  run: pair => mean(SMALL_TRANSFERS, () => pair.transferBlocks(blocksIn(16)))
}

const large: Measure = {
  name: '1-GiB',
  title: '4,096 blocks of 256 KiB',
  sizeBytes: 1024 * MIB,
  isJudged: true,
  warmUp: pair => pair.transferBlocks(blocksIn(64)),
  run: pair => pair.transferBlocks(blocksIn(1024))
}

function download(mib: number): Measure {
  return {
    name: 'download',
    title: `${mib} MiB over one stream of another protocol`,
    sizeBytes: mib * MIB,
    isJudged: true,
    warmUp: pair => pair.download(),
    run: pair => pair.download()
  }
}

function echoes(count: number): Measure {
  return {
    name: 'echoes',
    title: `${count.toLocaleString('en-US')} streams of another protocol, each with 1 KiB that is sent back`,
    isJudged: true,
    warmUp: pair => pair.exchangeEchoes(count / 2),
    run: pair => pair.exchangeEchoes(count)
  }
}

const blockArms = [STOCK, ASKING, SERVING, DROP_IN]
const plainArms = [STOCK, ASKING, SERVING]

/** What a run measures. */
export interface Plan {
  readonly workloads: readonly Workload[]
  readonly crowds: readonly Crowd[]
  readonly churn: ChurnPlan
  /** What is needed at most: blocks, and chunks of which a download consists. */
  readonly blocks: number
  readonly chunks: number
}

export const plans: { readonly full: Plan; readonly quick: Plan } = {
  full: {
    workloads: [
      { name: 'small', arms: blockArms, rounds: 25, measures: [first, small] },
      { name: 'large', arms: blockArms, rounds: 5, measures: [large] },
      { name: 'plain', arms: plainArms, rounds: 15, measures: [download(256), echoes(2_000)] }
    ],
    crowds: [sameCrowd, newCrowd],
    churn: { stepConnects: 500, steps: 20 },
    blocks: blocksIn(64 + 1024),
    chunks: blocksIn(256)
  },
  quick: {
    workloads: [
      { name: 'small', arms: blockArms, rounds: 1, measures: [first] },
      { name: 'plain', arms: plainArms, rounds: 1, measures: [download(16), echoes(200)] }
    ],
    crowds: [newCrowd],
    churn: { stepConnects: 150, steps: 2 },
    blocks: blocksIn(16),
    chunks: blocksIn(16)
  }
}

async function mean(times: number, transfer: () => Promise<PairCost>): Promise<PairCost> {
  const sum = { timeMs: 0, cpuMs: 0, servingCpuMs: 0, failed: 0 }
  for (let done = 0; done < times; done++) {
    const cost = await transfer()
    sum.timeMs += cost.timeMs / times
    sum.cpuMs += cost.cpuMs / times
    sum.servingCpuMs += cost.servingCpuMs / times
    sum.failed += cost.failed
  }
  return sum
}
