import { describe, expect, test } from 'vitest'
import { compareArms } from '../../../benchmarks/sim/compare.ts'
import { noiseCheck, runNoise } from '../../../benchmarks/sim/noise.ts'
import { runRecovery } from '../../../benchmarks/sim/recovery.ts'
import { faultsOf } from '../../../benchmarks/sim/replay.ts'
import { churningSwarm } from '../../../benchmarks/sim/scale.ts'
import { Simulation } from '../../../benchmarks/sim/simulation.ts'
import { answeredShare } from '../../../benchmarks/sim/tally.ts'
import { tripAt } from '../../../src/core/index.ts'

const swarm = { ...churningSwarm(500), durationMs: 300_000 }
const neverOpens = { breaker: { readyToTrip: () => false } }

describe('a simulation', () => {
  test('is the same again with the same seed, and another with another', () => {
    const run = (seed: number): unknown => new Simulation(swarm, seed).run().tally.counts
    expect(run(1)).toEqual(run(1))
    expect(run(1)).not.toEqual(run(2))
  })

  test('sends the same requests in each arm, and the oracle wastes none', () => {
    const { protected: ours, unprotected, oracle } = compareArms(swarm, 1)
    expect([unprotected.requests, oracle.requests]).toEqual([ours.requests, ours.requests])
    expect(oracle.wastedCalls).toBe(0)
    expect(answeredShare(ours)).toBeGreaterThan(answeredShare(unprotected))
    expect(answeredShare(ours)).toBeLessThan(answeredShare(oracle))
    expect(ours.wastedCalls).toBeLessThan(unprotected.wastedCalls / 4)
  })

  test('accounts for each request once all calls have ended', () => {
    const simulation = new Simulation({ ...swarm, noiseShare: 0, fault: () => undefined }, 1).run()
    const { requests, answeredFirst, answeredLater, nobodyToCall, wellRefused } = simulation.tally.counts
    // The slowest peers are late now and then, and some calls are under way at the end.
    expect(answeredFirst).toBeGreaterThan(0.995 * requests)
    expect([answeredLater, nobodyToCall, wellRefused]).toEqual([0, 0, 0])
  })
})

describe('what goes wrong is noticed', () => {
  test('circuits that never open', () => {
    const ours = new Simulation(swarm, 1).run().tally.counts
    const { wastedCalls, missed, opens } = new Simulation(swarm, 1, { protection: neverOpens }).run().tally
      .counts
    expect(opens).toBe(0)
    expect(missed).toBeGreaterThan(3)
    expect(wastedCalls).toBeGreaterThan(4 * ours.wastedCalls)
    expect(ours.missed).toBe(0)
    expect(faultsOf(1)).toEqual([])
    expect(faultsOf(1, neverOpens).join()).toContain('not noticed')
  })

  test('circuits that open for nothing', () => {
    const input = { noiseShare: 0.05, requestsPerS: 1, peers: 20 }
    const nervous = { breaker: { readyToTrip: tripAt({ consecutiveFailures: 2 }) } }
    expect(noiseCheck(runNoise(input, 1)).passed).toBe(true)
    expect(noiseCheck(runNoise(input, 1, nervous)).passed).toBe(false)
    const hysterical = { breaker: { readyToTrip: tripAt({ consecutiveFailures: 1 }) } }
    expect(faultsOf(1, hysterical).join()).toContain('for nothing')
  })

  test('peers that do not come back', () => {
    const input = { peers: 20, noiseShare: 0 }
    const never = { breaker: { timeoutMs: 86_400_000, maxTimeoutMs: 86_400_000 } }
    const isBack = ({ fullMs }: { fullMs: number }): boolean => fullMs < Infinity
    expect(runRecovery(input, 1).every(isBack)).toBe(true)
    expect(runRecovery(input, 1, never).every(isBack)).toBe(false)
  })

  test('a relapse for nothing is no opening for nothing', () => {
    const noisy = { ...swarm, noiseShare: 0.3, fault: () => undefined }
    const { opens, falseOpens, falseRelapses } = new Simulation(noisy, 1).run().tally.counts
    expect(falseOpens).toBeGreaterThan(3)
    expect(falseRelapses).toBeGreaterThan(3)
    expect(falseOpens + falseRelapses).toBe(opens)
  })

  test('who is not recovered is called all the same, if nobody else may be', () => {
    const failing = { ...swarm, candidates: 1, noiseShare: 0, fault: () => ({ way: 'refuse' as const }) }
    const count = (usesLastResort: boolean): number =>
      new Simulation(failing, 1, { usesLastResort }).run().tally.counts.nobodyToCall
    expect(count(false)).toBeGreaterThan(1_000)
    expect(count(true)).toBe(0)
  })
})
