import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HealthMonitor, type HealthStatus, ManualClock } from '../../src/core/index.ts'

interface Result {
  atMs: number
  responseTimeMs: number
  failed: boolean
}

interface NaiveOptions {
  checkIntervalMs: number
  healthyThreshold: number
  degradedThreshold: number
  maxResponseTimeMs: number
  maxConsecutiveErrors: number
  minRequests: number
}

/** Health worked out anew, each time, from every result there ever was. */
function naiveHealth(results: readonly Result[], options: NaiveOptions, nowMs: number) {
  const interval = (atMs: number): number => Math.floor(atMs / options.checkIntervalMs)
  const recent = results.filter(({ atMs }) => interval(atMs) >= interval(nowMs) - 1)
  const successes = recent.filter(({ failed }) => !failed).length
  const consecutiveErrors = results.length - 1 - results.findLastIndex(({ failed }) => !failed)
  const times = results.filter(({ failed }) => !failed).map(({ responseTimeMs }) => responseTimeMs)
  const smoothed = { mean: 0, deviation: 0 }
  times.forEach((time, index) => {
    smoothed.deviation =
      index === 0 ? time / 2 : 0.75 * smoothed.deviation + 0.25 * Math.abs(smoothed.mean - time)
    smoothed.mean = index === 0 ? time : 0.875 * smoothed.mean + 0.125 * time
  })
  const successRate = recent.length === 0 ? 1 : successes / recent.length
  const status = (): HealthStatus => {
    if (recent.length === 0) return 'UNKNOWN'
    if (consecutiveErrors >= options.maxConsecutiveErrors) return 'UNHEALTHY'
    if (recent.length < options.minRequests) return 'UNKNOWN'
    if (successRate < options.degradedThreshold) return 'UNHEALTHY'
    const isFit = successRate >= options.healthyThreshold && smoothed.mean <= options.maxResponseTimeMs
    return isFit ? 'HEALTHY' : 'DEGRADED'
  }
  return { status: status(), successRate, requests: recent.length, consecutiveErrors, ...smoothed }
}

const options = fc.record({
  checkIntervalMs: fc.integer({ min: 100, max: 500 }),
  healthyThreshold: fc.constantFrom(0.75, 0.875, 1),
  degradedThreshold: fc.constantFrom(0.25, 0.5, 0.75),
  maxResponseTimeMs: fc.constantFrom(50, 100, 1000),
  maxConsecutiveErrors: fc.integer({ min: 1, max: 6 }),
  minRequests: fc.integer({ min: 1, max: 8 })
})

const steps = fc.array(
  fc.record({
    ms: fc.oneof({ weight: 3, arbitrary: fc.nat(60) }, { weight: 1, arbitrary: fc.nat(1500) }),
    key: fc.constantFrom('a', 'b', 'c'),
    responseTimeMs: fc.integer({ min: 1, max: 300 }),
    failed: fc.boolean()
  }),
  { maxLength: 100, size: 'max' }
)

test('health is that of a model that keeps every result', () => {
  fc.assert(
    fc.property(options, steps, (chosen, actions) => {
      const clock = new ManualClock()
      const monitor = new HealthMonitor(chosen, { clock })
      const results = new Map<string, Result[]>()
      for (const { ms, key, responseTimeMs, failed } of actions) {
        clock.advance(ms)
        const ofKey = results.get(key) ?? []
        results.set(key, ofKey)
        ofKey.push({ atMs: clock.now(), responseTimeMs, failed })
        monitor.recordRequest(key, responseTimeMs, failed ? new Error('refused') : undefined)
        for (const [known, itsResults] of results) {
          const health = monitor.getHealth(known)!
          const { mean, deviation, ...expected } = naiveHealth(itsResults, chosen, clock.now())
          expect(health).toMatchObject(expected)
          expect(health.responseTimeMs).toBeCloseTo(mean, 2)
          expect(health.responseTimeDeviationMs).toBeCloseTo(deviation, 2)
        }
      }
    }),
    { numRuns: 60, seed: 20_260_104 }
  )
})

test('a target left alone ends UNKNOWN, whatever it did', () => {
  fc.assert(
    fc.property(options, steps, (chosen, actions) => {
      const clock = new ManualClock()
      const monitor = new HealthMonitor(chosen, { clock })
      for (const { ms, key, responseTimeMs, failed } of actions) {
        clock.advance(ms)
        monitor.recordRequest(key, responseTimeMs, failed ? new Error('refused') : undefined)
      }
      clock.advance(2 * chosen.checkIntervalMs)
      for (const [, health] of monitor.targets()) {
        expect(health).toMatchObject({ status: 'UNKNOWN', requests: 0, successRate: 1 })
      }
    }),
    { numRuns: 50, seed: 20_260_105 }
  )
})
