import { expect, test } from 'vitest'
import { defaultTripRule } from '../../src/core/index.ts'
import { expectedRejectedShare, simulate } from '../support/honest-swarm.ts'

/** Share of the calls to honest peers that may be rejected. */
const MOST = 0.001

const cases = [1, 10].flatMap(callsPerSecond =>
  [0.01, 0.03, 0.05].map(errorShare => ({ callsPerSecond, errorShare, percent: errorShare * 100 }))
)

test.each(cases)(
  'of $callsPerSecond calls/s to each of 16 peers with $percent % errors, hardly any is rejected in two hours',
  swarm => {
    const { calls, rejectedShare } = simulate({ ...swarm, peers: 16, hours: 2, seed: 1 })
    expect(calls).toBe(swarm.callsPerSecond * 16 * 7200)
    expect(rejectedShare).toBeLessThan(MOST)
  }
)

test.each(cases)(
  'of $callsPerSecond calls/s with $percent % errors, hardly any is rejected in the long run',
  swarm => {
    const { consecutiveFailures } = defaultTripRule
    const share = expectedRejectedShare({ ...swarm, seed: 2 }, consecutiveFailures, 200)
    expect(share).toBeGreaterThan(0)
    expect(share).toBeLessThan(MOST)
  }
)

test('the simulation rejects where there is reason to', () => {
  const { rejectedShare, trips } = simulate({
    peers: 50,
    errorShare: 0.3,
    callsPerSecond: 1,
    hours: 0.2,
    seed: 1
  })
  expect(trips).toBeGreaterThan(10)
  expect(rejectedShare).toBeGreaterThan(0.1)
})
