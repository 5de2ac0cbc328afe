import { describe, expect, test } from 'vitest'
import { makeContent } from '../../../benchmarks/rig/content.ts'
import { healthy, mixed } from '../../../benchmarks/rig/scenarios.ts'
import { delayOf, holdings, type Workload } from '../../../benchmarks/rig/workload.ts'

const WORKLOAD: Workload = { peers: 4, blocks: 12, sizeBytes: 8 }

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at)

describe('blocks', () => {
  test('overlap1: three quarters each, from either end', () => {
    const [one, other] = holdings('overlap1', 12, [0, 1], Math.random)
    expect([one, other]).toEqual([range(0, 9), range(3, 12)])
  })

  test('overlap2: every other one each, and every third with both', () => {
    const [one, other] = holdings('overlap2', 12, [0, 1], Math.random)
    expect(one).toEqual([0, 2, 3, 4, 6, 8, 9, 10])
    expect(other).toEqual([0, 1, 3, 5, 6, 7, 9, 11])
  })

  test('overlaps are with peers by their rank in turn', () => {
    const [first, second, third, fourth] = holdings('overlap1', 12, [3, 2, 1, 0], Math.random)
    expect(first).toEqual(third)
    expect(second).toEqual(fourth)
    expect(first).not.toEqual(second)
  })

  test('onePeerPerBlock: each with one peer', () => {
    const held = holdings('onePeerPerBlock', 100, [0, 1, 2, 3], Math.random)
    expect(held.flat().toSorted((one, other) => one - other)).toEqual(range(0, 100))
    expect(held.every(({ length }) => length > 0)).toBe(true)
  })

  test('with overlaps all are with peers that are well', () => {
    for (const seed of range(1, 50)) {
      const { tasks, bad } = mixed(seed, { peers: 10, blocks: 12, sizeBytes: 8, distribution: 'overlap1' })
      const held = tasks.flatMap((task, peer) => (bad.has(peer) ? [] : task.held!))
      expect(new Set(held).size).toBe(12)
    }
  })

  test('of a file: its leaves after its root, the same each time', async () => {
    const content = { seed: 7, count: 5, sizeBytes: 1_000, isFile: true }
    const [root, ...leaves] = await makeContent(content)
    expect(root!.cid.toString()).toMatch(/^bafybei/)
    expect(leaves.map(({ bytes }) => bytes.length)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000])
    await makeContent({ seed: 8, count: 1, sizeBytes: 8 })
    expect((await makeContent(content)).map(({ cid }) => cid.toString())).toEqual(
      [root!, ...leaves].map(({ cid }) => cid.toString())
    )
  })
})

describe('delays', () => {
  test('are those of the tiers in turn', () => {
    const workload = { ...WORKLOAD, delaysMs: [10, 800] }
    expect([0, 1, 2, 3].map(rank => delayOf(workload, rank))).toEqual([10, 800, 10, 800])
    const delays = healthy(1, workload).tasks.map(({ delayMs }) => delayMs)
    expect(delays.toSorted((one, other) => one - other)).toEqual([10, 10, 800, 800])
  })

  test('are of other peers with another seed', () => {
    const workload = { ...WORKLOAD, peers: 20, delaysMs: [10, 60, 200, 800] }
    const delays = (seed: number) => healthy(seed, workload).tasks.map(({ delayMs }) => delayMs)
    expect(delays(1)).not.toEqual(delays(2))
  })
})
