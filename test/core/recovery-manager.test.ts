import { describe, expect, test } from 'vitest'
import { ManualClock, RecoveryManager, type RecoveryOptions } from '../../src/core/index.ts'

const INTERVAL_MS = 1000
const COOLDOWN_MS = 5000

function create(options: Partial<RecoveryOptions> = {}, maxTargets = 100) {
  const clock = new ManualClock()
  const manager = new RecoveryManager(
    {
      strategy: 'STEP',
      recoverySteps: [0.1, 0.5, 1],
      recoveryIntervalMs: INTERVAL_MS,
      successThreshold: 3,
      failureThreshold: 2,
      maxRecoveryTimeMs: 60_000,
      cooldownPeriodMs: COOLDOWN_MS,
      ...options
    },
    { clock, maxTargets }
  )
  return { manager, clock, advance: (ms: number) => clock.advance(ms) }
}

/** How many of so many calls offered are admitted. */
function offer(manager: RecoveryManager, offers: number, key = 'a'): number {
  return Array.from({ length: offers }, () => manager.shouldAllowRequest(key)).filter(Boolean).length
}

function relapse(manager: RecoveryManager): void {
  manager.recordFailure('a')
  manager.recordFailure('a')
}

test('a target that is not recovering gets everything', () => {
  const { manager } = create()
  expect(manager.isRecovering('a')).toBe(false)
  expect(manager.getRecoveryRate('a')).toBe(1)
  expect(offer(manager, 100)).toBe(100)
  manager.recordFailure('a')
  manager.recordSuccess('a')
  expect(manager.isRecovering('a')).toBe(false)
})

test('a target that recovers gets its share, step by step', () => {
  const { manager, advance } = create()
  manager.startRecovery('a')
  const admitted: number[] = []
  for (const rate of [0.1, 0.5, 1]) {
    expect(manager.getRecoveryRate('a')).toBe(rate)
    admitted.push(offer(manager, 100))
    manager.recordSuccess('a')
    advance(INTERVAL_MS)
  }
  expect(admitted).toEqual([10, 50, 100])
  expect(manager.isRecovering('a')).toBe(false)
  expect(manager.getRecoveryRate('a')).toBe(1)
})

test('the very first call is admitted', () => {
  const { manager } = create()
  manager.startRecovery('a')
  expect(manager.shouldAllowRequest('a')).toBe(true)
  expect(manager.shouldAllowRequest('a')).toBe(false)
})

test('time alone raises nothing', () => {
  const { manager, advance } = create()
  manager.startRecovery('a')
  advance(50_000)
  expect(manager.getRecoveryRate('a')).toBe(0.1)
})

test('starting a recovery that is under way changes nothing', () => {
  const { manager, advance } = create()
  manager.startRecovery('a')
  manager.recordSuccess('a')
  advance(INTERVAL_MS)
  manager.startRecovery('a')
  expect(manager.getRecoveryRate('a')).toBe(0.5)
})

test('one that is complete can start again', () => {
  const { manager, advance } = create({ recoverySteps: [0.5], successThreshold: 1 })
  manager.startRecovery('a')
  manager.recordSuccess('a')
  advance(INTERVAL_MS)
  expect(manager.isRecovering('a')).toBe(false)
  manager.startRecovery('a')
  expect(manager.getRecoveryRate('a')).toBe(0.5)
})

describe('a relapse', () => {
  test('admits nothing for the cooldown, then begins from the bottom', () => {
    const { manager, advance } = create()
    manager.startRecovery('a')
    manager.recordSuccess('a')
    advance(INTERVAL_MS)
    relapse(manager)
    expect(manager.isRecovering('a')).toBe(true)
    expect(manager.getRecoveryRate('a')).toBe(0)
    expect(offer(manager, 100)).toBe(0)
    advance(COOLDOWN_MS - 1)
    expect(manager.shouldAllowRequest('a')).toBe(false)
    advance(1)
    expect(manager.getRecoveryRate('a')).toBe(0.1)
    expect(manager.shouldAllowRequest('a')).toBe(true)
  })

  test('is not answered for twice: results during the cooldown count for nothing', () => {
    const { manager, advance } = create()
    manager.startRecovery('a')
    relapse(manager)
    advance(COOLDOWN_MS - 1)
    manager.recordSuccess('a')
    relapse(manager)
    advance(1)
    expect(manager.getRecoveryRate('a')).toBe(0.1)
    manager.recordFailure('a')
    expect(manager.getRecoveryRate('a')).toBe(0.1)
    expect(manager.shouldAllowRequest('a')).toBe(true)
  })

  test('leaves a whole maxRecoveryTimeMs to the next try', () => {
    const { manager, advance } = create({ maxRecoveryTimeMs: 10_000, failureThreshold: 2 })
    manager.startRecovery('a')
    advance(9000)
    relapse(manager)
    advance(COOLDOWN_MS + 9999)
    for (const failed of [false, true, false, true]) {
      if (failed) manager.recordFailure('a')
      else manager.recordSuccess('a')
    }
    expect(manager.getRecoveryRate('a')).toBeGreaterThan(0)
    advance(1)
    expect(manager.getRecoveryRate('a')).toBe(0)
  })

  test('is the end at maxRecoveryTimeMs when too much failed', () => {
    const { manager, advance } = create({ maxRecoveryTimeMs: 10_000, failureThreshold: 10 })
    manager.startRecovery('a')
    manager.recordFailure('a')
    manager.recordSuccess('a')
    manager.recordSuccess('a')
    advance(10_000)
    expect(manager.getRecoveryRate('a')).toBe(0)
  })
})

test('at maxRecoveryTimeMs a target that did well is done', () => {
  const { manager, advance } = create({ maxRecoveryTimeMs: 500 })
  manager.startRecovery('a')
  for (let call = 0; call < 3; call++) manager.recordSuccess('a')
  advance(500)
  expect(manager.isRecovering('a')).toBe(false)
})

test('at maxRecoveryTimeMs a quiet target goes on recovering', () => {
  const { manager, advance } = create({ maxRecoveryTimeMs: 500 })
  manager.startRecovery('a')
  advance(1e9)
  expect(manager.isRecovering('a')).toBe(true)
  expect(manager.getRecoveryRate('a')).toBe(0.1)
})

test('targets do not touch one another', () => {
  const { manager } = create()
  manager.startRecovery('a')
  manager.startRecovery('b')
  relapse(manager)
  expect(manager.getRecoveryRate('a')).toBe(0)
  expect(manager.getRecoveryRate('b')).toBe(0.1)
  expect(offer(manager, 10, 'c')).toBe(10)
})

test('at most maxTargets recover: the one that started first is let go', () => {
  const { manager } = create({}, 2)
  for (const key of ['a', 'b', 'c']) manager.startRecovery(key)
  expect(['a', 'b', 'c'].filter(key => manager.isRecovering(key))).toEqual(['b', 'c'])
})

test('needs no timer', () => {
  const { manager, clock } = create()
  manager.startRecovery('a')
  relapse(manager)
  expect(clock.pendingTimers).toBe(0)
})
