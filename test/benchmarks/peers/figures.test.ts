import { describe, expect, test } from 'vitest'
import { figuresOf, shareError } from '../../../benchmarks/peers/figures.ts'
import type { PeerStats } from '../../../benchmarks/rig/peer-commands.ts'
import type { CircuitEvent, Run } from '../../../benchmarks/rig/run.ts'
import { healthy, type Scenario, someAreBad } from '../../../benchmarks/rig/scenarios.ts'

const WORKLOAD = { peers: 4, blocks: 10, sizeBytes: 100 }

const idle: PeerStats = {
  messages: 0,
  blockWants: 0,
  haveWants: 0,
  blocksSent: 0,
  spoiltSent: 0,
  blockBytes: 0,
  sentBytes: 0,
  connections: 1,
  faultShownAt: undefined
}

function run(given: Partial<Run>): Run {
  return {
    failed: 0,
    timeToFetchMs: 3_600_000,
    latenciesMs: Array.from({ length: 10 }, () => 5),
    deliveredMs: [],
    deliveredBytes: 1_000,
    startedAt: 0,
    peers: [idle, idle, idle, idle],
    bytesRatio: 1,
    wantsPerBlock: 1,
    events: [],
    faults: [],
    shownAt: new Map(),
    incidentEndedAt: undefined,
    ...given
  }
}

const event = (type: CircuitEvent['type'], peer: number, at: number): CircuitEvent => ({ type, peer, at })

/** With a fault in these peers. */
function withBad(...bad: number[]): Scenario {
  return { ...someAreBad(1, WORKLOAD, 0, { kind: 'stall' }), bad: new Set(bad) }
}

describe('figures of a run', () => {
  test('what came twice, what was asked in vain, and what was sent', () => {
    const peers = [
      { ...idle, messages: 3, blockWants: 9, blocksSent: 8, blockBytes: 800 },
      { ...idle, messages: 2, blockWants: 4, blocksSent: 4, blockBytes: 400 },
      { ...idle, messages: 1, haveWants: 5 },
      idle
    ]
    expect(figuresOf(run({ peers }), healthy(1, WORKLOAD))).toMatchObject({
      dup_blks_rcvd: 2,
      dup_data_rcvd: 200,
      msgs_sent: 6,
      wastedWantsPerBlock: 0.5,
      shares: [8 / 12, 4 / 12, 0, 0]
    })
  })

  test('nothing twice where blocks are lacking', () => {
    expect(figuresOf(run({}), healthy(1, WORKLOAD)).dup_blks_rcvd).toBe(0)
  })
})

describe('what the protection made of peers', () => {
  test('bad ones are found, or missed, since their fault has shown', () => {
    const events = [event('circuit:open', 1, 150), event('circuit:close', 1, 950)]
    const shownAt = new Map([
      [1, 100],
      [2, 100]
    ])
    expect(figuresOf(run({ events, shownAt }), withBad(1, 2, 3)).judgement).toMatchObject({
      shown: 2,
      timeToOpenMs: [50],
      timeToRecloseMs: [800],
      falseOpens: 0
    })
  })

  test('a circuit that half-opens and opens again was not closed meanwhile', () => {
    const events = [
      event('circuit:open', 1, 100),
      event('circuit:half-open', 1, 200),
      event('circuit:open', 1, 300),
      event('circuit:half-open', 1, 400),
      event('circuit:close', 1, 500)
    ]
    const { judgement } = figuresOf(run({ events, shownAt: new Map([[1, 90]]) }), withBad(1))
    expect(judgement).toMatchObject({ timeToOpenMs: [10], timeToRecloseMs: [400] })
  })

  test('good ones that are refused count each time, in hours of good peers', () => {
    const events = [event('circuit:open', 0, 1), event('circuit:open', 0, 2), event('circuit:open', 3, 3)]
    const { judgement } = figuresOf(run({ events }), withBad(3))
    expect(judgement).toMatchObject({ falseOpens: 2, goodPeerHours: 3 })
  })

  test('blocks that are with refused peers only are lost supply, at the worst time', () => {
    const scenario = withBad()
    const tasks = scenario.tasks.map((task, peer) => ({
      ...task,
      held: peer === 0 ? [0, 1, 2] : [2, 3, 4, 5, 6, 7, 8, 9]
    }))
    const events = [
      event('circuit:open', 0, 1),
      event('circuit:half-open', 0, 2),
      event('circuit:open', 1, 3)
    ]
    const { judgement } = figuresOf(run({ events }), { ...scenario, tasks })
    expect(judgement.supplyLoss).toBeCloseTo(0.2)
  })
})

test('the share error is 0 for the same shares, and 2 where others do all of it', () => {
  const sharesOf = (...sent: number[]) =>
    figuresOf(run({ peers: sent.map(blocksSent => ({ ...idle, blocksSent })) }), healthy(1, WORKLOAD))
  expect(shareError(sharesOf(5, 5, 0, 0), sharesOf(50, 50, 0, 0))).toBe(0)
  expect(shareError(sharesOf(5, 5, 0, 0), sharesOf(0, 0, 1, 9))).toBe(2)
})
