import { describe, expect, test } from 'vitest'
import { AutoTuner, type TuningMode, tuningModes } from '../../src/bitswap/auto-tuner.ts'
import type { Limits } from '../../src/bitswap/tuning.ts'
import { InvalidOptionError, ManualClock } from '../../src/core/index.ts'
import { seededRandom } from '../support/random.ts'

const PERIOD_MS = 30_000
const WALL_START_MS = 1_767_225_600_000
const configured: Limits = { openWaitMs: 400, wantTimeoutMs: 2_000, hedgeShare: 0.1 }

/** A clock that counts how often it is asked. */
class CountingClock extends ManualClock {
  readings = 0

  override now(): number {
    this.readings++
    return super.now()
  }
}

function create(mode: TuningMode = 'apply', set: Limits = configured) {
  const clock = new CountingClock()
  const lag = { ms: 0, readings: 0 }
  const tuner = new AutoTuner(
    clock,
    () => {
      lag.readings++
      return lag.ms
    },
    set,
    mode
  )
  const streams = (count: number, elapsedMs: number): void => {
    for (let stream = 0; stream < count; stream++) tuner.opened(elapsedMs)
  }
  return {
    clock,
    lag,
    tuner,
    streams,
    /** A period in which streams take so long, and the note after it upon which it is looked at. */
    period: (elapsedMs: number, count = 200): void => {
      streams(count, elapsedMs)
      clock.advance(PERIOD_MS)
      tuner.hedged()
    }
  }
}

describe('in mode apply', () => {
  test('limits change once a period, when something is noted', () => {
    const { tuner, clock, streams } = create()
    const { limits } = tuner
    streams(200, 10)
    clock.advance(PERIOD_MS - 1)
    tuner.opened(10)
    expect(limits.openWaitMs).toBe(400)
    clock.advance(1)
    expect(limits.openWaitMs).toBe(400)
    tuner.opened(10)
    expect(limits.openWaitMs).toBe(200)
    streams(200, 10)
    expect(limits.openWaitMs).toBe(200)
    clock.advance(PERIOD_MS)
    tuner.opened(10)
    expect(limits.openWaitMs).toBe(100)
    expect(tuner.limits).toBe(limits)
  })

  test.each<[string, (tuner: AutoTuner) => void]>([
    ['opened', tuner => tuner.opened(10)],
    ['answered', tuner => tuner.answered(10)],
    ['failed', tuner => tuner.failed(true)],
    ['hedged', tuner => tuner.hedged()],
    ['hedgeRefused', tuner => tuner.hedgeRefused()]
  ])('%s looks whether a period is over, before it counts for the next', (_, note) => {
    const { tuner, clock, streams } = create()
    streams(200, 10)
    clock.advance(PERIOD_MS)
    note(tuner)
    expect(tuner.limits.openWaitMs).toBe(200)
  })

  test('the last note does not count for the period that is over', () => {
    const { tuner, clock, streams } = create()
    streams(99, 10)
    clock.advance(PERIOD_MS)
    tuner.opened(10)
    expect(tuner.limits).toEqual(configured)
  })

  test('every kind of note counts as what it is', () => {
    const { tuner, clock } = create('apply', { ...configured, wantTimeoutMs: 4_000 })
    for (let want = 0; want < 900; want++) tuner.answered(1_990)
    for (let want = 0; want < 80; want++) tuner.failed(true)
    for (let want = 0; want < 20; want++) tuner.failed(false)
    for (let hedge = 0; hedge < 100; hedge++) tuner.hedged()
    for (let hedge = 0; hedge < 50; hedge++) tuner.hedgeRefused()
    clock.advance(PERIOD_MS)
    tuner.opened(1)
    expect(tuner.status().changes).toEqual([
      {
        at: WALL_START_MS + PERIOD_MS,
        isApplied: true,
        option: 'hedgeShare',
        from: 0.1,
        to: 0.15,
        reason: '100 hedges made and 50 refused for 1000 wants in 30 s, of which 80 timed out: 15 %'
      }
    ])
    for (let want = 0; want < 900; want++) tuner.answered(4_000)
    clock.advance(PERIOD_MS)
    tuner.opened(1)
    expect(tuner.limits.wantTimeoutMs).toBeCloseTo(8_000, -2)
  })

  test('nothing changes after a period in which this process was slow', () => {
    const { tuner, lag, period } = create()
    lag.ms = 76
    period(10)
    expect(tuner.limits).toEqual(configured)
    lag.ms = 0
    period(10)
    expect(tuner.limits.openWaitMs).toBe(200)
  })

  test('a stall or two do not matter, nor one after the period', () => {
    const { tuner, lag, clock, streams } = create()
    streams(200, 10)
    lag.ms = 500
    streams(30, 10)
    lag.ms = 10_000
    clock.advance(PERIOD_MS)
    streams(1, 10)
    expect(tuner.limits.openWaitMs).toBe(200)
  })

  test('a node that was idle is not judged by what was before', () => {
    const { tuner, clock, streams } = create()
    streams(200, 10)
    clock.advance(2 * PERIOD_MS)
    tuner.opened(10)
    expect(tuner.limits).toEqual(configured)
  })

  test('there is no timer', () => {
    const { clock, period } = create()
    period(10)
    expect(clock.pendingTimers).toBe(0)
  })

  test('what was configured is copied: neither side writes to the other', () => {
    const set = { ...configured }
    const { tuner, period } = create('apply', set)
    period(10)
    expect(tuner.limits.openWaitMs).toBe(200)
    expect(set).toEqual(configured)
    set.openWaitMs = 1
    tuner.mode = 'off'
    expect(tuner.limits).toEqual(configured)
  })
})

describe('in mode suggest', () => {
  test('limits never change; what they would be is told, once', () => {
    const { tuner, period } = create('suggest')
    for (let count = 0; count < 10; count++) period(30)
    expect(tuner.limits).toEqual(configured)
    const { limits, suggested, changes } = tuner.status()
    expect(limits).toEqual(configured)
    expect(suggested).toEqual({ ...configured, openWaitMs: changes[1]!.to })
    expect(suggested.openWaitMs).toBeCloseTo(120, 0)
    expect(changes).toMatchObject([
      { at: WALL_START_MS + PERIOD_MS, isApplied: false, from: 400, to: 200 },
      { at: WALL_START_MS + 2 * PERIOD_MS, isApplied: false, from: 200 }
    ])
  })
})

describe('in mode off', () => {
  test('nothing is looked at, not even the clock', () => {
    const { tuner, clock, lag, period } = create('off')
    for (let count = 0; count < 3; count++) period(10)
    tuner.answered(1)
    tuner.failed(true)
    tuner.hedgeRefused()
    expect(clock.readings).toBe(0)
    expect(lag.readings).toBe(0)
    expect(tuner.status()).toEqual({ mode: 'off', limits: configured, suggested: configured, changes: [] })
  })

  test('nor after another mode was left', () => {
    const { tuner, clock, period } = create('suggest')
    tuner.mode = 'off'
    const { readings } = clock
    period(10)
    expect(clock.readings).toBe(readings)
  })

  test('it is where one starts when no mode is given', () => {
    expect(new AutoTuner(new ManualClock(), () => 0, configured).mode).toBe('off')
  })
})

describe('a change of mode', () => {
  test.each(['off', 'suggest'] as const)('to %s brings back what was configured', mode => {
    const { tuner, period } = create('apply')
    const { limits } = tuner
    period(10)
    expect(limits.openWaitMs).toBe(200)
    tuner.mode = mode
    expect(limits).toEqual(configured)
    expect(tuner.status()).toMatchObject({ mode, limits: configured, suggested: configured })
    // What was changed is told all the same.
    expect(tuner.status().changes).toHaveLength(1)
  })

  test('from suggest to apply starts from what was configured, and anew', () => {
    const { tuner, clock, streams, period } = create('suggest')
    period(10)
    streams(200, 10)
    tuner.mode = 'apply'
    clock.advance(PERIOD_MS)
    tuner.hedged()
    expect(tuner.limits).toEqual(configured)
    period(10)
    expect(tuner.limits.openWaitMs).toBe(200)
    expect(tuner.status().changes.map(({ isApplied }) => isApplied)).toEqual([false, true])
  })

  test('to the same mode is none', () => {
    const { tuner, period, streams, clock } = create('apply')
    period(10)
    streams(200, 10)
    tuner.mode = 'apply'
    expect(tuner.limits.openWaitMs).toBe(200)
    clock.advance(PERIOD_MS)
    tuner.hedged()
    expect(tuner.limits.openWaitMs).toBe(100)
  })

  test('to what is no mode is an error, and changes nothing', () => {
    const { tuner } = create('suggest')
    expect(() => {
      tuner.mode = 'on' as TuningMode
    }).toThrow(InvalidOptionError)
    expect(tuner.mode).toBe('suggest')
    expect(() => create('on' as TuningMode)).toThrow("'off' or 'suggest' or 'apply'")
    for (const mode of tuningModes) expect(create(mode).tuner.mode).toBe(mode)
  })
})

describe('the status', () => {
  test('is frozen, and does not change afterwards', () => {
    const { tuner, period } = create()
    period(10)
    const status = tuner.status()
    const { limits, suggested, changes } = status
    for (const part of [status, limits, suggested, changes, changes[0]])
      expect(Object.isFrozen(part)).toBe(true)
    const copy = structuredClone(status)
    period(10)
    expect(status).toEqual(copy)
    expect(tuner.status()).not.toEqual(copy)
  })

  test('keeps the last sixteen changes', () => {
    const { tuner, period } = create()
    for (let round = 0; round < 10; round++) {
      period(10)
      period(100)
    }
    const { changes } = tuner.status()
    expect(changes).toHaveLength(16)
    expect(changes[0]!.at).toBe(WALL_START_MS + 5 * PERIOD_MS)
    expect(changes.at(-1)!.at).toBe(WALL_START_MS + 20 * PERIOD_MS)
    expect(changes.map(({ at }) => at)).toEqual([...changes.map(({ at }) => at)].sort())
  })
})

describe('a simulated cohort', () => {
  /** Plays periods of peers of such latency on a node whose limits follow, and tells them after each. */
  function play(set: Limits, baseMsOfPeriods: readonly number[]): Limits[] {
    const clock = new ManualClock()
    const random = seededRandom(1)
    const tuner = new AutoTuner(clock, () => 5, set, 'apply')
    /** From half to three times as long, more often short. */
    const latency = (baseMs: number): number => baseMs * (0.5 + 2.5 * random() ** 2)
    return baseMsOfPeriods.map(baseMs => {
      for (let request = 0; request < 300; request++) {
        clock.advance(PERIOD_MS / 300)
        tuner.opened(latency(baseMs))
        const answerMs = latency(baseMs)
        // Who takes longer is not known to answer at all.
        if (answerMs <= tuner.limits.wantTimeoutMs) tuner.answered(answerMs)
        else tuner.failed(true)
      }
      return { ...tuner.limits }
    })
  }

  const periods = (count: number, baseMs: number): number[] => Array<number>(count).fill(baseMs)

  test('from 5 to 800 ms and back: limits follow within a few periods, and rest in between', () => {
    const trail = play(configured, [...periods(10, 5), ...periods(10, 800), ...periods(10, 5)])
    expect(trail[0]!.openWaitMs).toBe(200)
    expect(trail[4]).toEqual({ openWaitMs: 100, wantTimeoutMs: 2_000, hedgeShare: 0.1 })
    const slow = trail[15]!
    expect(slow.openWaitMs).toBe(1_600)
    // The slowest take three times 800 ms.
    expect(slow.wantTimeoutMs).toBeGreaterThan(2_400)
    expect(trail[25]).toEqual(trail[4])
    for (const rest of [4, 15, 25])
      for (const later of trail.slice(rest, rest + 4)) expect(later).toEqual(trail[rest])
  })

  test('a limit that was lowered and then times out all that is asked goes back by itself', () => {
    const set = { ...configured, wantTimeoutMs: 8_000 }
    const trail = play(set, [...periods(5, 5), ...periods(5, 4_500), ...periods(5, 5)])
    expect(trail[4]!.wantTimeoutMs).toBe(2_000)
    // Nobody answers within 2 s any more.
    expect(trail[9]!.wantTimeoutMs).toBeGreaterThanOrEqual(8_000)
    // From 10 s by halves; what is left is less than a quarter.
    expect(trail[14]!.wantTimeoutMs).toBe(2_500)
  })

  test('what each is changed to is told', () => {
    const clock = new ManualClock()
    const tuner = new AutoTuner(clock, () => 5, configured, 'apply')
    for (let stream = 0; stream < 300; stream++) tuner.opened(800)
    clock.advance(PERIOD_MS)
    tuner.opened(800)
    expect(tuner.status().changes).toMatchObject([
      {
        option: 'openWaitMs',
        from: 400,
        to: 800,
        reason: expect.stringMatching(/^300 streams opened in 30 s/)
      }
    ])
  })
})
