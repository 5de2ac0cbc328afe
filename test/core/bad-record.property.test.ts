import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type BadRecord,
  ManualClock,
  Protection,
  type ProtectionOptions,
  tripAt
} from '../../src/core/index.ts'
import { offer, targetOf } from '../support/drive.ts'

const START = 1_767_225_600_000
const MAX_AGE_MS = 5000
const MAX_TARGETS = 12
/** With jitter. */
const LONGEST_OPEN_MS = 2000 * 1.1

const options: Partial<ProtectionOptions> = {
  breaker: {
    readyToTrip: tripAt({ consecutiveFailures: 2 }),
    intervalMs: 300,
    bucketPeriodMs: 100,
    timeoutMs: 500,
    timeoutGrowth: 2,
    maxTimeoutMs: 2000,
    timeoutJitter: 0.1,
    timeoutDecayMs: 1000,
    maxRequests: 2,
    successThreshold: 1,
    halfOpenTimeoutMs: 400
  },
  health: { checkIntervalMs: 200, cleanupIntervalMs: 1000, maxAgeMs: 3000 },
  recovery: { recoveryIntervalMs: 100, successThreshold: 2, failureThreshold: 2, cooldownPeriodMs: 800 },
  maxTargets: MAX_TARGETS,
  maxEjectedShare: 0.5,
  badMaxAgeMs: MAX_AGE_MS
}

function create(nowMs: number) {
  const clock = new ManualClock(nowMs, START + nowMs)
  return { clock, protection: new Protection(options, { clock, random: () => 0.5 }) }
}

const key = fc.constantFrom('a', 'b', 'c')
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ key, outcome: fc.constantFrom('success' as const, 'failure' as const) })
  },
  {
    weight: 2,
    arbitrary: fc.record({ advanceMs: fc.oneof(fc.nat(150), fc.integer({ min: 400, max: 2500 })) })
  },
  { weight: 1, arbitrary: fc.record({ key, isolate: fc.boolean() }) }
)

function drive(
  { clock, protection }: ReturnType<typeof create>,
  steps: ReadonlyArray<typeof step extends fc.Arbitrary<infer Step> ? Step : never>
): void {
  for (const each of steps) {
    if ('advanceMs' in each) clock.advance(each.advanceMs)
    else if ('outcome' in each)
      for (let call = 0; call < 2; call++) offer(targetOf(protection, each.key), each.outcome)
    else if (each.isolate) protection.isolate(each.key)
    else protection.release(each.key)
  }
}

test('whatever happened, a restart changes nothing of what is held against targets', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
      const before = create(0)
      drive(before, steps)
      const saved = before.protection.badRecords(MAX_AGE_MS)
      const after = create(before.clock.now())
      expect(after.protection.restore(saved, MAX_AGE_MS)).toBe(saved.records.length)
      expect(after.protection.badRecords(MAX_AGE_MS)).toEqual(saved)
      for (const { state, isRecovering } of saved.records) {
        const name = isRecovering ? 'RECOVERING' : state
        seen.set(name, (seen.get(name) ?? 0) + 1)
      }
    }),
    { numRuns: 300 }
  )
  for (const name of ['OPEN', 'HALF_OPEN', 'CLOSED', 'RECOVERING']) expect(seen.get(name)).toBeGreaterThan(10)
})

const anyNumber = fc.oneof(
  fc.double(),
  fc.integer({ min: START - 10_000, max: START + 10_000 }),
  fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, -1)
)
const anyCount = fc.nat()
const record: fc.Arbitrary<BadRecord> = fc.record({
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'),
  state: fc.constantFrom('CLOSED', 'OPEN', 'HALF_OPEN'),
  retryAt: fc.option(anyNumber, { nil: undefined }),
  isRecovering: fc.boolean(),
  isIsolated: fc.boolean(),
  trips: anyNumber,
  relapses: anyNumber,
  lastTrip: fc.option(
    fc.record({
      reason: fc.constantFrom('FAILURES', 'RELAPSE'),
      at: anyNumber,
      counts: fc.record({
        requests: anyCount,
        totalSuccesses: anyCount,
        totalFailures: anyCount,
        totalExclusions: anyCount,
        consecutiveSuccesses: anyCount,
        consecutiveFailures: anyCount
      })
    }),
    { nil: undefined }
  )
})

test('whatever was saved, nobody is locked out for good, and no more are refused than may be', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 20 }),
      fc.array(record, { maxLength: 20 }),
      anyNumber,
      fc.array(step, { maxLength: 20 }),
      (early, records, savedAt, late) => {
        const created = create(1000)
        const { protection, clock } = created
        const checkCap = (): void => {
          const { ejectedPeers, totalPeers } = protection.getOverallStatus()
          expect(ejectedPeers).toBeLessThanOrEqual(Math.max(1, Math.floor(totalPeers / 2)))
        }
        drive(created, early)
        const known = protection.getOverallStatus().totalPeers
        protection.restore({ savedAt, records }, MAX_AGE_MS)
        checkCap()
        const peers = [...protection.peers()]
        expect(peers.length).toBeLessThanOrEqual(Math.max(known, MAX_TARGETS / 2))
        for (const { trips, since, lastUsedAt, nextRetryAt = 0 } of peers) {
          expect(Number.isSafeInteger(trips)).toBe(true)
          expect(nextRetryAt - clock.wallTime()).toBeLessThanOrEqual(LONGEST_OPEN_MS + 1)
          for (const at of [since, lastUsedAt]) {
            expect(at).toBeGreaterThanOrEqual(clock.wallTime() - Math.max(MAX_AGE_MS, clock.now()))
            expect(at).toBeLessThanOrEqual(clock.wallTime())
          }
        }
        drive(created, late)
        checkCap()

        clock.advance(LONGEST_OPEN_MS + 1)
        for (const { key, isIsolated } of [...protection.peers()]) {
          if (isIsolated) protection.release(key)
          expect(protection.getPeerStatus(key)?.circuitState).not.toBe('OPEN')
        }
        clock.advance(2 * MAX_AGE_MS)
        expect(protection.getOverallStatus()).toMatchObject({
          totalPeers: 0,
          ejectedPeers: 0,
          recoveringPeers: 0
        })
      }
    ),
    { numRuns: 500 }
  )
})
