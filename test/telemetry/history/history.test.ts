import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/core/index.ts'
import { History, type TelemetrySources } from '../../../src/telemetry/index.ts'

const START = new ManualClock().wallTime()

/** What is counted, changed by hand. */
function create(options?: { intervalMs?: number; maxPoints?: number }) {
  const clock = new ManualClock()
  const counted = {
    peers: 3,
    open: 1,
    answered: 10,
    failed: 2,
    wantSumMs: 500,
    connections: 4,
    replies: 100,
    errors: 5,
    relaySumMs: 1_000,
    failovers: 1
  }
  let isBroken = false
  const times = (count: number, sumMs: number) => ({ atMost: [], count, sumMs })
  const sources = {
    bitswap: [
      {
        getOverallStatus: () => {
          if (isBroken) throw new Error('broken')
          return {
            totalPeers: counted.peers,
            circuitStates: { OPEN: counted.open },
            totals: {
              wants: { failed: counted.failed },
              answerTimes: times(counted.answered, counted.wantSumMs)
            }
          }
        }
      }
    ],
    pools: [
      {
        getSummary: () => ({
          activeConnections: counted.connections,
          totalErrors: counted.errors,
          answerTimes: times(counted.replies, counted.relaySumMs)
        })
      }
    ],
    channels: [
      {
        getStatus: () => ({
          totalFailovers: counted.failovers,
          nodes: [
            { connections: 1, totalErrors: 0, answerTimes: times(0, 0) },
            { connections: 2, totalErrors: 1, answerTimes: times(2, 40) }
          ]
        })
      }
    ]
  } as unknown as TelemetrySources
  const errors: unknown[] = []
  const history = new History(sources, options, { clock, onError: error => errors.push(error) })
  const breakIt = (isNow: boolean): void => {
    isBroken = isNow
  }
  return { history, clock, counted, errors, breakIt }
}

test('a point says how things stand, and what came about since the one before', () => {
  const { history, clock, counted } = create()
  history.start()
  expect(history.getPoints()).toEqual([])
  Object.assign(counted, {
    peers: 5,
    open: 2,
    answered: 14,
    failed: 3,
    wantSumMs: 600,
    connections: 6,
    replies: 110,
    errors: 7,
    relaySumMs: 1_250,
    failovers: 2
  })
  clock.advance(10_000)
  expect(history.getPoints()).toEqual([
    {
      at: START + 10_000,
      peers: 5,
      openCircuits: 2,
      wants: 4,
      failedWants: 1,
      wantLatencyMs: 25,
      connections: 9,
      relayRequests: 10,
      relayErrors: 2,
      relayLatencyMs: 25,
      failovers: 1
    }
  ])
})

test('times are not known where nothing came about', () => {
  const { history, clock } = create()
  history.start()
  clock.advance(10_000)
  expect(history.getPoints()[0]).toMatchObject({
    wants: 0,
    wantLatencyMs: undefined,
    relayRequests: 0,
    relayLatencyMs: undefined
  })
})

test('who counts from the beginning again is believed', () => {
  const { history, clock, counted } = create()
  history.start()
  Object.assign(counted, { answered: 2, failed: 0, wantSumMs: 30 })
  clock.advance(10_000)
  expect(history.getPoints()[0]).toMatchObject({ wants: 2, failedWants: 0, wantLatencyMs: 15 })
})

test('the oldest points go', () => {
  const { history, clock } = create({ intervalMs: 100, maxPoints: 3 })
  history.start()
  clock.advance(1_000)
  const at = (): number[] => history.getPoints().map(point => point.at - START)
  expect(at()).toEqual([800, 900, 1_000])
  expect(history.getPoints(2).map(point => point.at - START)).toEqual([900, 1_000])
  expect(history.getPoints(0)).toEqual([])
  expect(history.getPoints(100)).toHaveLength(3)
})

test('what cannot be looked at leaves a gap, and is told', () => {
  const { history, clock, errors, breakIt } = create()
  history.start()
  breakIt(true)
  clock.advance(10_000)
  breakIt(false)
  clock.advance(10_000)
  expect(errors).toEqual([new Error('broken')])
  expect(history.getPoints().map(point => point.at - START)).toEqual([20_000])
})

test('nothing is looked at before it starts, nor after it stops, and once if it starts twice', () => {
  const { history, clock } = create()
  clock.advance(30_000)
  history.start()
  history.start()
  expect(clock.pendingTimers).toBe(1)
  clock.advance(10_000)
  history[Symbol.dispose]()
  clock.advance(30_000)
  expect(history.getPoints()).toHaveLength(1)
  expect(clock.pendingTimers).toBe(0)
})

test.each([
  [{ intervalMs: 99 }, 'history.intervalMs'],
  [{ maxPoints: 1 }, 'history.maxPoints']
])('refuses %j', (options, message) => {
  expect(() => create(options)).toThrow(message)
})
