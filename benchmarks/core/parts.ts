import type { Candidate, Prepared } from '../harness.ts'
import { timedGroup } from '../timed-group.ts'
import { allocatesAtMost, NOTHING_BYTES } from './allocation.ts'
import { PICKS, protectionOf, randomSlots, SUCCESS } from './healthy-targets.ts'

const BATCH = 200_000
const TARGETS = 100_000
const NOW_MS = 1
const SLOT = 1
const LINE_INTS = 16

const ALL = 'all of it, one slot'
const ALL_RANDOM = 'all of it, random of 100 k'
const SAME_MEMORY = 'the same memory written, and nothing else, random of 100 k'
const ONE_LINE = 'one line of the cache written, random of 100 k'

function repeat(act: () => void): Prepared {
  return {
    run(times) {
      for (let time = 0; time < times; time++) act()
    }
  }
}

async function all(): Promise<Prepared> {
  const { table } = await protectionOf(1)
  return repeat(() => table.settle(SLOT, table.admit(SLOT, NOW_MS), SUCCESS, NOW_MS))
}

async function breaker(): Promise<Prepared> {
  const { table } = await protectionOf(1)
  const { breakers } = table
  return repeat(() => {
    breakers.admit(SLOT, NOW_MS)
    breakers.record(SLOT, breakers.generation(SLOT), breakers.bucketEnd(SLOT), SUCCESS, NOW_MS)
  })
}

async function health(): Promise<Prepared> {
  const { table } = await protectionOf(1)
  return repeat(() => table.health!.record(SLOT, 0, false, NOW_MS))
}

async function call(): Promise<Prepared> {
  const { CallTable } = await import('../../src/core/call-table.ts')
  const calls = new CallTable(1_024)
  return repeat(() => calls.close(calls.find(calls.open(SLOT, 1, NOW_MS, NOW_MS, Infinity))))
}

/** @param touch - what is done with the one of `slots` that is picked */
function atRandom(slots: Int32Array, touch: (slot: number) => void): Prepared {
  let pick = 0
  return repeat(() => {
    touch(slots[pick]!)
    pick = (pick + 1) & (PICKS - 1)
  })
}

async function allAtRandom(): Promise<Prepared> {
  const { table } = await protectionOf(TARGETS)
  return atRandom(randomSlots(TARGETS), slot => {
    table.settle(slot, table.admit(slot, NOW_MS), SUCCESS, NOW_MS)
  })
}

/** Writes what `admit` and `settle` write of a record, without asking anything. */
async function sameMemory(): Promise<Prepared> {
  const { layout } = await import('../../src/core/record-store.ts')
  const { LAST_USED, MEAN, DEVIATION, BUCKETS, REQUESTS, SUCCESSES, CONSECUTIVE_SUCCESSES } = layout
  const { CONSECUTIVE_FAILURES, SUCCESS_RUN, FAILURE_RUN, RECENT, CALLS } = layout
  const { table } = await protectionOf(TARGETS)
  const { ints, doubles, stride } = table.breakers.records
  return atRandom(randomSlots(TARGETS), slot => {
    const base = slot * stride
    ints[base + CALLS]!++
    ints[base + RECENT]!++
    ints[base + SUCCESS_RUN]!++
    ints[base + FAILURE_RUN] = 0
    ints[base + BUCKETS + REQUESTS]!++
    ints[base + BUCKETS + SUCCESSES]!++
    ints[base + BUCKETS + CONSECUTIVE_SUCCESSES]!++
    ints[base + BUCKETS + CONSECUTIVE_FAILURES] = 0
    doubles[(base >> 1) + LAST_USED] = NOW_MS
    doubles[(base >> 1) + MEAN]! += 1
    doubles[(base >> 1) + DEVIATION]! += 1
  })
}

function oneLine(): Prepared {
  const ints = new Int32Array((TARGETS + 1) * LINE_INTS)
  return atRandom(randomSlots(TARGETS), slot => {
    ints[slot * LINE_INTS]!++
  })
}

function candidate(name: string, prepare: () => Prepared | Promise<Prepared>): Candidate {
  return { name, batch: BATCH, prepare }
}

/** Where the time of `admit` and `settle` goes: each part by itself, and what memory alone would take. */
export const parts = timedGroup({
  name: 'parts',
  title: 'what admit + settle are made of, each part by itself',
  ours: ALL,
  notes: () => [
    'Together the parts take longer than all of it: there what a call needs of a record is read once for all of them.'
  ],
  candidates: () => [
    candidate(ALL, all),
    candidate('the breaker: admit, record', breaker),
    candidate('health: a success recorded, with the histogram', health),
    candidate('the call in flight: noted, found, ended', call),
    candidate(ALL_RANDOM, allAtRandom),
    candidate(SAME_MEMORY, sameMemory),
    candidate(ONE_LINE, oneLine)
  ],
  ratios: () => [
    { of: SAME_MEMORY, to: ALL_RANDOM },
    { of: ONE_LINE, to: ALL_RANDOM }
  ],
  checks: rows =>
    allocatesAtMost(
      NOTHING_BYTES,
      rows,
      rows.map(({ name }) => name)
    )
})
