import { describe, expect, test } from 'vitest'
import { resolveCircuitBreakerOptions } from '../../src/core/circuit-breaker.ts'
import { rejectionError } from '../../src/core/errors.ts'
import { resolveHealthOptions } from '../../src/core/health-monitor.ts'
import {
  CallTimeoutError,
  CircuitBreaker,
  CircuitOpenError,
  defaultCircuitBreakerOptions,
  defaultHealthOptions,
  defaultProtectionOptions,
  defaultRecoveryOptions,
  defaultTripRule,
  HealthMonitor,
  InvalidOptionError,
  IsolatedError,
  ManualClock,
  Protection,
  ProtectionClosedError,
  presets,
  RecoveryManager,
  RecoverySheddingError,
  RejectedError,
  type RejectionReason,
  SuspectError,
  TableFullError,
  TooManyInFlightError,
  TooManyRequestsError,
  tripAt
} from '../../src/core/index.ts'
import { resolveRecoveryOptions } from '../../src/core/recovery-manager.ts'

const YEAR_MS = 365 * 24 * 60 * 60 * 1000

/** Of one option: values at the ends of its range, and values just beyond it or of the wrong kind. */
interface Range {
  readonly good: readonly unknown[]
  readonly bad: readonly unknown[]
}

/** Wrong for every option but those that take any object. */
const never: readonly unknown[] = [Number.NaN, true, [], {}, Symbol('x'), 5n]

function numbers(good: readonly number[], bad: readonly number[]): Range {
  return { good, bad: [...bad, Infinity, -Infinity, '5', () => 5, ...never] }
}

function durations(leastMs: number): Range {
  return numbers([leastMs, leastMs + 0.5, YEAR_MS], [leastMs - 0.001, -1, YEAR_MS + 1])
}

function counts(least: number, most: number): Range {
  return numbers([least, most], [least - 1, most + 1, least + 0.5])
}

const shares = numbers([0.0001, 0.5, 1], [0, -0.1, 1.0001])
const functions: Range = { good: [() => false], bad: [5, 'yes', ...never] }
const objects: Range = { good: [{}], bad: [5, 'yes', Number.NaN, true, () => {}] }

function words(...good: string[]): Range {
  return { good, bad: ['', 'other', good[0]!.toLowerCase() + good[0]!.toUpperCase(), 5, ...never] }
}

const clock = new ManualClock()

interface Concept {
  /** What goes before the option's name in errors. */
  readonly concept: string
  readonly defaults: object
  /** Makes something of which these are the options. */
  readonly create: (options?: object) => unknown
  readonly ranges: Readonly<Record<string, Range>>
  /** Options that must be given together with one, so that the two fit. */
  readonly companions?: (name: string, value: unknown) => object
}

const concepts: readonly Concept[] = [
  {
    concept: 'breaker',
    defaults: defaultCircuitBreakerOptions,
    create: options => new CircuitBreaker(options, { clock }),
    ranges: {
      name: { good: ['', 'relay'], bad: [5, ...never] },
      maxRequests: counts(0, 2 ** 31 - 1),
      intervalMs: durations(0),
      bucketPeriodMs: durations(0),
      timeoutMs: durations(0),
      readyToTrip: functions,
      isSuccessful: functions,
      isExcluded: functions,
      successThreshold: counts(0, 2 ** 31 - 1),
      halfOpenTimeoutMs: durations(0),
      timeoutGrowth: numbers([1, 1.5, 10], [0.999, 0, 10.001, -2]),
      maxTimeoutMs: durations(1),
      timeoutJitter: numbers([0, 0.5, 1], [-0.001, 1.001]),
      proofGrowth: numbers([1, 1.5, 10], [0.999, 0, 10.001, -2]),
      timeoutDecayMs: durations(1),
      slowCallMs: durations(0),
      hungCallMs: durations(0)
    },
    companions: (name, value) => (name === 'successThreshold' ? { maxRequests: value } : {})
  },
  {
    concept: 'health',
    defaults: defaultHealthOptions,
    create: options => new HealthMonitor(options, { clock }),
    ranges: {
      checkIntervalMs: durations(100),
      healthyThreshold: shares,
      degradedThreshold: shares,
      maxResponseTimeMs: durations(1),
      maxConsecutiveErrors: counts(1, 255),
      minRequests: counts(1, 65_535),
      cleanupIntervalMs: durations(1),
      maxAgeMs: durations(1)
    },
    companions: (name, value) => {
      if (name === 'healthyThreshold') return { degradedThreshold: value }
      return name === 'degradedThreshold' ? { healthyThreshold: value } : {}
    }
  },
  {
    concept: 'recovery',
    defaults: defaultRecoveryOptions,
    create: options => new RecoveryManager(options, { clock }),
    ranges: {
      strategy: words('LINEAR', 'EXPONENTIAL', 'STEP'),
      initialRecoveryRate: shares,
      maxRecoveryRate: shares,
      recoveryIntervalMs: durations(0),
      recoveryIncrement: numbers([0.001, 1], [0, 0.0009, 1.001]),
      recoverySteps: {
        good: [[1], [0.1, 0.5], Array.from({ length: 1000 }, (_, index) => (index + 1) / 1000)],
        bad: [
          [0, 0.5],
          [0.5, 0.5],
          [0.5, 0.1],
          [0.5, 1.1],
          ['0.1'],
          [Number.NaN],
          [null],
          Array.from({ length: 1001 }, (_, index) => (index + 1) / 1001),
          0.5,
          '0.5',
          ...never
        ]
      },
      successThreshold: counts(1, 1_000_000),
      failureThreshold: counts(1, 1_000_000),
      maxRecoveryTimeMs: durations(1),
      cooldownPeriodMs: durations(0)
    },
    companions: (name, value) => {
      if (name === 'initialRecoveryRate') return { maxRecoveryRate: value }
      return name === 'maxRecoveryRate' ? { initialRecoveryRate: value } : {}
    }
  },
  {
    concept: 'protection',
    defaults: defaultProtectionOptions,
    create: options => new Protection(options, { clock }),
    ranges: {
      preset: words('bitswap', 'relay'),
      breaker: objects,
      health: objects,
      recovery: objects,
      mode: words('enforce', 'observe', 'off'),
      maxTargets: counts(1, 10_000_000),
      maxInFlight: counts(1, 65_535),
      maxEjectedShare: shares,
      badMaxAgeMs: durations(0)
    }
  },
  {
    concept: 'tripAt',
    defaults: defaultTripRule,
    create: options => tripAt(options),
    ranges: {
      consecutiveFailures: counts(1, 1_000_000),
      failureShare: numbers([0.01, 1], [0, 0.009, 1.001]),
      minRequests: counts(1, 1_000_000)
    }
  }
]

function thrownBy(create: () => unknown): unknown {
  try {
    create()
  } catch (error) {
    return error
  }
  return undefined
}

/** Expects that these options are refused because of one of them. */
function expectRefused(create: () => unknown, name: string, value: unknown): void {
  const error = thrownBy(create)
  expect(error, `${name}: ${describeValue(value)}`).toBeInstanceOf(InvalidOptionError)
  const { option, value: named, allowed, message } = error as InvalidOptionError
  expect(option).toBe(name)
  expect(Object.is(named, value)).toBe(true)
  expect(allowed).not.toBe('')
  expect(message).toContain(name)
  expect(message).toContain(allowed)
}

function describeValue(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

describe.each(concepts)('options of $concept', ({ concept, defaults, create, ranges, companions }) => {
  test('are all put to the test here', () => {
    expect(Object.keys(ranges).sort()).toEqual(Object.keys(defaults).sort())
  })

  test.each(Object.entries(ranges))('%s may be what is in its range', (name, { good }) => {
    for (const value of good) {
      const companion = companions?.(name, value) ?? {}
      expect(
        thrownBy(() => create({ ...companion, [name]: value })),
        describeValue(value)
      ).toBeUndefined()
    }
  })

  test.each(Object.entries(ranges))('%s may be nothing else', (name, { bad }) => {
    for (const value of bad) expectRefused(() => create({ [name]: value }), `${concept}.${name}`, value)
  })

  test('may not be null, which is not the same as left out', () => {
    for (const name of Object.keys(ranges)) {
      expectRefused(() => create({ [name]: null }), `${concept}.${name}`, null)
    }
  })

  test('left undefined are the defaults', () => {
    const given = Object.fromEntries(Object.keys(ranges).map(name => [name, undefined]))
    expect(thrownBy(() => create(given))).toBeUndefined()
  })

  test('that are unknown are refused by name, with those that are known', () => {
    for (const unknown of ['timeout', 'toString', '__proto_', '']) {
      const error = thrownBy(() => create({ [unknown]: 5 })) as InvalidOptionError
      expect(error).toBeInstanceOf(InvalidOptionError)
      expect(error).toMatchObject({ option: `${concept}.${unknown}`, value: 5 })
      for (const known of Object.keys(ranges)) expect(error.allowed).toContain(known)
    }
  })

  test('may not be something else than an object', () => {
    for (const value of [null, 5, 'options', true, [1]]) {
      expect(
        thrownBy(() => create(value as unknown as object)),
        describeValue(value)
      ).toBeInstanceOf(InvalidOptionError)
    }
  })

  test('have defaults that are valid, and frozen to the bottom', () => {
    expect(thrownBy(() => create())).toBeUndefined()
    expect(thrownBy(() => create(defaults))).toBeUndefined()
    const check = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      expect(Object.isFrozen(value)).toBe(true)
      Object.values(value).forEach(check)
    }
    check(defaults)
  })

  test('are not written to', () => {
    const given = Object.freeze({ ...defaults })
    expect(thrownBy(() => create(given))).toBeUndefined()
  })
})

describe('options that do not fit together', () => {
  test.each([
    ['breaker.successThreshold', () => new CircuitBreaker({ maxRequests: 2, successThreshold: 3 })],
    ['breaker.successThreshold', () => new CircuitBreaker({ maxRequests: 0, successThreshold: 2 })],
    ['breaker.bucketPeriodMs', () => new CircuitBreaker({ intervalMs: 1025, bucketPeriodMs: 1 })],
    ['health.degradedThreshold', () => new HealthMonitor({ healthyThreshold: 0.7 })],
    [
      'recovery.initialRecoveryRate',
      () => new RecoveryManager({ initialRecoveryRate: 0.6, maxRecoveryRate: 0.5 })
    ]
  ])('%s is named', (option, create) => {
    expect(thrownBy(create)).toMatchObject({ name: 'InvalidOptionError', option })
  })

  test('are let through just where they fit', () => {
    new CircuitBreaker({ maxRequests: 3, successThreshold: 3 })
    new CircuitBreaker({ intervalMs: 1024, bucketPeriodMs: 1 })
    new HealthMonitor({ healthyThreshold: 0.8 })
    new RecoveryManager({ initialRecoveryRate: 0.5, maxRecoveryRate: 0.5 })
  })

  test('are found inside a protection too, under the same names', () => {
    const wrong = {
      'breaker.timeoutMs': { breaker: { timeoutMs: -1 } },
      'breaker.unknown': { breaker: { unknown: 1 } },
      'health.minRequests': { health: { minRequests: 0 } },
      'recovery.strategy': { recovery: { strategy: 'CUBIC' } }
    }
    for (const [option, options] of Object.entries(wrong)) {
      expect(thrownBy(() => new Protection(options as object))).toMatchObject({
        name: 'InvalidOptionError',
        option
      })
    }
  })
})

test('a listener that is no function is refused', () => {
  for (const onStateChange of [5, 'log', {}, null]) {
    expect(thrownBy(() => new CircuitBreaker({ onStateChange: onStateChange as never }))).toMatchObject({
      name: 'InvalidOptionError',
      option: expect.stringContaining('onStateChange')
    })
  }
})

test.each([0, -1, 1.5, Number.NaN, '5', 10_000_001])('maxTargets of a part may not be %s', maxTargets => {
  for (const create of [
    () => new HealthMonitor({}, { maxTargets: maxTargets as number }),
    () => new RecoveryManager({}, { maxTargets: maxTargets as number })
  ]) {
    expect(thrownBy(create)).toMatchObject({ name: 'InvalidOptionError', option: 'maxTargets' })
  }
})

test('a mode may not be another word', () => {
  for (const mode of ['on', '', 'ENFORCE', undefined, null, 5]) {
    expect(thrownBy(() => new CircuitBreaker({ mode: (mode ?? null) as never }))).toMatchObject({
      name: 'InvalidOptionError',
      option: 'mode'
    })
    const protection = new Protection({}, { clock })
    expect(() => {
      protection.mode = mode as never
    }).toThrow(InvalidOptionError)
    expect(protection.mode).toBe('enforce')
  }
})

test('options once checked cannot be changed', () => {
  const options = [resolveCircuitBreakerOptions(), resolveHealthOptions(), resolveRecoveryOptions()]
  expect(options.map(resolved => Object.isFrozen(resolved))).toEqual([true, true, true])
})

test('presets and their options cannot be changed', () => {
  expect(Object.isFrozen(presets)).toBe(true)
  for (const preset of Object.values(presets)) expect(Object.isFrozen(preset)).toBe(true)
})

test('a recovery’s steps are a copy: changing the array given changes nothing', () => {
  const steps = [0.5, 1]
  const manager = new RecoveryManager({ strategy: 'STEP', recoverySteps: steps }, { clock })
  steps[0] = 0.001
  manager.startRecovery('a')
  expect(manager.getRecoveryRate('a')).toBe(0.5)
})

test('a message names the value, shortly', () => {
  const messages = ['x'.repeat(5000), () => 5, [1, 2], { a: 1 }, Number.NaN, null].map(
    value => new InvalidOptionError('a.b', value, 'a number').message
  )
  expect(messages[0]!.length).toBeLessThan(200)
  expect(messages.slice(1)).toEqual([
    'Invalid option a.b: got a function, allowed: a number',
    'Invalid option a.b: got an array, allowed: a number',
    'Invalid option a.b: got an object, allowed: a number',
    'Invalid option a.b: got NaN, allowed: a number',
    'Invalid option a.b: got null, allowed: a number'
  ])
})

describe('errors', () => {
  const rejections: ReadonlyArray<[RejectionReason, new (rejection: never) => RejectedError]> = [
    ['OPEN', CircuitOpenError],
    ['HALF_OPEN_FULL', TooManyRequestsError],
    ['RECOVERING', RecoverySheddingError],
    ['ISOLATED', IsolatedError],
    ['IN_FLIGHT_FULL', TooManyInFlightError],
    ['SUSPECT', SuspectError]
  ]

  test.each(rejections)('of reason %s are of a class of their own', (reason, type) => {
    const rejection = { key: 'peer A', reason, state: 'OPEN' as const, retryAfterMs: 1500.2 }
    const error = rejectionError(rejection)
    expect(error).toBeInstanceOf(type)
    expect(error).toBeInstanceOf(RejectedError)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject(rejection)
    expect(error.name).toBe(type.name)
    expect(error.message).toContain('peer A')
    expect(error.stack).not.toContain('\n    at ')
  })

  test('made without a stack leave the stacks of others alone', () => {
    const limit = Error.stackTraceLimit
    rejectionError({ key: 'a', reason: 'OPEN', state: 'OPEN', retryAfterMs: 0 })
    expect(Error.stackTraceLimit).toBe(limit)
  })

  test('that are no rejections are none', () => {
    for (const error of [
      new CallTimeoutError('a', 5),
      new TableFullError('a'),
      new ProtectionClosedError(),
      new InvalidOptionError('a', 1, '2')
    ]) {
      expect(error).not.toBeInstanceOf(RejectedError)
      expect(error.name).toBe(error.constructor.name)
      expect(error.stack).toContain('\n    at ')
    }
  })
})
