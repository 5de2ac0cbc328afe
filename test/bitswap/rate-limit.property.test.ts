import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RateLimit } from '../../src/bitswap/rate-limit.ts'
import { ManualClock } from '../../src/core/index.ts'

const BURST_MS = 1_000
const MAX_CREDIT_MS = 300
const ROUNDING_MS = 1e-6

const key = fc.constantFrom('a', 'b', 'c')
const wait = fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 800 }) })
const take = fc.record({
  do: fc.constant('take' as const),
  key,
  costMs: fc.integer({ min: 0, max: 1_200 }),
  creditMs: fc.constantFrom(0, 0, MAX_CREDIT_MS)
})
const charge = fc.record({
  do: fc.constant('charge' as const),
  key,
  costMs: fc.integer({ min: 0, max: 5_000 })
})
const giveBack = fc.record({
  do: fc.constant('giveBack' as const),
  key,
  costMs: fc.integer({ min: 0, max: 2_000 })
})
const demand = fc.oneof(wait, { weight: 4, arbitrary: take }, charge)
const anything = fc.oneof(demand, giveBack)

type Step = typeof anything extends fc.Arbitrary<infer Value> ? Value : never

interface Taken {
  readonly key: string
  readonly costMs: number
  readonly atMs: number
}

/** Does all of it, and returns what was admitted. */
function run(limit: RateLimit, clock: ManualClock, steps: readonly Step[]): Taken[] {
  const admitted: Taken[] = []
  for (const step of steps) {
    if (step.do === 'wait') clock.advance(step.ms)
    if (step.do === 'charge') limit.charge(step.key, step.costMs)
    if (step.do === 'giveBack') limit.giveBack(step.key, step.costMs)
    if (step.do === 'take' && limit.take(step.key, step.costMs, step.creditMs)) {
      admitted.push({ key: step.key, costMs: step.costMs, atMs: clock.now() })
    }
  }
  return admitted
}

test('over any interval a key is given no more than its burst, the time that passed and its credit', () => {
  fc.assert(
    fc.property(fc.array(demand, { maxLength: 60 }), steps => {
      const clock = new ManualClock(123)
      const admitted = run(new RateLimit(10, BURST_MS, clock), clock, steps)
      for (const name of ['a', 'b', 'c']) {
        const own = admitted.filter(taken => taken.key === name)
        for (const [index, first] of own.entries()) {
          let sumMs = 0
          for (const { costMs, atMs } of own.slice(index)) {
            sumMs += costMs
            expect(sumMs).toBeLessThanOrEqual(BURST_MS + MAX_CREDIT_MS + atMs - first.atMs + ROUNDING_MS)
          }
        }
      }
    })
  )
})

test('a key gets in again after a bounded time, whatever it did before', () => {
  fc.assert(
    fc.property(
      fc.array(anything, { maxLength: 60 }),
      fc.integer({ min: 0, max: BURST_MS }),
      (steps, costMs) => {
        const clock = new ManualClock(123)
        const limit = new RateLimit(10, BURST_MS, clock)
        run(limit, clock, steps)
        clock.advance(costMs + MAX_CREDIT_MS + ROUNDING_MS)
        expect(limit.take('a', costMs)).toBe(true)
      }
    )
  )
})

test('while it goes on and on it still gets what its rate comes to', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: BURST_MS }), fc.integer({ min: 1, max: 50 }), (costMs, everyMs) => {
      const clock = new ManualClock()
      const limit = new RateLimit(10, BURST_MS, clock)
      let gotMs = 0
      for (let at = 0; at < 20_000; at += everyMs) {
        if (limit.take('a', costMs)) gotMs += costMs
        clock.advance(everyMs)
      }
      const askedMs = (20_000 / everyMs) * costMs
      expect(gotMs).toBeGreaterThanOrEqual(Math.min(askedMs, 20_000) - costMs - 2 * everyMs)
    })
  )
})

test('giving back makes nobody richer than one that is new', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 60 }), steps => {
      const clock = new ManualClock(123)
      const limit = new RateLimit(10, BURST_MS, clock)
      run(limit, clock, steps)
      for (const name of ['a', 'b', 'c']) expect(limit.take(name, BURST_MS + 1)).toBe(false)
    })
  )
})

test('there are never more keys than there may be, and who owes stays known', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 900 }), fc.nat(30)), { maxLength: 200 }),
      (maxKeys, demands) => {
        const clock = new ManualClock()
        const limit = new RateLimit(maxKeys, BURST_MS, clock)
        limit.take('debtor', BURST_MS)
        let passedMs = 0
        for (const [number, costMs, waitMs] of demands) {
          limit.take(`peer ${number}`, costMs)
          expect(limit.size).toBeLessThanOrEqual(maxKeys)
          clock.advance(waitMs)
          passedMs += waitMs
          if (passedMs < BURST_MS) expect(limit.take('debtor', passedMs + 1)).toBe(false)
        }
      }
    )
  )
})
