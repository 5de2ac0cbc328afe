import { describe, expect, test } from 'vitest'
import { BreakerTable } from '../../src/core/breaker-table.ts'
import { type CircuitBreakerOptions, resolveCircuitBreakerOptions } from '../../src/core/circuit-breaker.ts'
import { FAILURE, IGNORED, SUCCESS } from '../../src/core/index.ts'

const CLOSED = 0
const OPEN = 1
const HALF_OPEN = 2
const ADMITTED = 0
const REJECTED_OPEN = -1
const REJECTED_HALF_OPEN_FULL = -2

const TIMEOUT_MS = 1000

interface Change {
  slot: number
  from: number
  to: number
  nowMs: number
}

/** A table of four breakers that open at two failures in a row. */
function create(given: Partial<CircuitBreakerOptions> = {}, random: () => number = () => 0) {
  const changes: Change[] = []
  const options = resolveCircuitBreakerOptions({
    timeoutMs: TIMEOUT_MS,
    readyToTrip: counts => counts.consecutiveFailures >= 2,
    ...given
  })
  const table = new BreakerTable(options, random, (slot, from, to, nowMs) => {
    changes.push({ slot, from, to, nowMs })
  })
  table.resize(4)
  for (let slot = 0; slot < 4; slot++) table.reset(slot, 0)
  return { table, changes }
}

/** Admits a call and records its outcome at once. */
function call(table: BreakerTable, slot: number, outcome: number, nowMs: number): void {
  expect(table.admit(slot, nowMs)).toBe(ADMITTED)
  table.record(slot, table.generation(slot), table.bucketEnd(slot), outcome, nowMs)
}

function trip(table: BreakerTable, slot: number, nowMs: number): void {
  call(table, slot, FAILURE, nowMs)
  call(table, slot, FAILURE, nowMs)
}

describe('slots', () => {
  test('do not touch one another', () => {
    const { table } = create({ intervalMs: 100, bucketPeriodMs: 10 })
    const before = [0, 1, 3].map(slot => table.counts(slot))
    call(table, 2, SUCCESS, 5)
    call(table, 2, SUCCESS, 25)
    trip(table, 2, 25)
    expect([0, 1, 2, 3].map(slot => table.state(slot, 25))).toEqual([CLOSED, CLOSED, OPEN, CLOSED])
    expect([0, 1, 3].map(slot => table.counts(slot))).toEqual(before)
  })

  test('keep what they hold when there are more', () => {
    const { table } = create()
    trip(table, 1, 0)
    call(table, 2, SUCCESS, 0)
    table.resize(1000)
    table.reset(999, 0)
    expect(table.state(1, 0)).toBe(OPEN)
    expect(table.counts(2).totalSuccesses).toBe(1)
    expect(table.state(999, 0)).toBe(CLOSED)
  })

  test('reset, know nothing of who was there before', () => {
    const { table } = create({ timeoutGrowth: 2 })
    trip(table, 1, 0)
    table.reset(1, 10)
    expect(table.state(1, 10)).toBe(CLOSED)
    expect(table.trips(1, 10)).toBe(0)
    expect(table.since(1)).toBe(10)
    expect(table.counts(1).requests).toBe(0)
  })

  test('reset, drop results of calls admitted before', () => {
    const { table } = create()
    table.admit(1, 0)
    const generation = table.generation(1)
    const bucketEnd = table.bucketEnd(1)
    table.reset(1, 0)
    expect(table.record(1, generation, bucketEnd, FAILURE, 0)).toBe(false)
    expect(table.counts(1).totalFailures).toBe(0)
  })
})

describe('every change', () => {
  test('is told with its slot, states and time', () => {
    const { table, changes } = create()
    trip(table, 3, 5)
    call(table, 3, SUCCESS, 1006)
    expect(changes).toEqual([
      { slot: 3, from: CLOSED, to: OPEN, nowMs: 5 },
      { slot: 3, from: OPEN, to: HALF_OPEN, nowMs: 1006 },
      { slot: 3, from: HALF_OPEN, to: CLOSED, nowMs: 1006 }
    ])
  })

  test('lets the listener see the counts that led to it', () => {
    const seen: unknown[] = []
    const options = resolveCircuitBreakerOptions({ readyToTrip: counts => counts.totalFailures >= 2 })
    const table: BreakerTable = new BreakerTable(
      options,
      () => 0,
      () => seen.push(table.finalCounts())
    )
    table.resize(1)
    table.reset(0, 0)
    call(table, 0, SUCCESS, 0)
    trip(table, 0, 0)
    expect(seen).toMatchObject([{ requests: 3, totalSuccesses: 1, totalFailures: 2, consecutiveFailures: 2 }])
  })
})

test('wouldAdmit is what admit answers, without admitting', () => {
  const { table } = create()
  const answers: number[] = []
  const look = (nowMs: number): void => {
    const expected = table.wouldAdmit(0, nowMs)
    expect(table.wouldAdmit(0, nowMs)).toBe(expected)
    expect(table.admit(0, nowMs)).toBe(expected)
    answers.push(expected)
  }
  look(0)
  trip(table, 0, 0)
  look(TIMEOUT_MS)
  look(TIMEOUT_MS + 1)
  look(TIMEOUT_MS + 1)
  expect(answers).toEqual([ADMITTED, REJECTED_OPEN, ADMITTED, REJECTED_HALF_OPEN_FULL])
})

describe('the deadline of HALF_OPEN', () => {
  test('takes effect at its own time, however late anybody asks', () => {
    const { table, changes } = create({ halfOpenTimeoutMs: 100 })
    trip(table, 0, 0)
    table.admit(0, 2000)
    expect(table.expiry(0)).toBe(2100)
    expect(table.state(0, 2500)).toBe(OPEN)
    expect(table.since(0)).toBe(2100)
    expect(table.expiry(0)).toBe(3100)
    expect(changes.at(-1)).toEqual({ slot: 0, from: HALF_OPEN, to: OPEN, nowMs: 2100 })
  })

  test('is none while no probe is under way', () => {
    const { table } = create({ halfOpenTimeoutMs: 100, maxRequests: 2 })
    trip(table, 0, 0)
    expect(table.state(0, 2000)).toBe(HALF_OPEN)
    expect(table.expiry(0)).toBe(Infinity)
    call(table, 0, IGNORED, 2000)
    expect(table.expiry(0)).toBe(Infinity)
    call(table, 0, SUCCESS, 2000)
    expect(table.expiry(0)).toBe(Infinity)
  })

  test('starts anew with each probe that ends while others are under way', () => {
    const { table } = create({ halfOpenTimeoutMs: 100, maxRequests: 3 })
    trip(table, 0, 0)
    for (let probe = 0; probe < 3; probe++) table.admit(0, 2000)
    table.record(0, table.generation(0), Infinity, SUCCESS, 2050)
    expect(table.expiry(0)).toBe(2150)
  })

  test('does not start anew with a probe admitted beside others', () => {
    const { table } = create({ halfOpenTimeoutMs: 100, maxRequests: 3 })
    trip(table, 0, 0)
    table.admit(0, 2000)
    table.admit(0, 2050)
    expect(table.expiry(0)).toBe(2100)
  })
})

describe('trips', () => {
  test('are counted per OPEN and forgotten one per timeoutDecayMs CLOSED', () => {
    const { table } = create({ timeoutGrowth: 2, timeoutDecayMs: 100 })
    trip(table, 0, 0)
    call(table, 0, FAILURE, 2000)
    expect(table.trips(0, 2000)).toBe(2)
    call(table, 0, SUCCESS, 10_000)
    expect([10_000, 10_099, 10_100, 10_200, 20_000].map(nowMs => table.trips(0, nowMs))).toEqual([
      2, 2, 1, 0, 0
    ])
  })

  test('are forgotten for good only when the circuit opens again', () => {
    const { table } = create({ timeoutGrowth: 2, timeoutDecayMs: 100 })
    trip(table, 0, 0)
    call(table, 0, SUCCESS, 2000)
    trip(table, 0, 2050)
    expect(table.trips(0, 2050)).toBe(2)
    expect(table.expiry(0)).toBe(2050 + 2 * TIMEOUT_MS)
  })

  test('are counted up to a thousand', () => {
    const { table } = create({ timeoutGrowth: 1.001, timeoutDecayMs: 1 })
    let nowMs = 0
    trip(table, 0, nowMs)
    for (let probe = 0; probe < 1100; probe++) {
      nowMs = table.expiry(0) + 1
      call(table, 0, FAILURE, nowMs)
    }
    expect(table.trips(0, nowMs)).toBe(1000)
    nowMs = table.expiry(0) + 1
    call(table, 0, SUCCESS, nowMs)
    expect(table.trips(0, nowMs + 999)).toBe(1)
    expect(table.trips(0, nowMs + 1000)).toBe(0)
  })

  test('survive the end of a fixed window', () => {
    const { table } = create({ timeoutGrowth: 2, timeoutDecayMs: 1000, intervalMs: 10 })
    trip(table, 0, 0)
    call(table, 0, SUCCESS, 2000)
    call(table, 0, SUCCESS, 2500)
    expect(table.trips(0, 2500)).toBe(1)
    expect(table.since(0)).toBe(2000)
  })
})

/** Has a circuit that is OPEN close; returns the successes that took. */
function close(table: BreakerTable, slot: number, nowMs: number): number {
  for (let made = 1; ; made++) {
    call(table, slot, SUCCESS, nowMs)
    if (table.state(slot, nowMs) === CLOSED) return made
  }
}

describe('relapses', () => {
  test('are trips out of CLOSED that come before the one before is forgiven', () => {
    const { table } = create({ timeoutDecayMs: 100 })
    trip(table, 0, 0)
    expect(table.relapses(0, 0)).toBe(0)
    close(table, 0, 2000)
    trip(table, 0, 2099)
    expect(table.relapses(0, 2099)).toBe(1)
    close(table, 0, 4000)
    trip(table, 0, 4200)
    expect([table.trips(0, 4200), table.relapses(0, 4200)]).toEqual([1, 0])
  })

  test('are not the probes that fail', () => {
    const { table } = create()
    trip(table, 0, 0)
    for (let probe = 0; probe < 5; probe++) call(table, 0, FAILURE, table.expiry(0) + 1)
    expect([table.trips(0, 10_000), table.relapses(0, 10_000)]).toEqual([6, 0])
  })

  test('are not forgiven while the circuit is OPEN', () => {
    const { table } = create({ timeoutDecayMs: 100 })
    trip(table, 0, 0)
    close(table, 0, 2000)
    trip(table, 0, 2050)
    expect(table.relapses(0, 1_000_000)).toBe(1)
  })

  test('are counted up to 31, and touch nothing else', () => {
    const { table } = create({ timeoutDecayMs: 1e9, timeoutMs: 1 })
    for (let nowMs = 0; nowMs < 2000; nowMs += 10) {
      trip(table, 0, nowMs)
      close(table, 0, nowMs + 5)
    }
    expect([table.trips(0, 2000), table.relapses(0, 2000), table.state(0, 2000)]).toEqual([200, 31, CLOSED])
  })
})

describe('proof', () => {
  /** Successes needed to close after so many relapses. */
  function needed(options: Partial<CircuitBreakerOptions>, relapses: number): number {
    const { table } = create({ maxRequests: 20, successThreshold: 3, ...options })
    trip(table, 0, 0)
    for (let relapse = 0; relapse < relapses; relapse++) {
      const nowMs = table.expiry(0) + 1
      close(table, 0, nowMs)
      trip(table, 0, nowMs)
    }
    return close(table, 0, table.expiry(0) + 1)
  }

  test('is always the same by default', () => {
    expect([0, 1, 4].map(relapses => needed({}, relapses))).toEqual([3, 3, 3])
  })

  test('grows with each relapse', () => {
    expect([0, 1, 2].map(relapses => needed({ proofGrowth: 2 }, relapses))).toEqual([3, 6, 12])
    expect(needed({ proofGrowth: 1.5 }, 1)).toBe(5)
  })

  test('grows up to eight times, and to maxRequests', () => {
    const often = { proofGrowth: 2, maxRequests: 100 }
    expect([3, 4, 8].map(relapses => needed(often, relapses))).toEqual([24, 24, 24])
    expect(needed({ proofGrowth: 2 }, 8)).toBe(20)
  })

  test('shrinks as relapses are forgiven', () => {
    const { table } = create({ proofGrowth: 2, timeoutDecayMs: 100 })
    trip(table, 0, 0)
    call(table, 0, SUCCESS, 2000)
    trip(table, 0, 2000)
    call(table, 0, SUCCESS, 10_000)
    expect([10_000, 10_099, 10_100, 20_000].map(nowMs => table.proof(0, nowMs))).toEqual([2, 2, 1, 1])
  })
})

describe('trip and stayOpen', () => {
  test('open a circuit for a reason of the caller’s', () => {
    const { table, changes } = create()
    table.trip(0, 50)
    expect(table.state(0, 50)).toBe(OPEN)
    expect(table.expiry(0)).toBe(50 + TIMEOUT_MS)
    expect(changes).toEqual([{ slot: 0, from: CLOSED, to: OPEN, nowMs: 50 }])
  })

  test('an OPEN circuit is not opened again', () => {
    const { table, changes } = create()
    table.trip(0, 50)
    table.trip(0, 500)
    expect(table.expiry(0)).toBe(50 + TIMEOUT_MS)
    expect(changes).toHaveLength(1)
  })

  test('stayOpen lengthens an OPEN time, and never shortens it', () => {
    const { table } = create()
    table.trip(0, 0)
    table.stayOpen(0, TIMEOUT_MS - 1)
    expect(table.expiry(0)).toBe(TIMEOUT_MS)
    table.stayOpen(0, TIMEOUT_MS + 1)
    expect(table.expiry(0)).toBe(TIMEOUT_MS + 1)
  })
})

describe('endOpen', () => {
  test('has a circuit probed before its time', () => {
    const { table, changes } = create()
    table.trip(0, 50)
    table.stayOpen(0, 10 * TIMEOUT_MS)
    expect(table.endOpen(0, 60)).toBe(true)
    expect(changes.at(-1)).toEqual({ slot: 0, from: OPEN, to: HALF_OPEN, nowMs: 60 })
    call(table, 0, SUCCESS, 60)
    expect(table.state(0, 60)).toBe(CLOSED)
  })

  test('a probe that fails opens it again, for longer, as after its time', () => {
    const { table } = create({ timeoutGrowth: 2 })
    table.trip(0, 0)
    table.endOpen(0, 10)
    call(table, 0, FAILURE, 10)
    expect(table.state(0, 10)).toBe(OPEN)
    expect(table.expiry(0)).toBe(10 + 2 * TIMEOUT_MS)
  })

  test('changes nothing for one that is not OPEN', () => {
    const { table, changes } = create()
    expect(table.endOpen(0, 0)).toBe(false)
    table.trip(0, 0)
    expect(table.endOpen(0, TIMEOUT_MS + 1)).toBe(false)
    expect(table.state(0, TIMEOUT_MS + 1)).toBe(HALF_OPEN)
    expect(changes).toHaveLength(2)
  })
})

describe('a rolling window', () => {
  const options = {
    intervalMs: 100,
    bucketPeriodMs: 10,
    readyToTrip: (counts: { totalFailures: number }) => counts.totalFailures >= 3
  }

  test('drops what is older than its length, bucket by bucket', () => {
    const { table } = create(options)
    call(table, 0, FAILURE, 5)
    call(table, 0, FAILURE, 15)
    table.state(0, 99)
    expect(table.counts(0).totalFailures).toBe(2)
    table.state(0, 100)
    expect(table.counts(0)).toMatchObject({ requests: 1, totalFailures: 1 })
    table.state(0, 110)
    expect(table.counts(0)).toMatchObject({ requests: 0, totalFailures: 0 })
  })

  test('starts anew in each CLOSED', () => {
    const { table } = create(options)
    call(table, 0, FAILURE, 95)
    call(table, 0, FAILURE, 95)
    call(table, 0, FAILURE, 95)
    call(table, 0, SUCCESS, 1096)
    expect(table.state(0, 1096)).toBe(CLOSED)
    call(table, 0, FAILURE, 1100)
    call(table, 0, FAILURE, 1195)
    expect(table.counts(0).totalFailures).toBe(2)
    table.state(0, 1196)
    expect(table.counts(0).totalFailures).toBe(1)
  })

  test('counts a late result where its call was admitted, and drops it when that is gone', () => {
    const { table } = create(options)
    table.admit(0, 5)
    table.admit(0, 5)
    const generation = table.generation(0)
    const bucketEnd = table.bucketEnd(0)
    table.record(0, generation, bucketEnd, FAILURE, 99)
    expect(table.counts(0)).toMatchObject({ requests: 2, totalFailures: 1 })
    expect(table.record(0, generation, bucketEnd, FAILURE, 100)).toBe(true)
    expect(table.counts(0)).toMatchObject({ requests: 0, totalFailures: 0 })
  })

  test('shortens a run of failures by what it drops of it, and only of it', () => {
    const { table } = create({ ...options, readyToTrip: () => false })
    call(table, 0, FAILURE, 5)
    call(table, 0, FAILURE, 5)
    call(table, 0, FAILURE, 15)
    call(table, 1, FAILURE, 5)
    call(table, 1, SUCCESS, 15)
    call(table, 1, FAILURE, 25)
    for (const slot of [0, 1]) table.state(slot, 99)
    expect([0, 1].map(slot => table.counts(slot).consecutiveFailures)).toEqual([3, 1])
    for (const slot of [0, 1]) table.state(slot, 100)
    expect([0, 1].map(slot => table.counts(slot).consecutiveFailures)).toEqual([1, 1])
  })

  test('with as many buckets as allowed still counts right', () => {
    const { table } = create({ intervalMs: 1024, bucketPeriodMs: 1, readyToTrip: () => false })
    for (let nowMs = 0; nowMs < 3000; nowMs++) call(table, 1, SUCCESS, nowMs)
    expect(table.counts(1).totalSuccesses).toBe(1024)
    expect(table.counts(0).requests).toBe(0)
    expect(table.counts(2).requests).toBe(0)
    expect(table.trips(1, 3000)).toBe(0)
  })
})

test('results of an older generation are dropped however many generations have passed', () => {
  const { table } = create({ intervalMs: 1 })
  table.admit(0, 0)
  const generation = table.generation(0)
  const bucketEnd = table.bucketEnd(0)
  for (let nowMs = 2; nowMs < 10_000; nowMs += 2) {
    expect(table.record(0, generation, bucketEnd, FAILURE, nowMs)).toBe(false)
  }
  expect(table.counts(0).totalFailures).toBe(0)
})
