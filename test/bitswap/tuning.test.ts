import { describe, expect, test } from 'vitest'
import { type Limits, type Load, rangeOf, type Tuning, tune } from '../../src/bitswap/tuning.ts'
import type { LatencySummary } from '../../src/core/latency-histogram.ts'

const configured: Limits = { openWaitMs: 400, wantTimeoutMs: 2_000, hedgeShare: 0.1 }

function times(count: number, p50Ms: number, p95Ms: number, p99Ms = p95Ms): LatencySummary {
  return { count, p50Ms, p95Ms, p99Ms, maxMs: p99Ms }
}

const none = times(0, 0, 0)

const idle: Load = {
  periodMs: 30_000,
  loopLagMs: 0,
  opened: none,
  answered: none,
  timedOut: 0,
  failedOtherwise: 0,
  hedged: 0,
  hedgesRefused: 0
}

function tuned(load: Partial<Load>, limits: Partial<Limits> = {}, set: Limits = configured) {
  return tune({ ...idle, ...load }, { ...set, ...limits }, set)
}

function only(tunings: readonly Tuning[]): Tuning {
  expect(tunings).toHaveLength(1)
  return tunings[0]!
}

describe('in general', () => {
  test('without load nothing is changed', () => {
    expect(tuned({})).toEqual([])
  })

  test('while the event loop is late nothing is changed', () => {
    const opened = times(1000, 10, 31)
    expect(tuned({ opened, loopLagMs: 75 })).toHaveLength(1)
    expect(tuned({ opened, loopLagMs: 76 })).toEqual([])
  })

  test('a change is of at least a quarter', () => {
    const limits = { openWaitMs: 400 }
    expect(tuned({ opened: times(100, 75, 75.1) }, limits)).toMatchObject([{ to: 300 }])
    expect(tuned({ opened: times(100, 75, 75.3) }, limits)).toEqual([])
    expect(tuned({ opened: times(100, 124, 124.7) }, limits)).toEqual([])
    expect(tuned({ opened: times(100, 125, 125) }, limits)).toMatchObject([{ to: 500 }])
  })

  test('to go back to what was configured takes less, so that nothing is left of a change', () => {
    const back = tuned({ opened: times(100, 10, 95) }, { openWaitMs: 470 })
    expect(only(back)).toMatchObject({
      to: 400,
      reason:
        '100 streams opened in 30 s, 95 of 100 within 95 ms: 4 times that is 380 ms; back to the configured 400 ms'
    })
    expect(only(tuned({ opened: times(100, 10, 105) }, { openWaitMs: 350 }))).toMatchObject({ to: 400 })
    // As long as there is some reason for it, it stays.
    expect(tuned({ opened: times(100, 105, 105) }, { openWaitMs: 470 })).toEqual([])
    expect(tuned({ opened: times(100, 10, 95) }, { openWaitMs: 350 })).toEqual([])
    // And what was configured is not left for less than a quarter.
    expect(tuned({ opened: times(100, 10, 95) })).toEqual([])
  })

  test('several options change at once, each for its own reason', () => {
    const tunings = tuned({ opened: times(300, 10, 31), answered: times(300, 2000, 3000) })
    expect(tunings.map(({ option }) => option)).toEqual(['openWaitMs', 'wantTimeoutMs'])
  })

  test('what is told is frozen', () => {
    expect(Object.isFrozen(only(tuned({ opened: times(300, 10, 31) })))).toBe(true)
  })
})

describe('how far options may go', () => {
  test.each([
    ['openWaitMs', 400, 100, 1600],
    ['openWaitMs', 200, 100, 800],
    ['openWaitMs', 40, 40, 160],
    ['openWaitMs', 1000, 250, 2000],
    ['openWaitMs', 5000, 1250, 5000],
    ['wantTimeoutMs', 2000, 2000, 8000],
    ['wantTimeoutMs', 500, 500, 2000],
    ['wantTimeoutMs', 6000, 2000, 10_000],
    ['wantTimeoutMs', 20_000, 5000, 20_000],
    ['hedgeShare', 0.1, 0.1, 0.25],
    ['hedgeShare', 0.05, 0.05, 0.2],
    ['hedgeShare', 0.5, 0.5, 0.5],
    ['hedgeShare', 1, 1, 1]
  ] as const)('%s, configured %d: from %d to %d', (option, value, min, max) => {
    expect(rangeOf(option, value)).toEqual({ min, max })
  })
})

describe('openWaitMs', () => {
  test('is four times what 95 of 100 streams take to open', () => {
    expect(only(tuned({ opened: times(310, 10, 31, 500) }, { openWaitMs: 200 }))).toEqual({
      option: 'openWaitMs',
      from: 200,
      to: 124,
      reason: '310 streams opened in 30 s, 95 of 100 within 31 ms: 4 times that is 124 ms'
    })
  })

  test('goes by half at a time', () => {
    expect(only(tuned({ opened: times(310, 10, 31) }))).toMatchObject({
      to: 200,
      reason:
        '310 streams opened in 30 s, 95 of 100 within 31 ms: 4 times that is 124 ms; half at a time: 200 ms'
    })
  })

  test('goes up by twice at a time, and not beyond its range', () => {
    const opened = times(310, 800, 900)
    const most = '310 streams opened in 30 s, 95 of 100 within 900 ms: 4 times that is 3600 ms'
    const bound = `half within 800 ms bear out 3200 ms; it stays at or below 1600 ms`
    expect(only(tuned({ opened }))).toMatchObject({
      from: 400,
      to: 800,
      reason: `${most}; ${bound}; twice at a time: 800 ms`
    })
    expect(only(tuned({ opened }, { openWaitMs: 800 }))).toMatchObject({
      to: 1600,
      reason: `${most}; ${bound}`
    })
    expect(tuned({ opened }, { openWaitMs: 1600 })).toEqual([])
  })

  test('does not go below its range', () => {
    expect(only(tuned({ opened: times(100, 1, 2.5) }, { openWaitMs: 150 }))).toMatchObject({
      to: 100,
      reason:
        '100 streams opened in 30 s, 95 of 100 within 2.5 ms: 4 times that is 10 ms; it stays at or above 100 ms'
    })
  })

  test('a few slow peers do not raise it above what was configured', () => {
    const opened = times(1000, 10, 5000)
    expect(tuned({ opened })).toEqual([])
    expect(only(tuned({ opened }, { openWaitMs: 100 }))).toMatchObject({ to: 200 })
    // And it comes down again if it was above.
    expect(only(tuned({ opened }, { openWaitMs: 800 }))).toMatchObject({
      to: 400,
      reason: expect.stringContaining('half within 10 ms bear out 400 ms')
    })
  })

  test('takes a hundred samples', () => {
    expect(tuned({ opened: times(99, 10, 31) })).toEqual([])
    expect(tuned({ opened: times(100, 10, 31) })).toHaveLength(1)
  })
})

describe('wantTimeoutMs', () => {
  test('is twice what 99 of 100 answers take', () => {
    expect(only(tuned({ answered: times(500, 900, 1200, 1900) }))).toEqual({
      option: 'wantTimeoutMs',
      from: 2000,
      to: 3600,
      reason:
        '500 wants answered in 30 s, 99 of 100 within 1900 ms: 2 times that is 3800 ms; half within 900 ms bear out 3600 ms'
    })
  })

  test('does not fall below the 2 s that a peer not known yet may need, however fast others are', () => {
    expect(tuned({ answered: times(5000, 5, 6, 7) })).toEqual([])
    const set = { ...configured, wantTimeoutMs: 6000 }
    expect(only(tuned({ answered: times(5000, 5, 6, 7) }, {}, set))).toMatchObject({ to: 3000 })
    expect(only(tuned({ answered: times(5000, 5, 6, 7) }, { wantTimeoutMs: 3000 }, set))).toMatchObject({
      to: 2000
    })
  })

  test('a few slow peers do not raise it above what was configured', () => {
    expect(tuned({ answered: times(5000, 5, 1800, 1900) })).toEqual([])
  })

  test('takes a hundred answers', () => {
    expect(tuned({ answered: times(99, 1900, 1900) })).toEqual([])
    expect(tuned({ answered: times(100, 1900, 1900) })).toHaveLength(1)
  })

  describe('configured 8 s, and lowered', () => {
    const set = { ...configured, wantTimeoutMs: 8000 }
    const fast = times(1000, 5, 6, 7)
    const lowered = { wantTimeoutMs: 4000 }

    test('goes on falling as long as nearly all wants are answered', () => {
      expect(only(tuned({ answered: fast, timedOut: 10 }, lowered, set))).toMatchObject({ to: 2000 })
    })

    test('stays when more than one in a hundred times out, since what those would have taken is not known', () => {
      expect(tuned({ answered: fast, timedOut: 11 }, lowered, set)).toEqual([])
      // Others can go wrong without that.
      expect(tuned({ answered: fast, failedOtherwise: 500 }, lowered, set)).toHaveLength(1)
    })

    test('goes back when one in twenty times out', () => {
      expect(tuned({ answered: fast, timedOut: 52 }, lowered, set)).toEqual([])
      expect(only(tuned({ answered: fast, timedOut: 53 }, lowered, set))).toMatchObject({
        to: 8000,
        reason: '53 of 1053 wants timed out in 30 s: back to the configured 8000 ms'
      })
    })

    test('goes back on little evidence, since when all circuits are open there is none', () => {
      expect(tuned({ timedOut: 4 }, lowered, set)).toEqual([])
      expect(only(tuned({ timedOut: 5 }, lowered, set))).toMatchObject({ to: 8000 })
      expect(only(tuned({ timedOut: 5 }, { wantTimeoutMs: 2000 }, set))).toMatchObject({ to: 4000 })
    })

    test('does not go above what was configured because peers are silent', () => {
      expect(tuned({ answered: fast, timedOut: 900 }, {}, set)).toEqual([])
      expect(tuned({ timedOut: 900 }, {}, set)).toEqual([])
    })
  })

  test('raised, comes down to what was configured while wants time out, and says why no further', () => {
    const set = { ...configured, wantTimeoutMs: 4000 }
    const load = { answered: times(990, 5, 6, 7), timedOut: 20 }
    expect(only(tuned(load, { wantTimeoutMs: 8000 }, set))).toMatchObject({
      to: 4000,
      reason:
        '990 wants answered in 30 s, 99 of 100 within 7 ms: 2 times that is 14 ms; 20 of 1010 wants timed out, so not below 4000 ms'
    })
  })
})

describe('hedgeShare', () => {
  const fast = times(900, 10, 20)
  const silent = { answered: fast, timedOut: 100 }

  test('rises to what there was reason for, when hedges were refused and wants time out', () => {
    expect(only(tuned({ ...silent, hedged: 100, hedgesRefused: 60 }))).toEqual({
      option: 'hedgeShare',
      from: 0.1,
      to: 0.16,
      reason: '100 hedges made and 60 refused for 1000 wants in 30 s, of which 100 timed out: 16 %'
    })
  })

  test('rises by twice at a time, to a quarter at most', () => {
    const load = { ...silent, hedged: 100, hedgesRefused: 5000 }
    expect(only(tuned(load))).toMatchObject({
      to: 0.2,
      reason: expect.stringMatching(/: 510 %; it stays at or below 25 %; twice at a time: 20 %$/)
    })
    expect(only(tuned(load, { hedgeShare: 0.2 }))).toMatchObject({ to: 0.25 })
    expect(tuned(load, { hedgeShare: 0.25 })).toEqual([])
  })

  test.each([
    ['none was refused', { hedged: 200, hedgesRefused: 0 }],
    ['few wants time out: peers are merely slower than before', { timedOut: 47 }],
    ['half of the wants time out: that is an outage', { timedOut: 900, hedgesRefused: 500 }],
    ['there are few wants', { answered: times(80, 10, 20), timedOut: 19 }]
  ])('does not rise when %s', (_, change) => {
    expect(tuned({ ...silent, hedged: 100, hedgesRefused: 60, ...change })).toEqual([])
  })

  test('rises up to the point where half of the wants time out', () => {
    const load = { answered: fast, timedOut: 899, hedged: 180, hedgesRefused: 180 }
    expect(only(tuned(load))).toMatchObject({ to: 0.2 })
  })

  test('falls towards what was configured when there is less reason, whatever times out', () => {
    const limits = { hedgeShare: 0.25 }
    expect(only(tuned({ ...silent, hedged: 150 }, limits))).toMatchObject({ to: 0.15 })
    expect(only(tuned({ ...silent, hedged: 10 }, limits))).toMatchObject({ to: 0.125 })
    expect(only(tuned({ ...silent, hedged: 10 }, { hedgeShare: 0.15 }))).toMatchObject({
      to: 0.1,
      reason: expect.stringMatching(/: 1 %; it stays at or above 10 %$/)
    })
  })

  test('does not fall below what was configured', () => {
    expect(tuned({ answered: fast })).toEqual([])
  })

  test('does not swing once it has room for what there is reason for', () => {
    // The same reasons for hedges as before, of which none has to be refused any more.
    expect(tuned({ ...silent, hedged: 160 }, { hedgeShare: 0.16 })).toEqual([])
  })

  test('stays 0, which is off', () => {
    const off = { ...configured, hedgeShare: 0 }
    expect(tuned({ ...silent, hedgesRefused: 500 }, {}, off)).toEqual([])
  })
})
