import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BreakerTable } from '../../src/core/breaker-table.ts'
import { resolveCircuitBreakerOptions } from '../../src/core/circuit-breaker.ts'
import { FAILURE, IGNORED, SUCCESS } from '../../src/core/index.ts'

/** What a window of results is: all of them, each with the number of the bucket its call was admitted in. */
class NaiveWindow {
  readonly #periodMs: number
  readonly #buckets: number
  readonly #results: Array<{ bucket: number; outcome: number }> = []
  readonly #requests: number[] = []

  constructor(periodMs: number, buckets: number) {
    this.#periodMs = periodMs
    this.#buckets = buckets
  }

  /** Notes an admission; returns the number of its bucket. */
  admit(nowMs: number): number {
    const bucket = this.#bucketAt(nowMs)
    this.#requests.push(bucket)
    return bucket
  }

  record(bucket: number, outcome: number): void {
    this.#results.push({ bucket, outcome })
  }

  counts(nowMs: number) {
    const oldest = this.#bucketAt(nowMs) - this.#buckets + 1
    const count = (outcome: number): number =>
      this.#results.filter(result => result.bucket >= oldest && result.outcome === outcome).length
    return {
      requests: this.#requests.filter(bucket => bucket >= oldest).length,
      totalSuccesses: count(SUCCESS),
      totalFailures: count(FAILURE),
      totalExclusions: count(IGNORED)
    }
  }

  #bucketAt(nowMs: number): number {
    return Math.floor(nowMs / this.#periodMs)
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('admit' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('record' as const),
      call: fc.nat(),
      outcome: fc.constantFrom(SUCCESS, FAILURE, IGNORED)
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.oneof(fc.nat(15), fc.nat(150)) })
  }
)

test('the totals of a rolling window are those of a model that keeps every result', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(step, { maxLength: 120, size: 'max' }),
      (buckets, bucketPeriodMs, steps) => {
        const options = resolveCircuitBreakerOptions({
          intervalMs: buckets * bucketPeriodMs,
          bucketPeriodMs,
          readyToTrip: () => false
        })
        const table = new BreakerTable(
          options,
          () => 0,
          () => {}
        )
        table.resize(3)
        for (let slot = 0; slot < 3; slot++) table.reset(slot, 0)
        const untouched = table.counts(0)
        const model = new NaiveWindow(bucketPeriodMs, buckets)
        const calls: Array<{ bucket: number; generation: number; bucketEnd: number }> = []
        let nowMs = 0
        for (const action of steps) {
          if (action.do === 'advance') nowMs += action.ms
          if (action.do === 'admit') {
            table.admit(1, nowMs)
            calls.push({
              bucket: model.admit(nowMs),
              generation: table.generation(1),
              bucketEnd: table.bucketEnd(1)
            })
          }
          if (action.do === 'record' && calls.length > 0) {
            const [call] = calls.splice(action.call % calls.length, 1)
            model.record(call!.bucket, action.outcome)
            table.record(1, call!.generation, call!.bucketEnd, action.outcome, nowMs)
          }
          table.state(1, nowMs)
          expect(table.counts(1)).toMatchObject(model.counts(nowMs))
        }
        expect(table.counts(0)).toEqual(untouched)
        expect(table.counts(2)).toEqual(untouched)
      }
    ),
    { numRuns: 100, seed: 20_260_101 }
  )
})

test('a circuit opens at the results of the window, never of what it has left behind', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ ms: fc.nat(40), failed: fc.boolean() }), { maxLength: 80, size: 'max' }),
      fc.integer({ min: 1, max: 6 }),
      (results, limit) => {
        let openedAt = -1
        const options = resolveCircuitBreakerOptions({
          intervalMs: 100,
          bucketPeriodMs: 10,
          readyToTrip: counts => counts.totalFailures >= limit
        })
        const table = new BreakerTable(
          options,
          () => 0,
          (_slot, _from, _to, nowMs) => {
            openedAt = nowMs
          }
        )
        table.resize(1)
        table.reset(0, 0)
        const model = new NaiveWindow(10, 10)
        let nowMs = 0
        for (const { ms, failed } of results) {
          nowMs += ms
          const outcome = failed ? FAILURE : SUCCESS
          model.record(model.admit(nowMs), outcome)
          table.admit(0, nowMs)
          table.record(0, table.generation(0), table.bucketEnd(0), outcome, nowMs)
          const mustOpen = failed && model.counts(nowMs).totalFailures >= limit
          expect(openedAt).toBe(mustOpen ? nowMs : -1)
          if (mustOpen) return
        }
      }
    ),
    { numRuns: 150, seed: 20_260_102 }
  )
})
