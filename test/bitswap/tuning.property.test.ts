import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Limits, type Load, rangeOf, type Tuning, tune } from '../../src/bitswap/tuning.ts'
import type { LatencySummary } from '../../src/core/latency-histogram.ts'

const options = ['openWaitMs', 'wantTimeoutMs', 'hedgeShare'] as const

/** Sums of fractions are not exact. */
const EXACT = 1 + 1e-9

/** Evenly from 0 to 1; `fc.double` is nearly always next to 0. */
const shares = fc.nat(1_000_000).map(millionths => millionths / 1_000_000)

/** Numbers of all magnitudes alike. */
function magnitude(min: number, max: number): fc.Arbitrary<number> {
  return shares.map(share => Math.min(Math.max(min * (max / min) ** share, min), max))
}

const summaries: fc.Arbitrary<LatencySummary> = fc
  .record({
    count: fc.oneof(fc.nat(120), fc.nat(5_000)),
    sorted: fc.array(magnitude(0.1, 60_000), { minLength: 4, maxLength: 4 })
  })
  .map(({ count, sorted }) => {
    const [p50Ms, p95Ms, p99Ms, maxMs] = sorted.sort((a, b) => a - b) as [number, number, number, number]
    return { count, p50Ms, p95Ms, p99Ms, maxMs }
  })

const counts = fc.oneof(fc.constant(0), fc.nat(20), fc.nat(2_000))

const loads: fc.Arbitrary<Load> = fc.record({
  periodMs: fc.constant(30_000),
  loopLagMs: fc.oneof(
    { weight: 9, arbitrary: fc.nat(75) },
    { weight: 1, arbitrary: fc.integer({ min: 76 }) }
  ),
  opened: summaries,
  answered: summaries,
  timedOut: counts,
  failedOtherwise: counts,
  hedged: counts,
  hedgesRefused: counts
})

const situations = fc
  .record({
    configured: fc.record({
      openWaitMs: magnitude(1, 20_000),
      wantTimeoutMs: magnitude(1, 60_000),
      hedgeShare: fc.oneof(fc.constant(0), magnitude(0.001, 1))
    }),
    /** Where each stands between its bounds. */
    at: fc.array(shares, { minLength: 3, maxLength: 3 })
  })
  .map(({ configured, at }) => {
    const within = (option: keyof Limits, share: number): number => {
      const { min, max } = rangeOf(option, configured[option])
      return min + share * (max - min)
    }
    const limits: Limits = {
      openWaitMs: within('openWaitMs', at[0]!),
      wantTimeoutMs: within('wantTimeoutMs', at[1]!),
      hedgeShare: within('hedgeShare', at[2]!)
    }
    return { configured, limits }
  })

function apply(limits: Limits, tunings: readonly Tuning[]): Limits {
  return { ...limits, ...Object.fromEntries(tunings.map(({ option, to }) => [option, to])) }
}

test('no value leaves its bounds, changes by more than twice, or by less than a quarter but to go back', () => {
  fc.assert(
    fc.property(loads, situations, (load, { limits, configured }) => {
      const tunings = tune(load, limits, configured)
      expect(new Set(tunings.map(({ option }) => option)).size).toBe(tunings.length)
      for (const { option, from, to } of tunings) {
        const set = configured[option]
        expect(from).toBe(limits[option])
        expect(to).toBeGreaterThanOrEqual(set / 4 / EXACT)
        expect(to).toBeLessThanOrEqual(set * 4 * EXACT)
        expect(Math.max(to / from, from / to)).toBeLessThanOrEqual(2 * EXACT)
        expect(to).not.toBe(from)
        if (to !== set) expect(Math.abs(to - from)).toBeGreaterThanOrEqual((0.25 * from) / EXACT)
      }
      const { openWaitMs, wantTimeoutMs, hedgeShare } = apply(limits, tunings)
      expect(openWaitMs).toBeLessThanOrEqual(Math.max(2_000, configured.openWaitMs) * EXACT)
      expect(openWaitMs).toBeGreaterThanOrEqual(Math.min(100, configured.openWaitMs) / EXACT)
      expect(wantTimeoutMs).toBeLessThanOrEqual(Math.max(10_000, configured.wantTimeoutMs) * EXACT)
      expect(wantTimeoutMs).toBeGreaterThanOrEqual(Math.min(2_000, configured.wantTimeoutMs) / EXACT)
      expect(hedgeShare).toBeLessThanOrEqual(Math.max(0.25, configured.hedgeShare) * EXACT)
      expect(hedgeShare).toBeGreaterThanOrEqual(configured.hedgeShare / EXACT)
    }),
    { numRuns: 2_000 }
  )
})

test('what is 0 stays 0, and nothing is changed while this process is slow', () => {
  fc.assert(
    fc.property(loads, situations, (load, { limits, configured }) => {
      const tunings = tune(load, limits, configured)
      if (load.loopLagMs > 75) expect(tunings).toEqual([])
      if (configured.hedgeShare === 0) expect(apply(limits, tunings).hedgeShare).toBe(0)
    }),
    { numRuns: 2_000 }
  )
})

test('on few samples nothing moves, but for the way back to what was configured', () => {
  const few = fc.nat(99)
  fc.assert(
    fc.property(
      loads,
      situations,
      few,
      few,
      fc.nat(),
      (load, { limits, configured }, opened, wants, split) => {
        const answered = split % (wants + 1)
        const tunings = tune(
          {
            ...load,
            opened: { ...load.opened, count: opened },
            answered: { ...load.answered, count: answered },
            timedOut: wants - answered,
            failedOtherwise: 0
          },
          limits,
          configured
        )
        expect(tunings.filter(({ option }) => option !== 'wantTimeoutMs')).toEqual([])
        for (const { from, to } of tunings) {
          expect(wants - answered).toBeGreaterThanOrEqual(5)
          expect(from).toBeLessThan(to)
          expect(to).toBeLessThanOrEqual(configured.wantTimeoutMs)
        }
      }
    ),
    { numRuns: 2_000 }
  )
})

test('waits never get shorter because peers are slower', () => {
  const slower = magnitude(1, 1_000)
  fc.assert(
    fc.property(loads, situations, slower, slower, slower, (load, { limits, configured }, a, b, c) => {
      const [low, middle, high] = [a, b, c].sort((one, other) => one - other) as [number, number, number]
      const slow = (times: LatencySummary): LatencySummary => ({
        ...times,
        p50Ms: times.p50Ms * low,
        p95Ms: times.p95Ms * middle,
        p99Ms: times.p99Ms * high
      })
      const before = apply(limits, tune(load, limits, configured))
      const slowed = { ...load, opened: slow(load.opened), answered: slow(load.answered) }
      const after = apply(limits, tune(slowed, limits, configured))
      expect(after.openWaitMs).toBeGreaterThanOrEqual(before.openWaitMs)
      expect(after.wantTimeoutMs).toBeGreaterThanOrEqual(before.wantTimeoutMs)
    }),
    { numRuns: 2_000 }
  )
})

test('the same load again and again: each value goes one way, in a few steps, and stays', () => {
  fc.assert(
    fc.property(loads, situations, (load, { limits, configured }) => {
      const trail = [limits]
      for (let period = 0; period < 6; period++) {
        const last = trail.at(-1)!
        trail.push(apply(last, tune(load, last, configured)))
      }
      expect(tune(load, trail.at(-1)!, configured)).toEqual([])
      for (const option of options) {
        const values = trail.map(each => each[option])
        const rising = [...values].sort((a, b) => a - b)
        expect([rising, rising.toReversed()]).toContainEqual(values)
      }
    }),
    { numRuns: 2_000 }
  )
})

test('a reason names what it becomes, and the samples it stands on', () => {
  fc.assert(
    fc.property(loads, situations, (load, { limits, configured }) => {
      const wants = load.answered.count + load.timedOut + load.failedOtherwise
      for (const { option, to, reason } of tune(load, limits, configured)) {
        const isShare = option === 'hedgeShare'
        expect(reason).toContain(isShare ? `${Math.round(to * 1000) / 10} %` : `${Number(to.toFixed(1))} ms`)
        expect(reason).toContain('30 s')
        const known = option === 'openWaitMs' ? [load.opened.count] : [load.answered.count, wants]
        expect(known.some(count => reason.includes(`${count} `))).toBe(true)
      }
    }),
    { numRuns: 2_000 }
  )
})
