import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BreakerTable } from '../../src/core/breaker-table.ts'
import { type CircuitBreakerOptions, resolveCircuitBreakerOptions } from '../../src/core/circuit-breaker.ts'
import { resolveHealthOptions } from '../../src/core/health-monitor.ts'
import { HealthTable } from '../../src/core/health-table.ts'
import { FAILURE, IGNORED, SUCCESS, tripAt } from '../../src/core/index.ts'
import { ProtectionTable } from '../../src/core/protection-table.ts'
import { RecordStore } from '../../src/core/record-store.ts'

const SLOTS = 2

/** Breaker and health side by side, each with records of its own, and nothing done by any shorter way. */
class Plain {
  readonly breakers: BreakerTable
  readonly health: HealthTable
  readonly inFlight = new Array<number>(SLOTS).fill(0)

  readonly #slowCallMs: number

  constructor(breaker: Readonly<CircuitBreakerOptions>, health: ReturnType<typeof resolveHealthOptions>) {
    this.#slowCallMs = breaker.slowCallMs
    const records = new RecordStore(0)
    this.breakers = new BreakerTable(
      breaker,
      () => 0,
      () => {}
    )
    this.health = new HealthTable(health, records, 0)
    this.breakers.resize(SLOTS)
    records.resize(SLOTS)
    for (let slot = 0; slot < SLOTS; slot++) {
      this.breakers.reset(slot, 0)
      this.health.reset(slot, 0)
    }
  }

  admit(slot: number, nowMs: number) {
    const answer = this.breakers.admit(slot, nowMs)
    if (answer < 0) return answer
    this.inFlight[slot]!++
    return {
      slot,
      startedAt: nowMs,
      generation: this.breakers.generation(slot),
      bucketEnd: this.breakers.bucketEnd(slot)
    }
  }

  settle(call: Exclude<ReturnType<Plain['admit']>, number>, outcome: number, nowMs: number): void {
    const { slot, startedAt, generation, bucketEnd } = call
    const elapsedMs = nowMs - startedAt
    const judged = outcome === SUCCESS && elapsedMs > this.#slowCallMs ? FAILURE : outcome
    this.inFlight[slot]!--
    if (!this.breakers.record(slot, generation, bucketEnd, judged, nowMs)) return
    if (judged === IGNORED) this.health.touch(slot, nowMs)
    else this.health.record(slot, elapsedMs, judged === FAILURE, nowMs)
  }
}

/** All that is known of a slot. */
function known(breakers: BreakerTable, health: HealthTable, slot: number, nowMs: number): unknown {
  return {
    state: breakers.state(slot, nowMs),
    counts: breakers.counts(slot),
    since: breakers.since(slot),
    expiry: breakers.expiry(slot),
    trips: breakers.trips(slot, nowMs),
    relapses: breakers.relapses(slot, nowMs),
    status: health.status(slot, nowMs),
    lastStatus: health.lastStatus(slot),
    successes: health.successes(slot, nowMs),
    failures: health.failures(slot, nowMs),
    consecutiveErrors: health.consecutiveErrors(slot),
    responseTimeMs: health.responseTimeMs(slot),
    deviationMs: health.deviationMs(slot),
    lastUsed: health.lastUsed(slot)
  }
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('admit' as const), slot: fc.nat(SLOTS - 1) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      call: fc.nat(),
      outcome: fc.oneof(
        { weight: 12, arbitrary: fc.constant(SUCCESS) },
        { weight: 2, arbitrary: fc.constant(FAILURE) },
        { weight: 1, arbitrary: fc.constant(IGNORED) }
      )
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.oneof({ weight: 4, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.nat(200) })
    })
  }
)

test('calls to targets that do well are counted as all others are, though by a shorter way', () => {
  fc.assert(
    fc.property(
      fc.constantFrom([0, 0], [50, 0], [100, 50], [60, 10]),
      fc.constantFrom(40, 1000),
      fc.array(step, { minLength: 20, maxLength: 200, size: 'max' }),
      ([intervalMs, bucketPeriodMs], slowCallMs, steps) => {
        const breaker = resolveCircuitBreakerOptions({
          intervalMs: intervalMs!,
          bucketPeriodMs: bucketPeriodMs!,
          timeoutMs: 100,
          timeoutGrowth: 2,
          timeoutDecayMs: 100,
          slowCallMs,
          readyToTrip: tripAt({ consecutiveFailures: 3 })
        })
        const health = resolveHealthOptions({
          checkIntervalMs: 500,
          healthyThreshold: 0.6,
          degradedThreshold: 0.3,
          maxResponseTimeMs: slowCallMs - 10,
          minRequests: 2
        })
        const plain = new Plain(breaker, health)
        const table = new ProtectionTable(
          { breaker, health, recovery: undefined, maxInFlight: 1000, maxEjectedShare: 1 },
          'enforce',
          () => 0,
          0,
          { known: () => SLOTS, mayEject: () => true },
          () => {}
        )
        table.resize(SLOTS)
        for (let slot = 0; slot < SLOTS; slot++) table.reset(slot, 0)

        const calls: Array<{ token: number; plain: Exclude<ReturnType<Plain['admit']>, number> }> = []
        let nowMs = 0
        for (const action of steps) {
          if (action.do === 'advance') nowMs += action.ms
          if (action.do === 'admit') {
            const expected = plain.admit(action.slot, nowMs)
            const token = table.admit(action.slot, nowMs)
            if (typeof expected === 'number') expect(token).toBe(expected)
            else {
              expect(token).toBeGreaterThanOrEqual(0)
              calls.push({ token, plain: expected })
            }
          }
          if (action.do === 'settle' && calls.length > 0) {
            const [call] = calls.splice(action.call % calls.length, 1)
            plain.settle(call!.plain, action.outcome, nowMs)
            expect(table.settle(call!.plain.slot, call!.token, action.outcome, nowMs)).toBe(true)
          }
          const slot = 'slot' in action ? action.slot : 0
          expect(known(table.breakers, table.health!, slot, nowMs)).toEqual(
            known(plain.breakers, plain.health, slot, nowMs)
          )
        }
        for (let slot = 0; slot < SLOTS; slot++) {
          expect(known(table.breakers, table.health!, slot, nowMs)).toEqual(
            known(plain.breakers, plain.health, slot, nowMs)
          )
          expect(table.inFlight(slot)).toBe(plain.inFlight[slot])
        }
        expect(table.health!.latency(nowMs)).toEqual(plain.health.latency(nowMs))
      }
    ),
    { numRuns: 100, seed: 20_260_114 }
  )
})
