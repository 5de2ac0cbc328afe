import { describe, expect, test } from 'vitest'
import { LATENCY_BOUNDS_MS, ManualClock } from '../../../src/core/index.ts'
import { LatencyBuckets } from '../../../src/core/latency-buckets.ts'
import { type Alert, AlertMonitor, type AlertOptions } from '../../../src/telemetry/index.ts'
import type { BitswapSnapshot, PoolSnapshot } from '../../../src/telemetry/sources.ts'
import { create as createChannel } from '../../relay/nodes/support/channel.ts'
import { createProtection } from '../../support/deterministic-protection.ts'

/** Watches somebody, and writes down what is told, each time with the seconds since the start. */
function watch(
  sources: ConstructorParameters<typeof AlertMonitor>[0],
  options: Partial<AlertOptions> = {},
  clock = new ManualClock()
) {
  const errors: unknown[] = []
  const monitor = new AlertMonitor(sources, options, { clock, onError: error => errors.push(error) })
  const alerts: Alert[] = []
  const told: string[] = []
  const startMs = clock.now()
  monitor.onAlert(alert => {
    alerts.push(alert)
    const { name, subject, isFiring, value } = alert
    told.push(`${(clock.now() - startMs) / 1000} s ${isFiring ? '' : 'no more '}${name} ${subject} ${value}`)
  })
  return { clock, monitor, alerts, told, errors }
}

/** A pool as it is told to be. */
function createPool() {
  const { protection } = createProtection({ maxEjectedShare: 1, breaker: { readyToTrip: () => false } })
  const times = new LatencyBuckets()
  let errors = 0
  const pool = {
    namespace: 'btc_sprint',
    getSummary: (): PoolSnapshot => ({
      endpoint: 'relay:443',
      isHealthy: true,
      activeConnections: 1,
      idleConnections: 1,
      opening: 0,
      waiting: 0,
      totalReconnects: 0,
      totalErrors: errors,
      answerTimes: times.read(),
      circuit: protection.getPeerStatus('relay:443')
    })
  }
  return {
    pool,
    protection,
    answers: (count: number, ms = 10): void => {
      for (let number = 0; number < count; number++) times.record(ms)
    },
    fails: (count: number): void => {
      errors += count
    }
  }
}

/** A node as it is told to be. */
function createNode() {
  const { protection } = createProtection({ maxEjectedShare: 1 })
  const answerTimes = new LatencyBuckets()
  const wants = { answered: 0, failed: 0, ignored: 0 }
  let failedInARow = 0
  const node = {
    getOverallStatus: (): BitswapSnapshot => ({
      ...protection.getOverallStatus(),
      totals: {
        wants: { ...wants },
        consecutiveWantFailures: failedInARow,
        heldBack: {},
        events: {},
        inboundRefusals: {},
        inboundDisconnects: 0,
        openTimes: { atMost: LATENCY_BOUNDS_MS.map(() => 0), count: 0, sumMs: 0 },
        answerTimes: answerTimes.read()
      }
    })
  }
  return {
    node,
    protection,
    answers: (count: number, ms = 10): void => {
      wants.answered += count
      failedInARow = 0
      for (let number = 0; number < count; number++) answerTimes.record(ms)
    },
    fails: (count: number): void => {
      wants.failed += count
      failedInARow += count
    }
  }
}

describe('of an endpoint', () => {
  test('that fails too often is told, and that it does not any more', () => {
    const { pool, answers, fails } = createPool()
    const { clock, monitor, told } = watch({ pools: [pool] })
    monitor.start()
    // Of each hundred five fail: that may be.
    for (let second = 0; second < 60; second += 5) {
      answers(95)
      fails(5)
      clock.advance(5_000)
    }
    expect(told).toEqual([])
    for (let second = 60; second < 120; second += 5) {
      answers(90)
      fails(10)
      clock.advance(5_000)
    }
    expect(told).toHaveLength(1)
    expect(told[0]).toMatch(/^7\d s connectionFailureRate relay:443 0\.0[56]/)
    for (let second = 120; second < 300; second += 5) {
      answers(100)
      clock.advance(5_000)
    }
    expect(told).toHaveLength(2)
    expect(told[1]).toMatch(/ no more connectionFailureRate relay:443 0/)
    expect(monitor.getAlerts()).toEqual([])
  })

  test('that takes too long is told, with what it took and since when', () => {
    const { pool, answers } = createPool()
    const { clock, monitor, alerts } = watch({ pools: [pool] })
    monitor.start()
    for (let second = 0; second < 30; second += 5) {
      clock.advance(5_000)
      answers(10, 600)
    }
    const [alert] = alerts
    expect(alert).toEqual({
      name: 'averageLatency',
      subject: 'relay:443',
      isFiring: true,
      value: 600,
      threshold: 500,
      since: expect.any(Number)
    })
    expect(alert!.since).toBe(clock.wallTime() - clock.now() + 20_000)
    expect(Object.isFrozen(alert)).toBe(true)
    expect(monitor.getAlerts()).toEqual([alert])
  })

  test('whose circuit is open is told at once, and that it is closed after a while', () => {
    const { pool, protection } = createPool()
    const { clock, monitor, told } = watch({ pools: [pool] })
    monitor.start()
    protection.isolate('relay:443')
    clock.advance(5_000)
    expect(told).toEqual(['5 s circuitBreakerOpen relay:443 1'])
    protection.release('relay:443')
    clock.advance(30_000)
    expect(told).toHaveLength(1)
    clock.advance(5_000)
    expect(told.slice(1)).toEqual(['40 s no more circuitBreakerOpen relay:443 0'])
  })

  test('that fails in a row is told', () => {
    const { pool, protection } = createPool()
    const { clock, monitor, told } = watch({ pools: [pool] }, { circuitBreakerOpen: false })
    monitor.start()
    for (let time = 0; time < 2; time++) protection.admit('relay:443').settle('failure')
    clock.advance(5_000)
    expect(told).toEqual([])
    protection.admit('relay:443').settle('failure')
    clock.advance(5_000)
    expect(told).toEqual(['10 s consecutiveFailures relay:443 3'])
  })

  test('is told of each node of a channel', async () => {
    const made = createChannel()
    const { monitor, told } = watch({ channels: [made.channel] }, {}, made.clock)
    monitor.start()
    made.node('b').conduct = { fails: () => new Error('broken') }
    for (let time = 0; time < 8; time++) await made.ends(made.read())
    await made.passes(10_000)
    expect(told).toContainEqual(expect.stringMatching(/ s consecutiveFailures b:1 /))
    expect(told.some(line => line.includes(' a:1') || line.includes(' c:1'))).toBe(false)
    monitor.stop()
    await made.channel.close()
  })
})

describe('of a node and its peers', () => {
  test('wants that fail too often, and take too long, are told', () => {
    const { node, answers, fails } = createNode()
    const { clock, monitor, told } = watch({ bitswap: [node] })
    monitor.start()
    for (let second = 0; second < 20; second += 5) {
      clock.advance(5_000)
      answers(90, 600)
      fails(9)
    }
    expect(told).toEqual([
      expect.stringMatching(/^20 s wantFailureRate bitswap 0\.09/),
      '20 s averageAnswerTime bitswap 600'
    ])
  })

  test('that more than half of the peers are refused is told', () => {
    const { node, protection } = createNode()
    const { clock, monitor, told } = watch({ bitswap: [node] })
    monitor.start()
    for (const key of ['a', 'b', 'c', 'd']) protection.admit(key).settle('success')
    for (const key of ['a', 'b']) protection.isolate(key)
    clock.advance(20_000)
    expect(told).toEqual([])
    protection.isolate('c')
    clock.advance(15_000)
    expect(told).toEqual(['35 s openCircuitShare bitswap 0.75'])
  })

  test('that wants fail in a row, whoever is asked, is told; not so if one was answered in between', () => {
    const { node, answers, fails } = createNode()
    const { clock, monitor, told } = watch({ bitswap: [node] }, { bitswap: { wantFailureRate: false } })
    monitor.start()
    for (let time = 0; time < 3; time++) {
      fails(9)
      clock.advance(5_000)
      answers(1)
      clock.advance(5_000)
    }
    expect(told).toEqual([])
    fails(10)
    clock.advance(5_000)
    expect(told).toEqual(['35 s consecutiveWantFailures bitswap 10'])
  })
})

describe('a monitor', () => {
  test('looks at nothing before it is started, nor after it is stopped', () => {
    const { pool, protection } = createPool()
    const { clock, monitor, told } = watch({ pools: [pool] })
    protection.isolate('relay:443')
    clock.advance(60_000)
    expect(clock.pendingTimers).toBe(0)
    monitor.start()
    monitor.start()
    expect(clock.pendingTimers).toBe(1)
    monitor[Symbol.dispose]()
    expect(clock.pendingTimers).toBe(0)
    clock.advance(60_000)
    expect(told).toEqual([])
  })

  test('goes on with the others if one cannot be looked at', () => {
    const { pool, protection } = createPool()
    const broken = {
      getOverallStatus: () => {
        throw new Error('of the node')
      }
    }
    const { clock, monitor, told, errors } = watch({ bitswap: [broken], pools: [pool] })
    monitor.start()
    protection.isolate('relay:443')
    clock.advance(10_000)
    expect(told).toEqual(['5 s circuitBreakerOpen relay:443 1'])
    expect(errors).toEqual([new Error('of the node'), new Error('of the node')])
  })

  test('tells each change to whoever listens, and to nobody who does not any more', () => {
    const { pool, protection } = createPool()
    const { monitor, errors, told } = watch({ pools: [pool] })
    let heard = 0
    const end = monitor.onAlert(() => {
      heard++
      throw new Error('of the listener')
    })
    protection.isolate('relay:443')
    monitor.look()
    end()
    expect([heard, told.length, errors.length]).toEqual([1, 1, 1])
  })

  test.each<[string, object]>([
    ['alerts.connectionFailureRate', { connectionFailureRate: 5 }],
    ['alerts.averageLatencyMs', { averageLatencyMs: '500ms' }],
    ['alerts.circuitBreakerOpen', { circuitBreakerOpen: 1 }],
    ['alerts.consecutiveFailures', { consecutiveFailures: 0 }],
    ['alerts.bitswap.openCircuitShare', { bitswap: { openCircuitShare: 2 } }],
    ['alerts.windowMs', { windowMs: 4_000 }],
    ['alerts.windowMs', { windowMs: 5_000_001 }],
    ['alerts.latency', { latency: 1 }]
  ])('does not begin with a wrong option: %s', (option, options) => {
    expect(() => new AlertMonitor({}, options)).toThrow(expect.objectContaining({ option }))
  })

  test('watches nothing that it is told not to', () => {
    const { pool, protection, answers, fails } = createPool()
    const off = { connectionFailureRate: false, averageLatencyMs: false, circuitBreakerOpen: false } as const
    const { clock, monitor, told } = watch({ pools: [pool] }, { ...off, consecutiveFailures: false })
    monitor.start()
    protection.isolate('relay:443')
    for (let second = 0; second < 60; second += 5) {
      answers(10, 5_000)
      fails(10)
      clock.advance(5_000)
    }
    expect(told).toEqual([])
  })
})
