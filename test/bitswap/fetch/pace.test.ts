import { describe, expect, test } from 'vitest'
import { Pace } from '../../../src/bitswap/fetch/pace.ts'

const HALF_LIFE_MS = 30_000

function after(...deliveredMs: readonly number[]): Pace {
  const pace = new Pace()
  for (const ms of deliveredMs) pace.delivered(ms, 1)
  return pace
}

describe('what is expected', () => {
  test('is what is assumed, as long as nothing was delivered', () => {
    const pace = after()
    expect(pace.isKnown).toBe(false)
    expect(pace.expectedMs(0, 70)).toBe(70)
    expect(pace.usualMs).toBe(0)
  })

  test('is the smoothed mean afterwards', () => {
    const pace = after(100, 180)
    expect(pace.isKnown).toBe(true)
    expect(pace.expectedMs(0, 70)).toBe(110)
    expect(pace.usualMs).toBe(110 + 4 * 57.5)
  })

  test('is as much more as it is waited for already', () => {
    expect(after(100).expectedMs(0, 70, 3)).toBe(400)
    expect(after().expectedMs(0, 70, 3)).toBe(280)
    const late = after(100)
    late.tookLongerThan(400, 0)
    expect(late.expectedMs(0, 70, 3)).toBe(1_600)
  })

  test('is shared by all that it was asked for at once, but no less than what it ever took', () => {
    const pace = after(100)
    // Three came together.
    for (const place of [1, 2, 3]) pace.delivered(100, place)
    const blockMs = [1, 2, 3].reduce((ms, place) => ms + (100 / place - ms) / 8, 100)
    expect(pace.expectedMs(0, 70, 3)).toBe(4 * blockMs)
    expect(pace.expectedMs(0, 70)).toBe(100)
    // What nearly all take is not.
    expect(pace.usualMs).toBeGreaterThanOrEqual(100)
  })

  test('is no less than what it has taken already', () => {
    const pace = after(100)
    pace.tookLongerThan(400, 1_000)
    expect(pace.expectedMs(1_000, 70)).toBe(400)
  })

  test('is not changed by having taken less than is expected', () => {
    const pace = after(100)
    pace.tookLongerThan(50, 1_000)
    expect(pace.expectedMs(1_000, 70)).toBe(100)
  })

  test('holds for a peer that never delivered, too', () => {
    const pace = after()
    pace.tookLongerThan(400, 1_000)
    expect(pace.expectedMs(1_000, 70)).toBe(400)
    expect(pace.isKnown).toBe(false)
  })

  test('forgets a delay by half every 30 seconds, down to the mean', () => {
    const pace = after(100)
    pace.tookLongerThan(800, 5_000)
    expect(pace.expectedMs(5_000 + HALF_LIFE_MS, 70)).toBe(400)
    expect(pace.expectedMs(5_000 + 2 * HALF_LIFE_MS, 70)).toBe(200)
    expect(pace.expectedMs(5_000 + 10 * HALF_LIFE_MS, 70)).toBe(100)
  })

  test('keeps the longer of two delays, as it is by then', () => {
    const pace = after(100)
    pace.tookLongerThan(800, 0)
    pace.tookLongerThan(300, HALF_LIFE_MS)
    // 800 have become 400, which halve from here on.
    expect(pace.expectedMs(HALF_LIFE_MS, 70)).toBe(400)
    expect(pace.expectedMs(2 * HALF_LIFE_MS, 70)).toBe(200)
    pace.tookLongerThan(900, 2 * HALF_LIFE_MS)
    expect(pace.expectedMs(2 * HALF_LIFE_MS, 70)).toBe(900)
  })

  test('is no less than twice what it has been silent for', () => {
    const pace = after(100)
    pace.wasSilentFor(400, 1_000)
    expect(pace.expectedMs(1_000, 70)).toBe(800)
    pace.tookLongerThan(700, 1_000)
    expect(pace.expectedMs(1_000, 70)).toBe(800)
  })

  test('doubles each time that it is silent about what it was asked since', () => {
    const pace = after(20)
    pace.wasSilentFor(50, 1_000)
    expect(pace.expectedMs(1_000, 70)).toBe(100)
    // Asked at the moment it was found silent.
    pace.wasSilentFor(60, 1_060)
    expect(pace.expectedMs(1_060, 70)).toBeCloseTo(200, 0)
    pace.wasSilentFor(50, 1_200)
    expect(pace.expectedMs(1_200, 70)).toBeCloseTo(400, -1)
    pace.wasSilentFor(500, 1_701)
    expect(pace.expectedMs(1_701, 70)).toBe(1_000)
  })

  test('does not double to more than a minute', () => {
    const pace = after(20)
    for (let nowMs = 1_000; nowMs < 60_000; nowMs += 1_000) pace.wasSilentFor(50, nowMs)
    expect(pace.expectedMs(59_000, 70)).toBeLessThanOrEqual(60_000)
    expect(pace.expectedMs(59_000, 70)).toBeGreaterThan(50_000)
  })

  test('does not double for what it was asked before it was found silent', () => {
    const pace = after(20)
    for (let late = 0; late < 10; late++) pace.wasSilentFor(50 + late, 1_000 + late)
    expect(pace.expectedMs(1_009, 70)).toBe(118)
  })

  test('forgets delays with the next block', () => {
    const pace = after(100)
    pace.wasSilentFor(800, 1_000)
    pace.delivered(100, 1)
    expect(pace.expectedMs(0, 70)).toBe(100)
  })
})

describe('how much a peer has', () => {
  test('is all, as long as it was not asked', () => {
    expect(after().hitShare).toBe(1)
  })

  test('falls and rises by an eighth of what is left', () => {
    const pace = after()
    pace.lacked()
    expect(pace.hitShare).toBe(7 / 8)
    pace.lacked()
    expect(pace.hitShare).toBe((7 / 8) ** 2)
    pace.delivered(10, 1)
    expect(pace.hitShare).toBe(1 - (1 - (7 / 8) ** 2) * (7 / 8))
  })

  test('is never nothing, so that the peer is never out of the question', () => {
    const pace = after()
    for (let time = 0; time < 1_000; time++) pace.lacked()
    expect(pace.hitShare).toBeGreaterThan(0)
    expect(pace.hitShare).toBeLessThan(1e-9)
  })

  test('says nothing of how quick it is', () => {
    const pace = after(100)
    pace.lacked()
    expect(pace.expectedMs(0, 70)).toBe(100)
    expect(pace.isKnown).toBe(true)
  })
})
