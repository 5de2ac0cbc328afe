import { describe, expect, test } from 'vitest'
import { stateCodes } from '../../src/core/breaker-table.ts'
import { type CircuitBreakerOptions, resolveCircuitBreakerOptions } from '../../src/core/circuit-breaker.ts'
import { resolveHealthOptions } from '../../src/core/health-monitor.ts'
import {
  FAILURE,
  IGNORED,
  InvalidOptionError,
  type Mode,
  type ProtectionEventType,
  type RecoveryOptions,
  SUCCESS
} from '../../src/core/index.ts'
import { SLOTS_PER_TURN } from '../../src/core/key-table.ts'
import { ProtectionTable } from '../../src/core/protection-table.ts'
import { resolveRecoveryOptions } from '../../src/core/recovery-manager.ts'
import { createProtection } from '../support/deterministic-protection.ts'

const TIMEOUT_MS = 1000
const STEP_MS = 100
const OPEN = -1
const HALF_OPEN_FULL = -2
const RECOVERING = -3
const ISOLATED = -4
const IN_FLIGHT_FULL = -5
const SUSPECT = -6

interface Setup {
  breaker?: Partial<CircuitBreakerOptions>
  recovery?: Partial<RecoveryOptions> | false
  mode?: Mode
  maxInFlight?: number
  maxEjectedShare?: number
  mayEject?: (slot: number) => boolean
  slots?: number
  knownTargets?: () => number
}

interface SlotEvent {
  type: ProtectionEventType
  slot: number
  from: number
  to: number
  nowMs: number
}

/** A table whose circuits open at two failures in a row and close at one good probe. */
function create(setup: Setup = {}) {
  const events: SlotEvent[] = []
  const slots = setup.slots ?? 4
  const table = new ProtectionTable(
    {
      breaker: resolveCircuitBreakerOptions({
        timeoutMs: TIMEOUT_MS,
        readyToTrip: counts => counts.consecutiveFailures >= 2,
        ...setup.breaker
      }),
      health: resolveHealthOptions(),
      recovery:
        setup.recovery === false
          ? undefined
          : resolveRecoveryOptions({
              strategy: 'STEP',
              recoverySteps: [0.5, 1],
              recoveryIntervalMs: STEP_MS,
              successThreshold: 2,
              failureThreshold: 2,
              cooldownPeriodMs: 0,
              ...setup.recovery
            }),
      maxInFlight: setup.maxInFlight ?? 1000,
      maxEjectedShare: setup.maxEjectedShare ?? 1
    },
    setup.mode ?? 'enforce',
    () => 0,
    0,
    { known: setup.knownTargets ?? (() => slots), mayEject: setup.mayEject ?? (() => true) },
    (type, slot, from, to, nowMs) => events.push({ type, slot, from, to, nowMs })
  )
  table.resize(slots)
  for (let slot = 0; slot < slots; slot++) table.reset(slot, 0)
  return { table, events, takeTypes: () => events.splice(0).map(({ type }) => type) }
}

function call(table: ProtectionTable, slot: number, outcome: number, nowMs: number, times = 1): void {
  for (let made = 0; made < times; made++) {
    const token = table.admit(slot, nowMs)
    expect(token).toBeGreaterThanOrEqual(0)
    expect(table.settle(slot, token, outcome, nowMs)).toBe(true)
  }
}

function trip(table: ProtectionTable, slot: number, nowMs: number): void {
  call(table, slot, FAILURE, nowMs, 2)
}

/** Trips a circuit and closes it again; it then recovers. Returns the time. */
function startRecovery(table: ProtectionTable, slot: number, nowMs = 0): number {
  trip(table, slot, nowMs)
  const later = nowMs + table.retryAfterMs(slot, nowMs)
  call(table, slot, SUCCESS, later)
  return later
}

describe('a token', () => {
  test('settles once', () => {
    const { table } = create()
    const token = table.admit(1, 0)
    expect(table.settle(1, token, SUCCESS, 0)).toBe(true)
    expect(table.settle(1, token, FAILURE, 0)).toBe(false)
    expect(table.breakers.counts(1)).toMatchObject({ totalSuccesses: 1, totalFailures: 0 })
  })

  test('settles for its own slot only', () => {
    const { table } = create()
    const token = table.admit(1, 0)
    expect(table.settle(2, token, FAILURE, 0)).toBe(false)
    expect(table.inFlight(1)).toBe(1)
    expect(table.inFlight(2)).toBe(0)
    expect(table.settle(1, token, SUCCESS, 0)).toBe(true)
  })

  test('of a rejection settles nothing', () => {
    const { table } = create()
    trip(table, 1, 0)
    const answer = table.admit(1, 0)
    expect(answer).toBe(OPEN)
    expect(table.settle(1, answer, FAILURE, 0)).toBe(false)
  })

  test('of an earlier generation settles without effect on breaker, health and ramp', () => {
    const { table } = create()
    const token = table.admit(1, 0)
    const nowMs = startRecovery(table, 1)
    const before = [
      table.breakers.counts(1),
      table.health?.failures(1, nowMs),
      table.ramp(1, nowMs)?.failures
    ]
    expect(table.settle(1, token, FAILURE, nowMs)).toBe(true)
    expect([
      table.breakers.counts(1),
      table.health?.failures(1, nowMs),
      table.ramp(1, nowMs)?.failures
    ]).toEqual(before)
    expect(table.inFlight(1)).toBe(0)
  })
})

/** Calls to such targets take a shorter way, which must lead to the same. */
describe('a target in good health', () => {
  /** A table in which the targets 1 and 2 have just answered a hundred calls each, in 1 ms. */
  function createHealthy(setup: Setup = {}) {
    const created = create(setup)
    for (const slot of [1, 2]) {
      for (let made = 0; made < 100; made++) {
        const token = created.table.admit(slot, 0)
        created.table.settle(slot, token, SUCCESS, 1)
      }
    }
    created.takeTypes()
    return created
  }

  test('has its calls settled once, and its own only', () => {
    const { table } = createHealthy()
    const token = table.admit(1, 1)
    expect(table.inFlight(1)).toBe(1)
    expect(table.settle(2, token, SUCCESS, 1)).toBe(false)
    expect(table.inFlight(1)).toBe(1)
    expect(table.settle(1, token, SUCCESS, 1)).toBe(true)
    expect(table.settle(1, token, SUCCESS, 1)).toBe(false)
    expect(table.inFlight(1)).toBe(0)
    expect(table.totalInFlight).toBe(0)
    expect(table.breakers.counts(1)).toMatchObject({ requests: 101, totalSuccesses: 101 })
    expect(table.breakers.counts(2)).toMatchObject({ requests: 100, totalSuccesses: 100 })
  })

  test('has late results of an earlier generation dropped', () => {
    const { table } = createHealthy({ recovery: false })
    const token = table.admit(1, 1)
    trip(table, 1, 1)
    call(table, 1, SUCCESS, 1500)
    expect(table.breakers.state(1, 1500)).toBe(0)
    const before = [table.breakers.counts(1), table.health?.successes(1, 1500)]
    expect(table.settle(1, token, SUCCESS, 1500)).toBe(true)
    expect([table.breakers.counts(1), table.health?.successes(1, 1500)]).toEqual(before)
  })

  test('has its slow calls counted as failures', () => {
    const { table } = createHealthy({ breaker: { slowCallMs: 50 } })
    const token = table.admit(1, 1)
    table.settle(1, token, SUCCESS, 52)
    expect(table.breakers.counts(1).totalFailures).toBe(1)
    expect(table.health?.failures(1, 52)).toBe(1)
  })

  test('is probed like any other', () => {
    const { table } = createHealthy({ breaker: { maxRequests: 4 } })
    trip(table, 1, 1)
    call(table, 1, SUCCESS, 1500, 3)
    expect(table.breakers.state(1, 1500)).toBe(2)
    call(table, 1, SUCCESS, 1500)
    expect(table.breakers.state(1, 1500)).toBe(0)
  })

  test('recovers like any other', () => {
    const { table, takeTypes } = createHealthy()
    const nowMs = startRecovery(table, 1, 1)
    for (let step = 0; step <= 2; step++) call(table, 1, SUCCESS, nowMs + step * STEP_MS)
    expect(takeTypes()).toContain('recovery:complete')
  })

  test('has its results counted in the bucket its calls were admitted in', () => {
    const { table } = createHealthy({ breaker: { intervalMs: 100, bucketPeriodMs: 10 } })
    const token = table.admit(1, 1)
    table.settle(1, token, SUCCESS, 95)
    expect(table.breakers.counts(1)).toMatchObject({ requests: 101, totalSuccesses: 101 })
    table.breakers.state(1, 100)
    expect(table.breakers.counts(1)).toMatchObject({ requests: 0, totalSuccesses: 0 })
  })

  test('starts each fixed window afresh', () => {
    const { table } = createHealthy({ breaker: { intervalMs: 100 } })
    call(table, 1, SUCCESS, 101)
    expect(table.breakers.counts(1)).toMatchObject({ requests: 1, totalSuccesses: 1 })
    const token = table.admit(1, 150)
    table.settle(1, token, SUCCESS, 205)
    expect(table.breakers.counts(1)).toMatchObject({ requests: 0, totalSuccesses: 0 })
  })

  test('that becomes slow is no longer in good health', () => {
    const { table, takeTypes } = createHealthy()
    for (let made = 0; made < 100; made++) {
      const token = table.admit(1, 100)
      table.settle(1, token, SUCCESS, 6100)
    }
    expect(takeTypes()).toEqual(['health:change'])
  })

  test('may answer any number of calls', () => {
    const { table, takeTypes } = createHealthy()
    for (let made = 0; made < 150_000; made++) table.settle(1, table.admit(1, 1), SUCCESS, 1)
    expect(table.health?.failures(1, 1)).toBe(0)
    expect(table.health?.successes(1, 1)).toBeGreaterThan(30_000)
    expect(table.breakers.counts(1).totalSuccesses).toBe(150_100)
    expect(takeTypes()).toEqual([])
  })
})

describe('rejections', () => {
  test('are told by reason, in the order they are looked at', () => {
    const { table } = create({ maxInFlight: 3 })
    trip(table, 1, 0)
    expect(table.admit(1, 0)).toBe(OPEN)
    table.isolate(1, 0)
    expect(table.admit(1, 0)).toBe(ISOLATED)
    table.release(1, 0)
    expect(table.admit(1, 2000)).toBeGreaterThanOrEqual(0)
    expect(table.admit(1, 2000)).toBe(HALF_OPEN_FULL)
    startRecovery(table, 2, 2000)
    table.admit(2, 4000)
    expect(table.admit(2, 4000)).toBe(RECOVERING)
    table.admit(3, 4000)
    expect([1, 2, 3].map(slot => table.admit(slot, 4000))).toEqual([
      IN_FLIGHT_FULL,
      IN_FLIGHT_FULL,
      IN_FLIGHT_FULL
    ])
    expect(table.rejections()).toEqual({
      OPEN: 1,
      HALF_OPEN_FULL: 1,
      RECOVERING: 1,
      ISOLATED: 1,
      IN_FLIGHT_FULL: 3,
      SUSPECT: 0
    })
  })

  test('cost no room and no share', () => {
    const { table } = create()
    const nowMs = startRecovery(table, 1)
    const answers = Array.from({ length: 10 }, () => table.admit(1, nowMs) >= 0)
    expect(answers.filter(Boolean)).toHaveLength(5)
    expect(table.inFlight(1)).toBe(5)
    expect(table.breakers.counts(1).requests).toBe(5)
  })
})

describe('calls out of time', () => {
  test('count as failed as of their deadline, whoever notices', () => {
    const { table, events } = create({ breaker: { hungCallMs: 100 } })
    const tokens = [table.admit(1, 0), table.admit(1, 10)]
    expect(table.nextDeadline).toBe(100)
    table.admit(2, 500)
    expect(events.find(({ type }) => type === 'circuit:open')).toMatchObject({ slot: 1, nowMs: 110 })
    expect(tokens.map(token => table.settle(1, token, SUCCESS, 500))).toEqual([false, false])
    expect(table.inFlight(1)).toBe(0)
    expect(table.totalInFlight).toBe(1)
  })

  test('are noticed by a settlement at their deadline', () => {
    const { table } = create({ breaker: { hungCallMs: 100 } })
    const token = table.admit(1, 0)
    expect(table.settle(1, token, SUCCESS, 100)).toBe(false)
    expect(table.breakers.counts(1)).toMatchObject({ totalSuccesses: 0, totalFailures: 1 })
  })

  test('are noticed by a look', () => {
    const { table } = create({ breaker: { hungCallMs: 100 } })
    table.admit(1, 0)
    table.admit(1, 0)
    expect(table.wouldAdmit(1, 100)).toBe(OPEN)
  })

  test('are told by their tokens, after everything is counted', () => {
    const { table } = create({ breaker: { hungCallMs: 100 } })
    const tokens = [table.admit(1, 0), table.admit(2, 0)]
    const told: Array<[number, number]> = []
    table.onOverdue = token => told.push([token, table.totalInFlight])
    table.catchUp(99)
    expect(told).toEqual([])
    table.catchUp(100)
    expect(told).toEqual(tokens.map(token => [token, 0]))
    expect(tokens.some(token => table.isInFlight(token))).toBe(false)
  })

  test('a limit of a call’s own goes before hungCallMs', () => {
    const { table } = create({ breaker: { hungCallMs: 100 } })
    const [short, long] = [table.admit(1, 0, 10), table.admit(2, 0, 1000)]
    table.catchUp(10)
    expect([short, long].map(token => table.isInFlight(token!))).toEqual([false, true])
    table.catchUp(999)
    expect(table.isInFlight(long!)).toBe(true)
  })

  test('a slot may start new calls while it is told of those', () => {
    const { table } = create({ breaker: { hungCallMs: 100, readyToTrip: () => false } })
    table.admit(1, 0)
    table.admit(1, 0)
    const answers: number[] = []
    table.onOverdue = () => answers.push(table.admit(1, 100))
    table.catchUp(100)
    expect(answers).toHaveLength(2)
    expect(table.inFlight(1)).toBe(2)
    expect(table.nextDeadline).toBe(200)
  })

  test('a wake is asked for when a deadline becomes the earliest', () => {
    const { table } = create({ breaker: { hungCallMs: 100 } })
    const wakes: number[] = []
    table.onEarlierWake = () => wakes.push(table.nextWake)
    table.admit(1, 0)
    table.admit(1, 10)
    table.admit(1, 20, 5)
    expect(wakes).toEqual([100, 25])
  })
})

describe('slow calls', () => {
  test('are failures for breaker and health', () => {
    const { table } = create({ breaker: { slowCallMs: 50 } })
    const token = table.admit(1, 0)
    table.settle(1, token, SUCCESS, 51)
    expect(table.breakers.counts(1).totalFailures).toBe(1)
    expect(table.health?.failures(1, 51)).toBe(1)
  })
})

test('an ignored call tells nothing of its target, but that it was in use', () => {
  const { table } = create()
  const nowMs = startRecovery(table, 1)
  const successes = table.health?.successes(1, nowMs)
  const token = table.admit(1, nowMs)
  table.settle(1, token, IGNORED, nowMs + 50)
  expect(table.health?.successes(1, nowMs + 50)).toBe(successes)
  expect(table.health?.lastUsed(1)).toBe(nowMs + 50)
  expect(table.ramp(1, nowMs + 50)).toMatchObject({ successes: 0, failures: 0 })
  expect(table.breakers.counts(1)).toMatchObject({ requests: 1, totalExclusions: 1, totalSuccesses: 0 })
})

describe('wake', () => {
  test('moves circuits on when nobody calls', () => {
    const { table, takeTypes } = create()
    trip(table, 1, 0)
    takeTypes()
    expect(table.nextWake).toBe(TIMEOUT_MS + 1)
    table.wake(TIMEOUT_MS)
    expect(takeTypes()).toEqual([])
    table.wake(TIMEOUT_MS + 1)
    expect(takeTypes()).toEqual(['circuit:half-open'])
  })

  test('comes for the first of several circuits, whichever opened last', () => {
    const { table, events } = create()
    trip(table, 1, 0)
    trip(table, 2, 500)
    table.wake(table.nextWake)
    expect(events.at(-1)).toMatchObject({ type: 'circuit:half-open', slot: 1, nowMs: TIMEOUT_MS + 1 })
    expect(table.nextWake).toBe(TIMEOUT_MS + 501)
  })

  test('is wanted no more when every circuit is CLOSED', () => {
    const { table } = create()
    const nowMs = startRecovery(table, 1)
    table.wake(nowMs + 10_000)
    expect(table.nextWake).toBe(Infinity)
  })

  test('comes in time for a probe that does not end', () => {
    const { table, takeTypes } = create({ breaker: { halfOpenTimeoutMs: 400 } })
    trip(table, 1, 0)
    table.wake(table.nextWake)
    table.admit(1, 1101)
    takeTypes()
    while (table.nextWake <= 2000) table.wake(table.nextWake)
    expect(takeTypes()).toEqual(['circuit:open'])
    expect(table.breakers.since(1)).toBe(1501)
  })

  test('is rarely wanted while a circuit waits for somebody to probe it', () => {
    const { table } = create({ breaker: { halfOpenTimeoutMs: 5000 } })
    trip(table, 1, 0)
    let wakes = 0
    while (table.nextWake <= 21_000) {
      table.wake(table.nextWake)
      wakes++
    }
    expect(wakes).toBeLessThanOrEqual(5)
  })

  test('is not wanted ever more often, however many circuits are OPEN', () => {
    const { table } = create({ slots: 500 })
    for (let slot = 0; slot < 500; slot++) trip(table, slot, slot)
    let wakes = 0
    while (table.nextWake <= 2000) {
      table.wake(table.nextWake)
      wakes++
    }
    expect(wakes).toBeLessThan(20)
  })

  describe('of very many', () => {
    const SLOTS = 2 * SLOTS_PER_TURN + 100
    const AFTER_MS = TIMEOUT_MS + 1

    /** All are OPEN until {@link AFTER_MS}. */
    function createOpen(breaker: Partial<CircuitBreakerOptions> = {}) {
      const created = create({ slots: SLOTS, breaker })
      for (let slot = 0; slot < SLOTS; slot++) created.table.trip(slot, 0)
      created.takeTypes()
      return created
    }

    test('takes several turns, each of so many, and is wanted again at once until all were looked at', () => {
      const { table, takeTypes } = createOpen()
      const turns: number[] = []
      while (table.nextWake <= AFTER_MS) {
        table.wake(AFTER_MS)
        turns.push(takeTypes().length)
      }
      expect(turns).toEqual([SLOTS_PER_TURN, SLOTS_PER_TURN, 100])
      expect(table.nextWake).toBeGreaterThanOrEqual(AFTER_MS + 250)
      while (table.nextWake <= AFTER_MS + 60_000) table.wake(table.nextWake)
      expect(takeTypes()).toEqual([])
    })

    test('does not forget who opened again after it was looked at', () => {
      const { table, takeTypes } = createOpen({ halfOpenTimeoutMs: 60_000 })
      table.wake(AFTER_MS)
      call(table, 0, FAILURE, AFTER_MS)
      while (table.nextWake <= AFTER_MS) table.wake(AFTER_MS)
      takeTypes()
      expect(table.nextWake).toBe(AFTER_MS + TIMEOUT_MS + 1)
      table.wake(table.nextWake)
      expect(takeTypes()).toEqual(['circuit:half-open'])
    })

    test('comes to who opened meanwhile, and passes over who was forgotten', () => {
      const { table, takeTypes } = createOpen()
      table.reset(0, 0)
      table.wake(AFTER_MS)
      table.trip(0, AFTER_MS)
      table.reset(SLOTS - 1, AFTER_MS)
      while (table.nextWake <= AFTER_MS) table.wake(AFTER_MS)
      expect(takeTypes().filter(type => type === 'circuit:half-open')).toHaveLength(SLOTS - 2)
      expect(table.nextWake).toBe(AFTER_MS + TIMEOUT_MS + 1)
    })
  })
})

describe('recovery', () => {
  test('begins when a circuit closes, and ends when it is complete', () => {
    const { table, takeTypes } = create()
    let nowMs = startRecovery(table, 1)
    expect(takeTypes()).toEqual(['circuit:open', 'circuit:half-open', 'circuit:close', 'recovery:start'])
    expect(table.recovering).toBe(1)
    expect(table.ramp(1, nowMs)?.rate).toBe(0.5)
    for (let step = 0; step < 2; step++) {
      call(table, 1, SUCCESS, nowMs)
      nowMs += STEP_MS
    }
    expect(table.ramp(1, nowMs)).toBeUndefined()
    expect(takeTypes().filter(type => type !== 'health:change')).toEqual(['recovery:complete'])
    expect(table.recovering).toBe(0)
  })

  test('a relapse opens the circuit, for the cooldown at least', () => {
    const { table, takeTypes } = create({ recovery: { cooldownPeriodMs: 5000 } })
    const nowMs = startRecovery(table, 1)
    takeTypes()
    call(table, 1, FAILURE, nowMs)
    table.admit(1, nowMs)
    call(table, 1, FAILURE, nowMs)
    expect(takeTypes()).toEqual(expect.arrayContaining(['circuit:open', 'recovery:relapse']))
    expect(table.retryAfterMs(1, nowMs)).toBe(5001)
    expect(table.lastTrip(1)?.reason).toBe('RELAPSE')
    expect(table.recovering).toBe(0)
  })

  test('after a relapse takes more proof', () => {
    const { table } = create({ breaker: { proofGrowth: 2 }, recovery: { recoverySteps: [0.25, 1] } })
    let nowMs = startRecovery(table, 1)
    call(table, 1, FAILURE, nowMs)
    for (let offers = 1; offers < 4; offers++) table.admit(1, nowMs)
    call(table, 1, FAILURE, nowMs)
    expect(table.lastTrip(1)?.reason).toBe('RELAPSE')
    nowMs = table.breakers.expiry(1) + 1
    call(table, 1, SUCCESS, nowMs)
    const ramp = table.ramp(1, nowMs)!
    call(table, 1, SUCCESS, nowMs)
    table.state(1, nowMs + STEP_MS)
    expect(ramp.rate).toBe(0.25)
    for (let offers = 1; offers < 4; offers++) table.admit(1, nowMs)
    call(table, 1, SUCCESS, nowMs)
    table.state(1, nowMs + STEP_MS)
    expect(ramp.rate).toBe(1)
  })

  test('a trip of the breaker during recovery is a relapse too, cooldown and all', () => {
    const { table, takeTypes } = create({ recovery: { cooldownPeriodMs: 5000, failureThreshold: 100 } })
    const nowMs = startRecovery(table, 1)
    takeTypes()
    call(table, 1, FAILURE, nowMs)
    table.admit(1, nowMs)
    call(table, 1, FAILURE, nowMs)
    expect(takeTypes()).toEqual(expect.arrayContaining(['circuit:open', 'recovery:relapse']))
    expect(table.retryAfterMs(1, nowMs)).toBe(5001)
  })

  test('without it a circuit that closes takes all calls at once', () => {
    const { table, takeTypes } = create({ recovery: false })
    const nowMs = startRecovery(table, 1)
    expect(takeTypes()).not.toContain('recovery:start')
    call(table, 1, SUCCESS, nowMs, 100)
    expect(table.recovering).toBe(0)
  })

  test('calls let through at the last resort are no part of it', () => {
    const { table } = create({ maxEjectedShare: 0.25 })
    trip(table, 0, 0)
    const nowMs = startRecovery(table, 1)
    expect(table.isDemoted(1)).toBe(true)
    const tokens = Array.from({ length: 10 }, () => table.admit(1, nowMs))
    expect(tokens.every(token => token >= 0)).toBe(true)
    for (const token of tokens) table.settle(1, token, SUCCESS, nowMs)
    expect(table.ramp(1, nowMs)?.successes).toBe(5)
  })
})

describe('what a circuit opened for', () => {
  test('is told with the counts', () => {
    const { table } = create()
    expect(table.lastTrip(1)).toBeUndefined()
    call(table, 1, SUCCESS, 0, 3)
    trip(table, 1, 0)
    expect(table.lastTrip(1)).toMatchObject({
      reason: 'FAILURES',
      counts: { requests: 5, totalSuccesses: 3, totalFailures: 2, consecutiveFailures: 2 }
    })
    call(table, 1, FAILURE, 2000)
    expect(table.lastTrip(1)).toMatchObject({ reason: 'PROBE_FAILED', counts: { requests: 1 } })
    expect(Object.isFrozen(table.lastTrip(1))).toBe(true)
    expect(Object.isFrozen(table.lastTrip(1)?.counts)).toBe(true)
  })

  test('is probes that did not end, when none failed', () => {
    const { table } = create({ breaker: { halfOpenTimeoutMs: 100 } })
    trip(table, 1, 0)
    table.admit(1, 2000)
    table.wouldAdmit(1, 2101)
    expect(table.lastTrip(1)?.reason).toBe('PROBES_OVERDUE')
  })
})

test('only an OPEN target has a time until it may be called again', () => {
  const { table } = create()
  expect(table.retryAfterMs(1, 0)).toBe(0)
  trip(table, 1, 0)
  expect(table.retryAfterMs(1, 0)).toBe(TIMEOUT_MS + 1)
  expect(table.retryAfterMs(1, TIMEOUT_MS)).toBe(1)
  expect(table.retryAfterMs(1, TIMEOUT_MS + 1)).toBe(0)
})

describe('ejection', () => {
  test('is capped: past it, targets are kept as last resort', () => {
    const { table } = create({ maxEjectedShare: 0.5 })
    for (const slot of [0, 1, 2]) trip(table, slot, 0)
    expect(table.ejected).toBe(2)
    expect([0, 1, 2].map(slot => table.isDemoted(slot))).toEqual([false, false, true])
    expect([0, 1, 2].map(slot => table.wouldAdmit(slot, 0))).toEqual([OPEN, OPEN, 0])
    call(table, 2, SUCCESS, 0, 10)
    expect(table.rejections().OPEN).toBe(0)
  })

  test('one is always allowed', () => {
    const { table } = create({ maxEjectedShare: 0.001 })
    trip(table, 0, 0)
    expect(table.ejected).toBe(1)
    expect(table.admit(0, 0)).toBe(OPEN)
  })

  test('ends with OPEN', () => {
    const { table } = create({ maxEjectedShare: 0.25 })
    trip(table, 0, 0)
    trip(table, 1, 500)
    expect(table.isDemoted(1)).toBe(true)
    table.wouldAdmit(0, 1001)
    expect(table.ejected).toBe(0)
    // Demoted once, it is given its turn when it opens again.
    call(table, 1, FAILURE, 1501)
    expect(table.isDemoted(1)).toBe(false)
    expect(table.ejected).toBe(1)
  })

  test('a demoted target that recovers fully is as any other', () => {
    const { table } = create({ maxEjectedShare: 0.25 })
    trip(table, 0, 0)
    let nowMs = startRecovery(table, 1)
    expect(table.isDemoted(1)).toBe(true)
    for (let step = 0; step < 3; step++) {
      call(table, 1, SUCCESS, nowMs, 2)
      nowMs += STEP_MS
    }
    expect(table.ramp(1, nowMs)).toBeUndefined()
    expect(table.isDemoted(1)).toBe(false)
  })

  test('a demoted target that is isolated is refused', () => {
    const { table } = create({ maxEjectedShare: 0.25 })
    trip(table, 0, 0)
    trip(table, 1, 0)
    table.isolate(1, 0)
    expect(table.admit(1, 0)).toBe(ISOLATED)
  })

  test('capEjected lets the excess go when fewer targets are known', () => {
    let known = 4
    const { table } = create({ maxEjectedShare: 0.5, knownTargets: () => known })
    trip(table, 0, 0)
    trip(table, 1, 0)
    table.capEjected()
    expect(table.ejected).toBe(2)
    known = 2
    table.capEjected()
    expect(table.ejected).toBe(1)
    expect([0, 1].filter(slot => table.isDemoted(slot))).toHaveLength(1)
  })
})

describe('what cannot be done without', () => {
  test('is kept as last resort, be there room to eject it or not', () => {
    const { table } = create({ mayEject: slot => slot !== 1 })
    trip(table, 0, 0)
    trip(table, 1, 0)
    expect([0, 1].map(slot => table.isDemoted(slot))).toEqual([false, true])
    expect([0, 1].map(slot => table.isEjected(slot))).toEqual([true, false])
    expect(table.ejected).toBe(1)
    expect(table.admit(0, 1)).toBe(OPEN)
    expect(table.admit(1, 1)).toBeGreaterThanOrEqual(0)
  })

  test('is demoted when that turns out only later', () => {
    const needed = new Set<number>()
    const { table } = create({ mayEject: slot => !needed.has(slot) })
    trip(table, 0, 0)
    trip(table, 1, 0)
    expect(table.reconsider(0)).toBe(false)
    needed.add(0)
    expect(table.reconsider(0)).toBe(true)
    expect(table.reconsider(0)).toBe(false)
    expect([0, 1].map(slot => table.isEjected(slot))).toEqual([false, true])
    expect(table.admit(0, 1)).toBeGreaterThanOrEqual(0)
    // One that is not refused is none to reconsider.
    needed.add(2)
    expect(table.reconsider(2)).toBe(false)
    expect(table.isDemoted(2)).toBe(false)
  })

  test('does not give way to another by a room that others leave', () => {
    const { table } = create({ maxEjectedShare: 0.25, mayEject: slot => slot !== 1 })
    trip(table, 0, 0)
    trip(table, 1, 0)
    table.reset(0, 1)
    expect(table.isEjected(1)).toBe(false)
  })
})

describe('ejectAnyway', () => {
  test('refuses an OPEN target beyond the cap, and one that cannot be done without', () => {
    const { table } = create({ maxEjectedShare: 0.25, mayEject: slot => slot !== 2 })
    for (const slot of [0, 1, 2]) trip(table, slot, 0)
    expect([0, 1, 2].map(slot => table.isEjected(slot))).toEqual([true, false, false])
    for (const slot of [1, 2]) {
      expect(table.ejectAnyway(slot, 1)).toBe(true)
      expect(table.isDemoted(slot)).toBe(false)
      expect(table.admit(slot, 1)).toBe(OPEN)
    }
    expect(table.ejected).toBe(3)
  })

  test('does nothing to one that is not OPEN', () => {
    const { table } = create()
    expect(table.ejectAnyway(0, 0)).toBe(false)
    expect(table.isEjected(0)).toBe(false)
    expect(table.admit(0, 0)).toBeGreaterThanOrEqual(0)
  })

  test('lasts until the circuit is half-open', () => {
    const { table } = create({ maxEjectedShare: 0.25 })
    trip(table, 0, 0)
    trip(table, 1, 0)
    table.ejectAnyway(1, 0)
    expect(table.state(1, TIMEOUT_MS + 1)).toBe(stateCodes.HALF_OPEN)
    expect(table.isEjected(1)).toBe(false)
  })
})

describe('a slot reset', () => {
  test('leaves nothing of who was there before', () => {
    const { table } = create()
    startRecovery(table, 1)
    trip(table, 2, 0)
    table.isolate(3, 0)
    for (const slot of [1, 2, 3]) table.reset(slot, 5000)
    expect(table.recovering).toBe(0)
    expect(table.ejected).toBe(0)
    for (const slot of [1, 2, 3]) {
      expect(table.isClean(slot, 5000)).toBe(true)
      expect(table.lastTrip(slot)).toBeUndefined()
      expect(table.health?.failures(slot, 5000)).toBe(0)
      expect(table.wouldAdmit(slot, 5000)).toBe(0)
    }
  })
})

test('a slot is clean when nothing about it must be kept', () => {
  const { table } = create({ breaker: { timeoutDecayMs: 10_000 } })
  expect(table.isClean(1, 0)).toBe(true)
  call(table, 1, SUCCESS, 0)
  expect(table.isClean(1, 0)).toBe(true)
  const token = table.admit(1, 0)
  expect(table.isClean(1, 0)).toBe(false)
  table.settle(1, token, IGNORED, 0)
  expect(table.isClean(1, 0)).toBe(true)
  table.isolate(1, 0)
  expect(table.isClean(1, 0)).toBe(false)
  table.release(1, 0)
  let nowMs = startRecovery(table, 1)
  const closedAt = nowMs
  expect(table.isClean(1, nowMs)).toBe(false)
  for (let step = 0; step < 3; step++) {
    call(table, 1, SUCCESS, nowMs)
    nowMs += STEP_MS
  }
  table.ramp(1, nowMs)
  // Recovered, but the trip is not yet forgiven.
  expect(table.isClean(1, closedAt + 9999)).toBe(false)
  expect(table.isClean(1, closedAt + 10_000)).toBe(true)
})

test('what is noticed while records are forgotten is told afterwards', () => {
  const { table, takeTypes } = create()
  trip(table, 1, 0)
  takeTypes()
  expect(table.isClean(1, TIMEOUT_MS + 1)).toBe(false)
  expect(takeTypes()).toEqual([])
  table.capEjected()
  expect(takeTypes()).toEqual(['circuit:half-open'])
})

describe('modes', () => {
  test('observe tells what it would have rejected, and lets it through', () => {
    const { table } = create({ mode: 'observe' })
    trip(table, 1, 0)
    const before = table.breakers.counts(1)
    call(table, 1, SUCCESS, 0, 5)
    expect(table.rejections().OPEN).toBe(5)
    expect(table.breakers.counts(1)).toEqual(before)
    expect(table.health?.successes(1, 0)).toBe(5)
  })

  test('observe counts what became of the calls it would have rejected', () => {
    const { table } = create({ mode: 'observe' })
    trip(table, 0, 0)
    const settle = (outcome: number, atMs: number, untilMs: number): void => {
      const token = table.admit(0, atMs)
      expect(table.wasRefused(token)).toBe(true)
      table.settle(0, token, outcome, untilMs)
    }
    settle(FAILURE, 10, 40)
    settle(FAILURE, 50, 55)
    settle(SUCCESS, 60, 100)
    settle(IGNORED, 100, 200)
    expect(table.counterfactual()).toEqual({
      rejectedCalls: 4,
      failuresSpared: 2,
      timeSavedMs: 35,
      successesLost: 1
    })
  })

  test('nothing of that counts for calls that are let through in enforce as well', () => {
    const { table } = create({ mode: 'observe', maxEjectedShare: 0.25 })
    const ordinary = table.admit(2, 0)
    expect(table.wasRefused(ordinary)).toBe(false)
    table.settle(2, ordinary, FAILURE, 10)
    trip(table, 0, 10)
    trip(table, 1, 10)
    const lastResort = table.admit(1, 20)
    expect(table.wasRefused(lastResort)).toBe(false)
    table.settle(1, lastResort, SUCCESS, 30)
    const part = table.follow(0, 20)
    table.settle(0, part, SUCCESS, 30)
    expect(table.counterfactual()).toMatchObject({ rejectedCalls: 0, failuresSpared: 0, successesLost: 0 })
  })

  test('the parts of a call that would have been rejected would not have been made either', () => {
    const { table } = create({ mode: 'observe' })
    trip(table, 0, 0)
    const call = table.admit(0, 10)
    const parts = [SUCCESS, SUCCESS, FAILURE].map(outcome => ({
      outcome,
      token: table.follow(0, 10, 0, table.wasRefused(call))
    }))
    table.settle(0, call, IGNORED, 11)
    for (const { token, outcome } of parts) table.settle(0, token, outcome, 20)
    expect(table.counterfactual()).toEqual({
      rejectedCalls: 1,
      failuresSpared: 1,
      timeSavedMs: 10,
      successesLost: 2
    })
    expect(table.wasRefused(call)).toBe(false)
  })

  test('a permit tells whether its call would have been rejected', () => {
    const { protection } = createProtection({ mode: 'observe' })
    expect(protection.admit('a').wasRefused).toBe(false)
    protection.isolate('a')
    expect(protection.admit('a').wasRefused).toBe(true)
  })

  test('observe with no room left follows no more calls, and lets them through', () => {
    const { table } = create({ mode: 'observe', maxInFlight: 1 })
    table.admit(1, 0)
    const token = table.admit(1, 0)
    expect(token).toBeGreaterThanOrEqual(0)
    expect(table.settle(1, token, FAILURE, 0)).toBe(false)
    expect(table.rejections().IN_FLIGHT_FULL).toBe(1)
    expect(table.totalInFlight).toBe(1)
  })

  test('off lets everything through and learns nothing', () => {
    const { table, events } = create({ mode: 'off' })
    call(table, 1, FAILURE, 0, 100)
    expect(table.breakers.counts(1).requests).toBe(0)
    expect(table.health?.failures(1, 0)).toBe(0)
    expect(Object.values(table.rejections()).every(count => count === 0)).toBe(true)
    expect(events).toEqual([])
  })

  test('a call settles by the mode it was admitted in', () => {
    const { table } = create({ mode: 'off' })
    const unseen = table.admit(1, 0)
    table.mode = 'enforce'
    const seen = table.admit(1, 0)
    table.settle(1, unseen, FAILURE, 0)
    expect(table.breakers.counts(1)).toMatchObject({ requests: 1, totalFailures: 0 })
    table.mode = 'off'
    table.settle(1, seen, FAILURE, 0)
    expect(table.breakers.counts(1)).toMatchObject({ requests: 1, totalFailures: 1 })
  })

  test('others are refused', () => {
    const { table } = create()
    expect(() => {
      table.mode = 'on' as Mode
    }).toThrow(InvalidOptionError)
    expect(table.mode).toBe('enforce')
  })
})

test('time looked at between calls changes nothing about which are admitted', () => {
  const run = (looks: boolean): boolean[] => {
    const { table } = create({ breaker: { halfOpenTimeoutMs: 300, hungCallMs: 200, intervalMs: 50 } })
    const answers: boolean[] = []
    let nowMs = 0
    for (let made = 0; made < 2000; made++) {
      nowMs += (made * 7919) % 61
      if (looks) {
        table.wake(nowMs)
        table.wouldAdmit(1, nowMs)
      }
      const token = table.admit(1, nowMs)
      answers.push(token >= 0)
      if (token >= 0 && made % 5 !== 0) table.settle(1, token, made % 3 === 0 ? SUCCESS : FAILURE, nowMs)
    }
    return answers
  }
  const answers = run(false)
  expect(run(true)).toEqual(answers)
  expect(new Set(answers).size).toBe(2)
})

describe('a suspect', () => {
  test('is refused until it is cleared, and then is what it was', () => {
    const { table } = create()
    expect([table.isSteady(1, 0), table.suspect(1, 0), table.suspect(1, 0)]).toEqual([true, true, false])
    expect([table.isSuspect(1), table.isSteady(1, 0)]).toEqual([true, false])
    expect([table.wouldAdmit(1, 0), table.admit(1, 0), table.admit(2, 0) >= 0]).toEqual([
      SUSPECT,
      SUSPECT,
      true
    ])
    table.clearSuspicion(1)
    expect(table.isSuspect(1)).toBe(false)
    expect(table.admit(1, 0)).toBeGreaterThanOrEqual(0)
    expect(table.rejections().SUSPECT).toBe(1)
  })

  test('is not forgotten', () => {
    const { table } = create()
    expect(table.isClean(1, 0)).toBe(true)
    table.suspect(1, 0)
    expect(table.isClean(1, 0)).toBe(false)
  })

  test('that recovers takes none of its share', () => {
    const { table } = create()
    startRecovery(table, 1, 0)
    table.suspect(1, 2000)
    for (let call = 0; call < 10; call++) expect(table.admit(1, 2000)).toBe(SUSPECT)
    table.clearSuspicion(1)
    expect(table.admit(1, 2000)).toBeGreaterThanOrEqual(0)
    expect(table.admit(1, 2000)).toBe(RECOVERING)
  })

  test('is only noted in mode observe', () => {
    const { table } = create({ mode: 'observe' })
    table.suspect(1, 0)
    expect(table.admit(1, 0)).toBeGreaterThanOrEqual(0)
    expect(table.rejections().SUSPECT).toBe(1)
  })

  test('is refused also as last resort', () => {
    const { table } = create({ maxEjectedShare: 0.01 })
    for (const slot of [1, 2]) table.trip(slot, 0)
    expect(table.isDemoted(2)).toBe(true)
    expect(table.admit(2, 0)).toBeGreaterThanOrEqual(0)
    table.suspect(2, 0)
    expect(table.admit(2, 0)).toBe(SUSPECT)
  })
})

describe('a trip from outside', () => {
  test('opens at once, says why, and ends the suspicion', () => {
    const { table, events } = create()
    table.suspect(1, 0)
    table.trip(1, 5)
    expect([table.isSuspect(1), table.suspect(1, 5)]).toEqual([false, false])
    expect(table.admit(1, 5)).toBe(OPEN)
    expect(table.lastTrip(1)?.reason).toBe('UNRESPONSIVE')
    expect(events.map(({ type, nowMs }) => [type, nowMs])).toEqual([['circuit:open', 5]])
    expect(table.retryAfterMs(1, 5)).toBe(TIMEOUT_MS + 1)
  })

  test('changes nothing for a circuit that is open, nor in mode off', () => {
    const { table, events } = create()
    table.trip(1, 0)
    table.trip(1, 500)
    expect(events).toHaveLength(1)
    expect(table.retryAfterMs(1, 500)).toBe(TIMEOUT_MS - 500 + 1)
    table.mode = 'off'
    table.trip(2, 500)
    expect(events).toHaveLength(1)
  })

  test('ends a recovery as a relapse', () => {
    const { table, events } = create()
    startRecovery(table, 1, 0)
    table.trip(1, 2000)
    expect(events.map(event => event.type).slice(-2)).toEqual(['circuit:open', 'recovery:relapse'])
    expect(table.lastTrip(1)?.reason).toBe('UNRESPONSIVE')
  })
})

describe('a call that goes along', () => {
  test('counts as one more while the circuit is closed', () => {
    const { table } = create()
    for (const token of [table.follow(1, 0), table.follow(1, 0)]) table.settle(1, token, FAILURE, 1)
    expect(table.admit(1, 1)).toBe(OPEN)
  })

  test('counts as a probe while there is room for one, and neither closes nor opens beyond', () => {
    const { table } = create({ breaker: { maxRequests: 1 } })
    table.trip(1, 0)
    const probe = table.follow(1, 2000)
    const other = table.follow(1, 2000)
    table.settle(1, other, FAILURE, 2001)
    expect(table.admit(1, 2001)).toBe(HALF_OPEN_FULL)
    table.settle(1, probe, SUCCESS, 2002)
    expect(table.ramp(1, 2002)).toBeDefined()
  })

  test('is refused nothing and takes no share', () => {
    const { table } = create()
    table.trip(1, 0)
    table.settle(1, table.follow(1, 1), FAILURE, 2)
    expect(table.health!.consecutiveErrors(1)).toBe(1)
    startRecovery(table, 2, 0)
    for (let call = 0; call < 10; call++) table.settle(2, table.follow(2, 2000), IGNORED, 2000)
    expect([table.admit(2, 2000) >= 0, table.admit(2, 2000)]).toEqual([true, RECOVERING])
    expect(table.rejections()).toMatchObject({ OPEN: 0, RECOVERING: 1 })
  })

  test('has its own time, and none in mode off or beyond the limit of calls', () => {
    const { table } = create({ maxInFlight: 1, breaker: { hungCallMs: 100 } })
    table.follow(1, 0, 50)
    table.follow(1, 0)
    expect(table.nextDeadline).toBe(50)
    table.catchUp(50)
    expect(table.totalInFlight).toBe(0)
    table.mode = 'off'
    table.settle(1, table.follow(1, 60), FAILURE, 61)
    expect(table.breakers.counts(1).totalFailures).toBe(1)
  })
})

describe('a call measured by its caller', () => {
  test('took as long as he says, whatever the clock says', () => {
    const { table } = create({ breaker: { slowCallMs: 100 } })
    const quick = table.admit(1, 0)
    expect(table.settleMeasured(1, quick, SUCCESS, 5000, 220, 20)).toBe(true)
    expect(table.health!.responseTimeMs(1)).toBe(220)
    const slow = table.admit(1, 5000)
    expect(table.settleMeasured(1, slow, SUCCESS, 5000, 101, 101)).toBe(true)
    expect(table.settleMeasured(1, slow, SUCCESS, 5000, 20, 20)).toBe(false)
    expect(table.breakers.counts(1)).toMatchObject({ totalSuccesses: 1, totalFailures: 1 })
  })
})
