import { describe, expect, test } from 'vitest'
import { defaultRecoveryOptions, type RecoveryOptions, type RecoveryStrategy } from '../../src/core/index.ts'
import { Ramp, rampRates } from '../../src/core/ramp.ts'
import { resolveRecoveryOptions } from '../../src/core/recovery-manager.ts'

const INTERVAL_MS = 1000

function create(given: Partial<RecoveryOptions> = {}, proof = 1) {
  const options = resolveRecoveryOptions({
    strategy: 'STEP',
    recoverySteps: [0.1, 0.5, 1],
    recoveryIntervalMs: INTERVAL_MS,
    successThreshold: 3,
    failureThreshold: 3,
    maxRecoveryTimeMs: 100_000,
    ...given
  })
  return new Ramp(options, rampRates(options), 0, proof)
}

function succeed(ramp: Ramp, times = 1): void {
  for (let made = 0; made < times; made++) ramp.record(false)
}

function fail(ramp: Ramp, times = 1): void {
  for (let made = 0; made < times; made++) ramp.record(true)
}

/** How many of so many calls offered are admitted. */
function take(ramp: Ramp, offers: number): number {
  return Array.from({ length: offers }, () => ramp.take()).filter(Boolean).length
}

function rates(given: Partial<RecoveryOptions>): readonly number[] {
  return rampRates(resolveRecoveryOptions(given))
}

describe('the shares', () => {
  test('of LINEAR rise by the increment', () => {
    const linear = rates({ strategy: 'LINEAR', initialRecoveryRate: 0.2, recoveryIncrement: 0.2 })
    expect(linear).toHaveLength(5)
    for (const [k, rate] of linear.entries()) expect(rate).toBeCloseTo(0.2 + k * 0.2, 12)
  })

  test('of LINEAR end at the maximum, however it divides', () => {
    const linear = rates({
      strategy: 'LINEAR',
      initialRecoveryRate: 0.1,
      maxRecoveryRate: 0.8,
      recoveryIncrement: 0.3
    })
    expect(linear.map(rate => Number(rate.toFixed(9)))).toEqual([0.1, 0.4, 0.7, 0.8])
  })

  test('of EXPONENTIAL rise by equal factors, in as many steps as LINEAR', () => {
    const exponential = rates({
      strategy: 'EXPONENTIAL',
      initialRecoveryRate: 0.25,
      recoveryIncrement: 0.375
    })
    expect(exponential).toHaveLength(3)
    for (const [k, rate] of exponential.entries()) expect(rate).toBeCloseTo([0.25, 0.5, 1][k]!, 12)
  })

  test('of the defaults take nine steps from 0.1 to 1', () => {
    for (const strategy of ['LINEAR', 'EXPONENTIAL'] satisfies RecoveryStrategy[]) {
      const steps = rates({ strategy })
      expect(steps).toHaveLength(10)
      expect(steps[0]).toBe(0.1)
      expect(steps[9]).toBe(1)
    }
  })

  test('take no step too many for what rounding does to their number', () => {
    // (0.4 - 0.1) / 0.1 is a little more than 3.
    const linear = rates({ strategy: 'LINEAR', initialRecoveryRate: 0.1, maxRecoveryRate: 0.4 })
    expect(linear).toHaveLength(4)
  })

  test('of STEP are the table', () => {
    expect(rates({ strategy: 'STEP' })).toEqual(defaultRecoveryOptions.recoverySteps)
  })

  test('are one when there is nothing to rise', () => {
    for (const strategy of ['LINEAR', 'EXPONENTIAL'] satisfies RecoveryStrategy[]) {
      expect(rates({ strategy, initialRecoveryRate: 0.5, maxRecoveryRate: 0.5 })).toEqual([0.5])
    }
  })

  test('EXPONENTIAL stays below LINEAR between the ends', () => {
    const [linear, exponential] = (['LINEAR', 'EXPONENTIAL'] satisfies RecoveryStrategy[]).map(strategy =>
      rates({ strategy, initialRecoveryRate: 0.05, recoveryIncrement: 0.07 })
    )
    expect(exponential).toHaveLength(linear!.length)
    for (let k = 1; k < linear!.length - 1; k++) expect(exponential![k]!).toBeLessThan(linear![k]!)
  })
})

describe('admitting', () => {
  test('begins with the very first call', () => {
    expect(create().take()).toBe(true)
  })

  test.each([0.1, 0.25, 0.3, 0.5, 0.9, 1])('gives a share of %d', share => {
    const ramp = create({ recoverySteps: [share] })
    expect(take(ramp, 1000)).toBe(Math.round(1000 * share))
  })

  test('spreads them evenly', () => {
    const ramp = create({ recoverySteps: [0.25] })
    expect(Array.from({ length: 8 }, () => ramp.take())).toEqual([
      true,
      false,
      false,
      false,
      true,
      false,
      false,
      false
    ])
  })

  test('lets through each tenth of ten, not one fewer by rounding', () => {
    const ramp = create({ recoverySteps: [0.1] })
    const taken = Array.from({ length: 1000 }, (_, call) => (ramp.take() ? call : -1)).filter(
      call => call >= 0
    )
    expect(taken).toEqual(Array.from({ length: 100 }, (_, tenth) => tenth * 10))
  })

  test('of everything is everything', () => {
    expect(take(create({ recoverySteps: [1] }), 100)).toBe(100)
  })

  test('is foreseen by wouldTake', () => {
    const ramp = create({ recoverySteps: [0.3] })
    for (let call = 0; call < 100; call++) {
      const expected = ramp.wouldTake
      expect(ramp.wouldTake).toBe(expected)
      expect(ramp.take()).toBe(expected)
    }
  })
})

describe('a step', () => {
  test('is taken when its interval has passed and it saw a success', () => {
    const ramp = create()
    succeed(ramp)
    ramp.judge(INTERVAL_MS - 1)
    expect(ramp.rate).toBe(0.1)
    ramp.judge(INTERVAL_MS)
    expect(ramp.rate).toBe(0.5)
  })

  test('is not taken without a success', () => {
    const ramp = create()
    ramp.judge(INTERVAL_MS)
    fail(ramp)
    ramp.judge(2 * INTERVAL_MS)
    expect(ramp.rate).toBe(0.1)
  })

  test('needs a success of its own', () => {
    const ramp = create()
    succeed(ramp, 5)
    ramp.judge(INTERVAL_MS)
    ramp.judge(5 * INTERVAL_MS)
    expect(ramp.rate).toBe(0.5)
    succeed(ramp)
    ramp.judge(5 * INTERVAL_MS)
    expect(ramp.rate).toBe(1)
  })

  test('is one at a time, however long nobody asked', () => {
    const ramp = create()
    succeed(ramp)
    ramp.judge(50 * INTERVAL_MS)
    expect(ramp.rate).toBe(0.5)
  })

  test('begins its interval when it is taken', () => {
    const ramp = create()
    succeed(ramp)
    ramp.judge(1500)
    succeed(ramp)
    ramp.judge(2499)
    expect(ramp.rate).toBe(0.5)
    ramp.judge(2500)
    expect(ramp.rate).toBe(1)
  })
})

describe('of a target that failed before', () => {
  test('a step needs more successes', () => {
    const ramp = create({}, 2)
    succeed(ramp)
    ramp.judge(INTERVAL_MS)
    expect(ramp.rate).toBe(0.1)
    succeed(ramp)
    ramp.judge(INTERVAL_MS)
    expect(ramp.rate).toBe(0.5)
  })

  test('and so does the end', () => {
    const ramp = create({ recoverySteps: [1] }, 1.5)
    succeed(ramp, 4)
    expect(ramp.judge(INTERVAL_MS)).toBe('RECOVERING')
    succeed(ramp)
    expect(ramp.judge(INTERVAL_MS)).toBe('COMPLETE')
  })

  test('that it did not recover in time is told only by as many', () => {
    const setup = { maxRecoveryTimeMs: INTERVAL_MS, failureThreshold: 100 }
    const verdictOf = (proof: number) => {
      const ramp = create(setup, proof)
      succeed(ramp)
      fail(ramp, 2)
      return ramp.judge(INTERVAL_MS)
    }
    expect([1, 2].map(verdictOf)).toEqual(['RELAPSE', 'RECOVERING'])
  })
})

describe('the end', () => {
  test('is COMPLETE after the last step, with successThreshold successes', () => {
    const ramp = create()
    for (let step = 1; step <= 2; step++) {
      succeed(ramp)
      expect(ramp.judge(step * INTERVAL_MS)).toBe('RECOVERING')
    }
    succeed(ramp)
    expect(ramp.judge(3 * INTERVAL_MS - 1)).toBe('RECOVERING')
    expect(ramp.judge(3 * INTERVAL_MS)).toBe('COMPLETE')
  })

  test('is not COMPLETE below successThreshold', () => {
    const ramp = create({ successThreshold: 4, recoverySteps: [1] })
    succeed(ramp, 3)
    expect(ramp.judge(10 * INTERVAL_MS)).toBe('RECOVERING')
    succeed(ramp)
    expect(ramp.judge(10 * INTERVAL_MS)).toBe('COMPLETE')
  })

  test('is not COMPLETE when too many failed', () => {
    const ramp = create({ recoverySteps: [1], failureThreshold: 100 })
    fail(ramp, 2)
    succeed(ramp, 7)
    expect(ramp.judge(10 * INTERVAL_MS)).toBe('RECOVERING')
    succeed(ramp)
    expect(ramp.judge(10 * INTERVAL_MS)).toBe('COMPLETE')
  })

  test('is a RELAPSE at failureThreshold failures in a row, at once', () => {
    const ramp = create()
    fail(ramp, 2)
    expect(ramp.judge(0)).toBe('RECOVERING')
    fail(ramp)
    expect(ramp.judge(0)).toBe('RELAPSE')
  })

  test('is no RELAPSE at failures that are not in a row', () => {
    const ramp = create()
    for (let round = 0; round < 10; round++) {
      fail(ramp, 2)
      succeed(ramp)
    }
    expect(ramp.judge(0)).toBe('RECOVERING')
  })

  test.each([
    ['COMPLETE', 8, 2],
    ['RELAPSE', 7, 3]
  ] as const)(
    'at maxRecoveryTimeMs is %s with %i successes and %i failures',
    (verdict, successes, failures) => {
      const ramp = create({ successThreshold: 8, failureThreshold: 100, maxRecoveryTimeMs: 5000 })
      fail(ramp, failures)
      succeed(ramp, successes)
      expect(ramp.judge(4999)).toBe('RECOVERING')
      expect(ramp.judge(5000)).toBe(verdict)
    }
  )

  test('does not come to a quiet target: neither full traffic nor blame', () => {
    const ramp = create({ maxRecoveryTimeMs: 5000 })
    expect(ramp.judge(1e9)).toBe('RECOVERING')
    expect(ramp.rate).toBe(0.1)
    succeed(ramp, 2)
    expect(ramp.judge(1e9)).toBe('RECOVERING')
    succeed(ramp)
    expect(ramp.judge(1e9)).toBe('COMPLETE')
  })

  test('after maxRecoveryTimeMs comes as soon as the evidence suffices to blame', () => {
    const ramp = create({ maxRecoveryTimeMs: 5000 })
    fail(ramp, 2)
    expect(ramp.judge(6000)).toBe('RECOVERING')
    succeed(ramp)
    expect(ramp.judge(6000)).toBe('RELAPSE')
  })

  test('is the same asked twice', () => {
    const ramp = create({ maxRecoveryTimeMs: 5000 })
    succeed(ramp, 5)
    expect([ramp.judge(5000), ramp.judge(5000)]).toEqual(['COMPLETE', 'COMPLETE'])
  })
})

test('tells what it has seen', () => {
  const ramp = create()
  succeed(ramp, 3)
  fail(ramp, 2)
  expect(ramp).toMatchObject({ successes: 3, failures: 2 })
})
