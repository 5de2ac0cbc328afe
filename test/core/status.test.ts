import { describe, expect, test } from 'vitest'
import type { OverallStatus, PeerStatus, Protection } from '../../src/core/index.ts'
import { createProtection, STEP_MS, TIMEOUT_MS } from '../support/deterministic-protection.ts'
import { fail, offer, reject, succeed, targetOf } from '../support/drive.ts'

/** When the clocks here begin, in ms since 1970. */
const START = 1_767_225_600_000

/** A protection with a target in each state, and some calls under way. */
function createAll() {
  const created = createProtection({ maxEjectedShare: 0.2 })
  const { protection, advance } = created
  const peer = (key: string) => targetOf(protection, key)
  fail(peer('recovering'), 2)
  advance(TIMEOUT_MS + 1)
  succeed(peer('recovering'))
  fail(peer('half-open'), 2)
  advance(TIMEOUT_MS + 1)
  peer('half-open').admit()
  peer('recovering').admit()
  for (const key of ['closed', 'healthy', 'degraded']) succeed(peer(key), 10)
  fail(peer('degraded'))
  peer('healthy').admit()
  peer('healthy').admit()
  fail(peer('open'), 2)
  fail(peer('demoted'), 2)
  protection.isolate('isolated')
  return created
}

function statusOf(protection: Protection, key: string): PeerStatus {
  const status = protection.getPeerStatus(key)
  if (status === undefined) throw new Error(`Nothing is known of ${key}`)
  return status
}

/** Expects plain data, frozen to the bottom. */
function expectPlain(value: unknown): void {
  if (typeof value !== 'object' || value === null) {
    expect(typeof value).not.toBe('function')
    if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true)
    return
  }
  expect(Object.isFrozen(value)).toBe(true)
  expect([Object.prototype, Array.prototype]).toContain(Object.getPrototypeOf(value))
  Object.values(value).forEach(expectPlain)
}

describe('the status of a peer', () => {
  test('that nobody has called is undefined', () => {
    const { protection } = createProtection()
    expect(protection.getPeerStatus('a')).toBeUndefined()
    expect(protection.getHealth('a')).toBeUndefined()
    expect(protection.explain('a')).toBeUndefined()
    expect(protection.getOverallStatus().totalPeers).toBe(0)
  })

  test('that is new has nothing against it', () => {
    const { protection, advance } = createProtection()
    advance(50)
    protection.canAdmit('a')
    expect(statusOf(protection, 'a')).toEqual({
      key: 'a',
      circuitState: 'CLOSED',
      healthStatus: 'UNKNOWN',
      isIsolated: false,
      isDemoted: false,
      isSuspect: false,
      isRecovering: false,
      recoveryRate: 1,
      counts: {
        requests: 0,
        totalSuccesses: 0,
        totalFailures: 0,
        totalExclusions: 0,
        consecutiveSuccesses: 0,
        consecutiveFailures: 0
      },
      successRate: 1,
      responseTimeMs: 0,
      responseTimeDeviationMs: 0,
      consecutiveErrors: 0,
      inFlight: 0,
      trips: 0,
      relapses: 0,
      lastTrip: undefined,
      since: START + 50,
      nextRetryAt: undefined,
      lastUsedAt: START + 50
    })
  })

  test('tells what was counted', () => {
    const { protection, advance } = createProtection()
    const permit = protection.admit('a')
    advance(40)
    permit.settle('success')
    fail(targetOf(protection, 'a'))
    protection.admit('a')
    expect(statusOf(protection, 'a')).toMatchObject({
      counts: { requests: 3, totalSuccesses: 1, totalFailures: 1, consecutiveFailures: 1 },
      successRate: 0.5,
      responseTimeMs: 40,
      responseTimeDeviationMs: 20,
      consecutiveErrors: 1,
      inFlight: 1,
      lastUsedAt: START + 40
    })
  })

  test('tells when an OPEN target may be probed, and why it opened', () => {
    const { protection, advance } = createProtection()
    const peer = targetOf(protection, 'a')
    advance(100)
    fail(peer, 2)
    advance(300)
    const status = statusOf(protection, 'a')
    expect(status).toMatchObject({
      circuitState: 'OPEN',
      trips: 1,
      since: START + 100,
      nextRetryAt: START + 100 + TIMEOUT_MS + 1,
      lastTrip: { reason: 'FAILURES', counts: { consecutiveFailures: 2 } }
    })
    advance(status.nextRetryAt! - (START + 400) - 1)
    reject(peer)
    advance(1)
    succeed(peer)
  })

  test('tells of recovery', () => {
    const { protection, advance } = createProtection()
    const peer = targetOf(protection, 'a')
    fail(peer, 2)
    advance(TIMEOUT_MS + 1)
    succeed(peer)
    expect(statusOf(protection, 'a')).toMatchObject({
      circuitState: 'CLOSED',
      isRecovering: true,
      recoveryRate: 0.5,
      nextRetryAt: undefined
    })
    succeed(peer)
    advance(STEP_MS)
    expect(statusOf(protection, 'a').recoveryRate).toBe(1)
    succeed(peer)
    advance(STEP_MS)
    expect(statusOf(protection, 'a')).toMatchObject({ isRecovering: false, recoveryRate: 1, trips: 1 })
  })

  test('shows an isolated target as OPEN, for as long as it takes', () => {
    const { protection } = createProtection()
    protection.isolate('a')
    expect(statusOf(protection, 'a')).toMatchObject({
      circuitState: 'OPEN',
      isIsolated: true,
      nextRetryAt: undefined,
      lastTrip: undefined
    })
  })

  test('is as of now, also when nobody called for long', () => {
    const { protection, advance } = createProtection({ breaker: { hungCallMs: 100 } })
    succeed(targetOf(protection, 'a'), 10)
    protection.admit('a')
    expect(statusOf(protection, 'a')).toMatchObject({ healthStatus: 'HEALTHY', inFlight: 1 })
    advance(100_000)
    expect(statusOf(protection, 'a')).toMatchObject({
      healthStatus: 'UNKNOWN',
      inFlight: 0,
      successRate: 1,
      counts: { requests: 0, totalFailures: 0 }
    })
  })

  test('does not change later', () => {
    const { protection } = createProtection()
    const peer = targetOf(protection, 'a')
    fail(peer)
    const status = statusOf(protection, 'a')
    const copy = structuredClone(status)
    fail(peer)
    expect(status).toEqual(copy)
  })
})

describe('the status of all', () => {
  test('of nobody is healthy', () => {
    const { protection } = createProtection()
    expect(protection.getOverallStatus()).toEqual({
      mode: 'enforce',
      totalPeers: 0,
      healthStats: { healthyPeers: 0, degradedPeers: 0, unhealthyPeers: 0, unknownPeers: 0 },
      circuitStates: { CLOSED: 0, OPEN: 0, HALF_OPEN: 0 },
      recoveringPeers: 0,
      isolatedPeers: 0,
      demotedPeers: 0,
      suspectPeers: 0,
      ejectedPeers: 0,
      inFlight: 0,
      rejections: { OPEN: 0, HALF_OPEN_FULL: 0, RECOVERING: 0, ISOLATED: 0, IN_FLIGHT_FULL: 0, SUSPECT: 0 },
      counterfactual: { rejectedCalls: 0, failuresSpared: 0, timeSavedMs: 0, successesLost: 0 },
      latency: { count: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 },
      isHealthy: true,
      summary:
        'healthy; 0 peers: 0 healthy, 0 degraded, 0 unhealthy, 0 unknown; circuits: 0 closed, 0 open, 0 half-open; 0 recovering'
    } satisfies OverallStatus)
  })

  test('is the sum of what the status of each tells', () => {
    const { protection } = createAll()
    const peers = [...protection.peers()]
    const count = (matches: (peer: PeerStatus) => boolean): number => peers.filter(matches).length
    const overall = protection.getOverallStatus()
    expect(overall).toMatchObject({
      totalPeers: peers.length,
      healthStats: {
        healthyPeers: count(peer => peer.healthStatus === 'HEALTHY'),
        degradedPeers: count(peer => peer.healthStatus === 'DEGRADED'),
        unhealthyPeers: count(peer => peer.healthStatus === 'UNHEALTHY'),
        unknownPeers: count(peer => peer.healthStatus === 'UNKNOWN')
      },
      circuitStates: {
        CLOSED: count(peer => peer.circuitState === 'CLOSED'),
        OPEN: count(peer => peer.circuitState === 'OPEN'),
        HALF_OPEN: count(peer => peer.circuitState === 'HALF_OPEN')
      },
      recoveringPeers: count(peer => peer.isRecovering),
      isolatedPeers: count(peer => peer.isIsolated),
      demotedPeers: count(peer => peer.isDemoted),
      ejectedPeers: count(peer => peer.circuitState === 'OPEN' && !peer.isDemoted && !peer.isIsolated),
      inFlight: peers.reduce((sum, peer) => sum + peer.inFlight, 0)
    })
    // None of these sums is trivial.
    expect(overall).toMatchObject({
      totalPeers: 8,
      healthStats: { healthyPeers: 2, degradedPeers: 1 },
      circuitStates: { CLOSED: 4, OPEN: 3, HALF_OPEN: 1 },
      recoveringPeers: 1,
      isolatedPeers: 1,
      demotedPeers: 1,
      ejectedPeers: 1,
      inFlight: 4
    })
  })

  test('is as of now: a recovery whose time has come is in no total', () => {
    const { protection, advance } = createProtection()
    const peer = targetOf(protection, 'a')
    fail(peer, 2)
    advance(TIMEOUT_MS + 1)
    succeed(peer, 2)
    advance(STEP_MS)
    expect(protection.getOverallStatus().recoveringPeers).toBe(1)
    succeed(peer)
    advance(STEP_MS)
    expect(protection.getOverallStatus().recoveringPeers).toBe(0)
  })

  test('is as of now also for the crowd that has no records of its own', () => {
    const { protection, advance } = createProtection({ maxTargets: 1 })
    protection.isolate('kept')
    const crowd = targetOf(protection, 'a')
    fail(crowd, 2)
    expect(protection.getOverallStatus()).toMatchObject({ totalPeers: 1, ejectedPeers: 1 })
    advance(TIMEOUT_MS + 1)
    succeed(crowd, 2)
    advance(STEP_MS)
    succeed(crowd)
    expect(protection.getOverallStatus()).toMatchObject({ ejectedPeers: 0, recoveringPeers: 1 })
    advance(STEP_MS)
    expect(protection.getOverallStatus().recoveringPeers).toBe(0)
  })

  test('counts rejections by reason', () => {
    const { protection } = createAll()
    for (const key of ['half-open', 'recovering', 'open', 'isolated', 'demoted', 'closed']) {
      offer(targetOf(protection, key), 'ignored')
    }
    const { rejections } = protection.getOverallStatus()
    expect(rejections).toEqual({
      OPEN: 1,
      HALF_OPEN_FULL: 1,
      RECOVERING: 1,
      ISOLATED: 1,
      IN_FLIGHT_FULL: 0,
      SUSPECT: 0
    })
  })

  test('tells response times of all targets', () => {
    const { protection, advance } = createProtection()
    const permits = ['a', 'b', 'c'].map(key => protection.admit(key))
    for (const permit of permits) {
      advance(10)
      permit.settle('success')
    }
    expect(protection.getOverallStatus().latency).toMatchObject({ count: 3, p50Ms: 20, maxMs: 30 })
  })

  test('is unhealthy when more than half of the targets are in trouble', () => {
    const { protection } = createProtection({ maxEjectedShare: 1 })
    succeed(targetOf(protection, 'a'))
    fail(targetOf(protection, 'b'), 2)
    expect(protection.getOverallStatus()).toMatchObject({
      isHealthy: true,
      summary: expect.stringMatching(/^healthy; 2 peers:/)
    })
    fail(targetOf(protection, 'c'), 2)
    expect(protection.getOverallStatus()).toMatchObject({
      isHealthy: false,
      summary: expect.stringMatching(/^unhealthy; 3 peers:/)
    })
  })

  test('names its mode', () => {
    const { protection } = createProtection({ mode: 'observe' })
    expect(protection.getOverallStatus().mode).toBe('observe')
    protection.mode = 'off'
    expect(protection.getOverallStatus().mode).toBe('off')
  })
})

test('all status is plain data, frozen, and survives JSON', () => {
  const { protection } = createAll()
  const all = [
    protection.getOverallStatus(),
    ...protection.peers(),
    ...Array.from(protection.peers(), ({ key }) => protection.explain(key)),
    ...Array.from(protection.peers(), ({ key }) => protection.getHealth(key))
  ]
  expect(all.length).toBeGreaterThan(20)
  for (const status of all) {
    expectPlain(status)
    expect(status).toEqual({ ...status, ...JSON.parse(JSON.stringify(status)) })
  }
})

test('looking at the status changes nothing that is decided', () => {
  const run = (looks: boolean): boolean[] => {
    const { protection, advance } = createProtection({ breaker: { hungCallMs: 250 } })
    const peer = targetOf(protection, 'a')
    return Array.from({ length: 400 }, (_, call) => {
      advance((call * 7919) % 97)
      if (looks) {
        protection.getOverallStatus()
        protection.explain('a')
        for (const status of protection.peers()) expect(status.key).toBe('a')
      }
      return offer(peer, call % 3 === 0 ? 'success' : 'failure')
    })
  }
  const answers = run(false)
  expect(new Set(answers).size).toBe(2)
  expect(run(true)).toEqual(answers)
})

describe('explain', () => {
  const explanations = {
    closed: {
      verdict: 'Circuit closed: every call is let through.',
      changes: ['failures, in a row or as a share of the window, open the circuit']
    },
    recovering: {
      verdict: 'Recovering: 50 % of the calls are let through.',
      changes: ['successes raise the share step by step', 'failures in a row open the circuit again']
    },
    open: {
      verdict: 'Circuit open: every call is rejected.',
      changes: ['the first call from 1.0 s from now on goes as a probe']
    },
    'half-open': {
      verdict: 'Circuit half-open: a few calls are let through as probes.',
      changes: ['enough probes that succeed close the circuit', 'one that fails opens it again']
    },
    isolated: {
      verdict: 'Isolated by hand: every call is rejected.',
      changes: ['release() by hand']
    },
    demoted: {
      verdict: 'Kept as last resort: calls are let through, since no more may be refused.',
      changes: ['the first call from 1.0 s from now on goes as a probe']
    }
  }

  test.each(Object.entries(explanations))(
    'says what is done with a target that is %s, and what would change it',
    (key, words) => {
      const { protection } = createAll()
      const { nextRetryAt } = statusOf(protection, key)
      expect(protection.explain(key)).toMatchObject({ key, nextRetryAt, ...words })
    }
  )

  test('says nothing of response times when there were none', () => {
    const { protection } = createProtection()
    fail(targetOf(protection, 'a'))
    expect(protection.explain('a')?.evidence).toEqual([
      'CLOSED for 0.0 s; last used 0.0 s ago',
      'UNKNOWN: 0 % of recent calls succeeded, errors in a row: 1',
      'window: 1 calls, of which 0 succeeded, 1 failed, 0 did not count'
    ])
  })

  test('says what that stands on, and what would change it', () => {
    const { protection, advance } = createProtection()
    const permit = protection.admit('a')
    advance(40)
    permit.settle('success')
    fail(targetOf(protection, 'a'), 2)
    advance(500)
    expect(protection.explain('a')).toEqual({
      key: 'a',
      verdict: 'Circuit open: every call is rejected.',
      evidence: [
        'OPEN for 0.5 s; last used 0.5 s ago',
        'UNKNOWN: 33.3 % of recent calls succeeded, errors in a row: 2',
        'window: 0 calls, of which 0 succeeded, 0 failed, 0 did not count',
        'response time: 40.0 ms, give or take 20.0 ms',
        'last opened: 2 of 3 calls failed, 2 in a row',
        'trips not yet forgiven: 1, relapses: 0'
      ],
      nextRetryAt: START + 40 + TIMEOUT_MS + 1,
      changes: ['the first call from 0.5 s from now on goes as a probe']
    })
  })

  test('says it of a target that was isolated, whatever else it is', () => {
    const { protection } = createProtection()
    fail(targetOf(protection, 'a'), 2)
    protection.isolate('a')
    expect(protection.explain('a')).toMatchObject({ changes: ['release() by hand'], nextRetryAt: undefined })
  })
})
