import { describe, expect, test } from 'vitest'
import { LatencyHistogram, summarize } from '../../src/core/latency-histogram.ts'

const ROTATION_MS = 1000

function record(histogram: LatencyHistogram, times: Iterable<number>, nowMs = 0): void {
  for (const time of times) histogram.record(time, nowMs)
}

function* range(from: number, to: number): Generator<number> {
  for (let value = from; value <= to; value++) yield value
}

/** Two digits: 1 % of the value, or a tenth of a ms where that is more. */
function expectNear(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(Math.max(0.1, expected / 100))
}

describe('percentiles', () => {
  test('of nothing are 0', () => {
    const summary = new LatencyHistogram(ROTATION_MS, 0).summary(0)
    expect(summary).toEqual({ count: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 })
  })

  test.each([
    ['short times', 1],
    ['times around 200 ms', 2],
    ['long times', 100]
  ])('of %s are right to two digits', (_, unitMs) => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(
      histogram,
      [...range(1, 100)].map(value => value * unitMs)
    )
    const summary = histogram.summary(0)
    expect(summary.count).toBe(100)
    expectNear(summary.p50Ms, 50 * unitMs)
    expectNear(summary.p95Ms, 95 * unitMs)
    expectNear(summary.p99Ms, 99 * unitMs)
    expectNear(summary.maxMs, 100 * unitMs)
  })

  test('tell tenths of a ms', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(histogram, [0.1, 0.2, 0.3])
    expect(histogram.summary(0)).toMatchObject({ p50Ms: 0.2, maxMs: 0.3 })
  })

  test('lose no time between short and long', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    const times = Array.from({ length: 41 }, (_, tenth) => 203 + tenth / 10)
    record(histogram, times)
    expect(histogram.summary(0).count).toBe(times.length)
  })

  test('count times of 0 ms', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(histogram, [0, 0, 0])
    expect(histogram.summary(0)).toEqual({ count: 3, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 })
  })

  test('take a time beyond ten minutes for ten minutes', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(histogram, [1e9, 1e300])
    const summary = histogram.summary(0)
    expect(summary.count).toBe(2)
    expectNear(summary.maxMs, 600_000)
  })

  test('leave out what is no time', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(histogram, [Number.NaN, -1, Infinity, -Infinity])
    expect(histogram.summary(0).count).toBe(0)
  })

  test('survive more than 65536 times of one length', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    for (let time = 0; time < 70_000; time++) {
      histogram.record(5, 0)
      histogram.record(500, 0)
    }
    const summary = histogram.summary(0)
    expect(summary.count).toBe(140_000)
    expectNear(summary.p95Ms, 500)
  })

  test('are the same however often they are looked at', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(histogram, [1, 10, 100, 1000])
    expect(histogram.summary(0)).toEqual(histogram.summary(0))
  })
})

describe('rotation', () => {
  test('keeps times for one to two periods', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(histogram, [10], 0)
    record(histogram, [20], 999)
    record(histogram, [30], 1000)
    expect(histogram.summary(1999).count).toBe(3)
    expect(histogram.summary(2000)).toMatchObject({ count: 1, maxMs: 30 })
    expect(histogram.summary(3000).count).toBe(0)
  })

  test('goes by the clock, also when nothing is recorded', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(histogram, [10, 1000])
    expect(histogram.summary(1999).count).toBe(2)
    expect(histogram.summary(2000).count).toBe(0)
  })

  test('forgets everything after a long time, and goes on in step', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 0)
    record(histogram, [10], 0)
    record(histogram, [20], 10_500)
    expect(histogram.summary(10_500)).toMatchObject({ count: 1, maxMs: 20 })
    expect(histogram.summary(11_999).count).toBe(1)
    expect(histogram.summary(12_000).count).toBe(0)
  })

  test('begins with the clock, wherever that is', () => {
    const histogram = new LatencyHistogram(ROTATION_MS, 5500)
    record(histogram, [10], 5500)
    expect(histogram.summary(7499).count).toBe(1)
    expect(histogram.summary(7500).count).toBe(0)
  })
})

test('several are summed up as one', () => {
  const histograms = [0, 1].map(() => new LatencyHistogram(ROTATION_MS, 0))
  record(histograms[0]!, range(1, 50))
  record(histograms[1]!, range(51, 100))
  const summary = summarize(histograms, 0)
  expect(summary.count).toBe(100)
  expectNear(summary.p50Ms, 50)
  expectNear(summary.maxMs, 100)
  expect(histograms[0]!.summary(0).count).toBe(50)
  expect(Object.isFrozen(summary)).toBe(true)
})
