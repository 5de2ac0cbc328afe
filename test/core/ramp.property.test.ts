import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RecoveryOptions } from '../../src/core/index.ts'
import { Ramp, rampRates } from '../../src/core/ramp.ts'
import { resolveRecoveryOptions } from '../../src/core/recovery-manager.ts'

const INTERVAL_MS = 10

const share = fc.oneof(
  fc.constantFrom(0.1, 0.25, 0.3, 0.5, 1),
  fc.double({ min: 0.001, max: 1, noNaN: true })
)

const options: fc.Arbitrary<Readonly<RecoveryOptions>> = fc
  .record({
    strategy: fc.constantFrom('LINEAR' as const, 'EXPONENTIAL' as const, 'STEP' as const),
    ends: fc.tuple(share, share),
    recoveryIncrement: fc.oneof(fc.constantFrom(0.1, 0.3), fc.double({ min: 0.001, max: 1, noNaN: true })),
    steps: fc.uniqueArray(share, { minLength: 1, maxLength: 6, size: 'max' })
  })
  .map(({ strategy, ends, recoveryIncrement, steps }) =>
    resolveRecoveryOptions({
      strategy,
      initialRecoveryRate: Math.min(...ends),
      maxRecoveryRate: Math.max(...ends),
      recoveryIncrement,
      recoverySteps: steps.toSorted((a, b) => a - b),
      recoveryIntervalMs: INTERVAL_MS,
      failureThreshold: 1_000_000
    })
  )

test('the shares rise, within bounds, and EXPONENTIAL is nowhere above LINEAR', () => {
  fc.assert(
    fc.property(options, chosen => {
      const rates = rampRates(chosen)
      const [lowest, highest] =
        chosen.strategy === 'STEP'
          ? [chosen.recoverySteps[0], chosen.recoverySteps.at(-1)]
          : [chosen.initialRecoveryRate, chosen.maxRecoveryRate]
      expect(rates[0]).toBe(rates.length === 1 ? highest : lowest)
      expect(rates.at(-1)).toBe(highest)
      for (let k = 1; k < rates.length; k++) expect(rates[k]!).toBeGreaterThan(rates[k - 1]!)
      if (chosen.strategy === 'EXPONENTIAL') {
        const linear = rampRates({ ...chosen, strategy: 'LINEAR' })
        expect(rates).toHaveLength(linear.length)
        for (const [k, rate] of rates.entries()) expect(rate).toBeLessThanOrEqual(linear[k]! + 1e-9)
      }
    }),
    { numRuns: 300, seed: 20_260_106 }
  )
})

test('over any window of offers, what is admitted is within one of the shares added up', () => {
  fc.assert(
    fc.property(
      options,
      fc.array(fc.record({ offers: fc.nat(40), succeeds: fc.boolean() }), {
        minLength: 1,
        maxLength: 12,
        size: 'max'
      }),
      (chosen, rounds) => {
        const ramp = new Ramp(chosen, rampRates(chosen), 0, 1)
        let nowMs = 0
        // Admitted so far, less the shares so far: any window is the difference of two of these.
        let ahead = 0
        let highest = 0
        let lowest = 0
        for (const { offers, succeeds } of rounds) {
          for (let offer = 0; offer < offers; offer++) {
            const { rate } = ramp
            ahead += (ramp.take() ? 1 : 0) - rate
            highest = Math.max(highest, ahead)
            lowest = Math.min(lowest, ahead)
          }
          if (succeeds) ramp.record(false)
          nowMs += INTERVAL_MS
          if (ramp.judge(nowMs) !== 'RECOVERING') break
        }
        expect(highest - lowest).toBeLessThanOrEqual(1 + 1e-6)
      }
    ),
    { numRuns: 300, seed: 20_260_107 }
  )
})

test('a ramp whose calls succeed completes, in about the time its steps take', () => {
  fc.assert(
    fc.property(options, fc.integer({ min: 1, max: 30 }), (chosen, successThreshold) => {
      const steps = rampRates(chosen)
      const ramp = new Ramp({ ...chosen, successThreshold }, steps, 0, 1)
      const expected = Math.max(steps.length, successThreshold)
      for (let round = 1; round < expected; round++) {
        ramp.record(false)
        expect(ramp.judge(round * INTERVAL_MS)).toBe('RECOVERING')
      }
      ramp.record(false)
      expect(ramp.judge(expected * INTERVAL_MS)).toBe('COMPLETE')
    }),
    { numRuns: 200, seed: 20_260_108 }
  )
})
