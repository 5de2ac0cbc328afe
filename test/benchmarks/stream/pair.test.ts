import { expect, test } from 'vitest'
import { BLOCK_BYTES } from '../../../benchmarks/stream/numbered-blocks.ts'
import { type Arm, type Goods, makeGoods, Pair } from '../../../benchmarks/stream/pair.ts'

const LONGEST_MS = 60_000

const arm: Arm = { name: 'service, asking', asking: 'service', serving: 'none' }

/** Goods of which one block is not what its name says. */
async function spoilt(): Promise<Goods> {
  const goods = await makeGoods(1, 5, 1)
  return { ...goods, names: goods.names.with(1, goods.names[4]!) }
}

test('two nodes transfer what they should, and tell what it took', { timeout: LONGEST_MS }, async () => {
  await using pair = await Pair.start(arm, await makeGoods(1, 4, 2))
  for (const cost of [await pair.transferBlocks(4), await pair.download(), await pair.exchangeEchoes(20)]) {
    expect(cost.failed).toBe(0)
    for (const figure of [cost.timeMs, cost.cpuMs, cost.servingCpuMs]) expect(figure).toBeGreaterThan(0)
  }
  expect(() => pair.transferBlocks(1)).toThrow('no more blocks')
  const { asking, serving } = await pair.memory()
  expect(asking.usedBytes).toBeGreaterThan(BLOCK_BYTES)
  expect(serving.peakBytes).toBeGreaterThan(serving.usedBytes)
  expect(await pair.isAsSaid(arm)).toBe(true)
  expect(await pair.isAsSaid({ ...arm, asking: 'none' })).toBe(false)
  expect(await pair.isAsSaid({ ...arm, serving: 'service' })).toBe(false)
})

test('a block that is not the one it should be counts as failed', { timeout: LONGEST_MS }, async () => {
  await using pair = await Pair.start(arm, await spoilt())
  const { failed } = await pair.transferBlocks(5)
  expect(failed).toBeGreaterThan(0)
})
