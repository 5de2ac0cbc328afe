import { describe, expect, test } from 'vitest'
import { decodeWants } from '../../../benchmarks/rig/bitswap-wire.ts'
import { type FaultPlan, FaultSchedule } from '../../../benchmarks/rig/fault.ts'
import {
  fewHaveAll,
  firstAreBad,
  mixed,
  oneHolderEach,
  type Scenario
} from '../../../benchmarks/rig/scenarios.ts'
import { encodeWants } from '../../../src/bitswap/fetch/want-message.ts'
import { makeBlocks } from '../../../src/cli/swarm/blocks.ts'

const SIZE = { peers: 10, blocks: 100, sizeBytes: 8 }

describe('a fault', () => {
  /** What it does with so many blocks, asked for one after the other at the same time. */
  function ofBlocks(plan: FaultPlan, count: number): string[] {
    const schedule = new FaultSchedule(plan, 0)
    return Array.from({ length: count }, () => schedule.forBlock(0))
  }

  test('shows from the first block on', () => {
    expect(ofBlocks({ kind: 'stall' }, 2)).toEqual(['stall', 'stall'])
  })

  test('may show after some blocks only, and to those who merely ask whether there is one no sooner', () => {
    expect(ofBlocks({ kind: 'slow', afterBlocks: 2 }, 4)).toEqual(['none', 'none', 'slow', 'slow'])
    const schedule = new FaultSchedule({ kind: 'lie', afterBlocks: 1 }, 0)
    expect(schedule.forWord(0)).toBe('none')
    schedule.forBlock(0)
    expect(schedule.forWord(0)).toBe('lie')
  })

  test('may show with every n-th block only', () => {
    const spoilt = ofBlocks({ kind: 'corrupt', every: 3 }, 7).map(kind => kind === 'corrupt')
    expect(spoilt).toEqual([false, false, true, false, false, true, false])
  })

  test('may come and go', () => {
    const periods = { goodMs: 200, badMs: 1_000, offsetMs: 50 }
    const schedule = new FaultSchedule({ kind: 'stall', periods }, 7_000)
    const at = [0, 149, 150, 1_149, 1_150, 1_350].map(passedMs => schedule.forBlock(7_000 + passedMs))
    expect(at).toEqual(['none', 'none', 'stall', 'stall', 'none', 'stall'])
  })
})

test('wants are read as they were written', async () => {
  const [first, second, third] = (await makeBlocks({ seed: 1, count: 3, sizeBytes: 8 })).map(({ cid }) => cid)
  const message = encodeWants([
    { cid: first!, type: 'BLOCK' },
    { cid: second!, type: 'HAVE' },
    { cid: third!, type: 'CANCEL' }
  ])
  // After its length, which is below 2^14.
  expect(decodeWants(message.subarray(message[0]! < 0x80 ? 1 : 2))).toEqual([
    { cid: first!.bytes, kind: 'BLOCK', sendDontHave: true },
    { cid: second!.bytes, kind: 'HAVE', sendDontHave: true },
    { cid: third!.bytes, kind: 'CANCEL', sendDontHave: false }
  ])
})

describe('a scenario', () => {
  const placesOfBad = ({ bad, order }: Scenario): number[] =>
    [...bad].map(peer => order.indexOf(peer)).sort((one, other) => one - other)

  test('is the same again for the same seed, and another for another', () => {
    expect(mixed(1, SIZE)).toEqual(mixed(1, SIZE))
    expect(mixed(2, SIZE).order).not.toEqual(mixed(1, SIZE).order)
    expect(placesOfBad(mixed(2, SIZE))).not.toEqual(placesOfBad(mixed(1, SIZE)))
  })

  test('has the bad peers where they are turned to first', () => {
    expect(placesOfBad(firstAreBad(1, SIZE, { kind: 'stall' }))).toEqual([0, 1, 2, 3, 4])
  })

  test('has each block with one peer', () => {
    const held = oneHolderEach(1, SIZE).tasks.flatMap(task => task.held!)
    expect(held.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 100 }, (_, at) => at))
  })

  test('has each block with one of the two good peers, 40 % with the one', () => {
    const { tasks, bad } = fewHaveAll(1, SIZE)
    const held = tasks.filter((_, peer) => !bad.has(peer)).map(task => task.held!)
    expect(held.map(({ length }) => length)).toEqual([40, 60])
    expect(new Set(held.flat()).size).toBe(100)
  })
})
