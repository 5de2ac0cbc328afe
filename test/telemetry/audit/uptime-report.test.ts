import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/core/index.ts'
import {
  type AuditEntry,
  type AuditLog,
  recordUptime,
  type TelemetrySources,
  UptimeReader
} from '../../../src/telemetry/index.ts'

const START_MS = Date.parse('2026-11-22T10:00:00Z')
const MINUTE_MS = 60_000

type Written = readonly [minute: number, type: string, fields?: object]

/** What a reader makes of entries. */
function reportOf(entries: readonly Written[], sinceMinute?: number) {
  const reader = new UptimeReader(sinceMinute === undefined ? undefined : at(sinceMinute))
  for (const [minute, type, fields] of entries)
    reader.take({ at: new Date(at(minute)).toISOString(), type, ...fields } as AuditEntry)
  return reader.report()
}

const at = (minute: number): number => START_MS + minute * MINUTE_MS
const services = [{ name: 'btc', endpoints: ['a:1', 'b:1'], isFailedOver: false }]
const alive = (minute: number, down: string[] = []): Written => [minute, 'daemon:alive', { down }]

test('an endpoint is down from when it is said to be until it is up again', () => {
  const { endpoints, services: told } = reportOf([
    [0, 'daemon:start', { services, down: [] }],
    [1, 'node:down', { endpoint: 'a:1' }],
    alive(1.5, ['a:1']),
    [2, 'node:up', { endpoint: 'a:1' }],
    [2.5, 'node:down', { endpoint: 'b:1' }],
    [4, 'daemon:stop', { down: ['b:1'] }]
  ])
  expect(endpoints).toEqual([
    {
      endpoint: 'a:1',
      upMs: 3 * MINUTE_MS,
      downMs: MINUTE_MS,
      share: 0.75,
      outages: 1,
      longestOutageMs: MINUTE_MS
    },
    {
      endpoint: 'b:1',
      upMs: 2.5 * MINUTE_MS,
      downMs: 1.5 * MINUTE_MS,
      share: 0.625,
      outages: 1,
      longestOutageMs: 1.5 * MINUTE_MS
    }
  ])
  // One of them was there at any time.
  expect(told).toEqual([
    {
      name: 'btc',
      endpoints: ['a:1', 'b:1'],
      upMs: 4 * MINUTE_MS,
      downMs: 0,
      share: 1,
      outages: 0,
      longestOutageMs: 0
    }
  ])
})

test('a service is down while all of its endpoints are', () => {
  const { services: told } = reportOf([
    [0, 'daemon:start', { services, down: ['a:1'] }],
    [1, 'circuit:open', { endpoint: 'b:1' }],
    [2, 'circuit:close', { endpoint: 'b:1' }],
    alive(3, ['a:1', 'b:1']),
    [3.5, 'node:up', { endpoint: 'a:1' }],
    [5, 'daemon:stop']
  ])
  expect(told[0]).toMatchObject({ downMs: 1.5 * MINUTE_MS, outages: 2, longestOutageMs: MINUTE_MS })
})

test('while the process is not there, it is not known how endpoints do', () => {
  const report = reportOf([
    [0, 'daemon:start', { services, down: [] }],
    [1, 'daemon:stop'],
    [4, 'daemon:start', { services, down: ['a:1'] }],
    [5, 'daemon:stop']
  ])
  expect(report.process).toMatchObject({ starts: 2, upMs: 2 * MINUTE_MS, downMs: 3 * MINUTE_MS, outages: 1 })
  expect(report.endpoints[0]).toMatchObject({ upMs: MINUTE_MS, downMs: MINUTE_MS, share: 0.5 })
})

test('a process that was killed is not there from its last entry on, and one that was frozen neither', () => {
  const killed = reportOf([
    [0, 'daemon:start', { services, down: [] }],
    alive(1),
    [1.5, 'daemon:start', { services, down: [] }],
    alive(2.5)
  ])
  expect(killed.process).toMatchObject({ upMs: 2 * MINUTE_MS, downMs: MINUTE_MS / 2 })
  const frozen = reportOf([[0, 'daemon:start', { services, down: [] }], alive(1), alive(10), alive(11)])
  expect(frozen.process).toMatchObject({ upMs: 2 * MINUTE_MS, downMs: 9 * MINUTE_MS })
  expect(frozen.endpoints[0]).toMatchObject({ upMs: 2 * MINUTE_MS, downMs: 0 })
})

test('failovers are counted, and how long they lasted', () => {
  const { failovers } = reportOf([
    [0, 'daemon:start', { services, down: [] }],
    [1, 'failover', { endpoint: 'a:1' }],
    alive(2),
    [3, 'failback', { endpoint: 'a:1' }],
    [4, 'failover', { endpoint: 'a:1' }],
    [4.5, 'daemon:stop']
  ])
  expect(failovers).toEqual({ count: 2, ms: 2.5 * MINUTE_MS })
})

test('a process that begins has not failed over yet', () => {
  const { failovers } = reportOf([
    [0, 'daemon:start', { services, down: [] }],
    [1, 'failover', { endpoint: 'a:1' }],
    alive(2),
    [2.5, 'daemon:start', { services, down: [] }],
    alive(3.5)
  ])
  expect(failovers).toEqual({ count: 1, ms: MINUTE_MS })
})

test('as long as one of several has failed over, it is so', () => {
  const two = [...services, { name: 'second', endpoints: ['c:1', 'd:1'], isFailedOver: false }]
  const { failovers } = reportOf([
    [0, 'daemon:start', { services: two, down: [] }],
    [1, 'failover', { endpoint: 'a:1' }],
    [2, 'failover', { endpoint: 'c:1' }],
    [3, 'failback', { endpoint: 'b:1' }],
    [4.5, 'failback', { endpoint: 'd:1' }],
    [5, 'daemon:stop']
  ])
  expect(failovers).toEqual({ count: 2, ms: 3.5 * MINUTE_MS })
})

test('what begins after the process did, since older files are gone, tells how things stand', () => {
  const standing = { services: [{ ...services[0], isFailedOver: true }], down: ['a:1'] }
  const report = reportOf([
    [0, 'daemon:alive', standing],
    [1, 'daemon:alive', standing]
  ])
  expect(report.endpoints).toMatchObject([{ downMs: MINUTE_MS }, { upMs: MINUTE_MS }])
  expect(report.services).toMatchObject([{ name: 'btc', upMs: MINUTE_MS }])
  expect(report.failovers.ms).toBe(MINUTE_MS)
})

test('what a process does not have any more is not watched any more', () => {
  const { endpoints, services: told } = reportOf([
    [0, 'daemon:start', { services, down: [] }],
    [1, 'daemon:stop', { services, down: [] }],
    [1, 'daemon:start', { services: [{ ...services[0], endpoints: ['b:1', 'c:1'] }], down: ['c:1'] }],
    [3, 'daemon:stop']
  ])
  expect(endpoints).toMatchObject([
    { endpoint: 'a:1', upMs: MINUTE_MS, downMs: 0 },
    { endpoint: 'b:1', upMs: 3 * MINUTE_MS, downMs: 0 },
    { endpoint: 'c:1', upMs: 0, downMs: 2 * MINUTE_MS }
  ])
  expect(told).toMatchObject([
    { endpoints: ['a:1', 'b:1'], upMs: MINUTE_MS },
    { endpoints: ['b:1', 'c:1'], upMs: 2 * MINUTE_MS }
  ])
})

test('what is said to be down at a time is all that is', () => {
  const { endpoints } = reportOf([
    [0, 'daemon:start', { services, down: ['a:1', 'b:1'] }],
    alive(1, ['b:1']),
    alive(2, [])
  ])
  expect(endpoints).toMatchObject([{ downMs: MINUTE_MS }, { downMs: 2 * MINUTE_MS }])
})

test('what happened to peers is counted, those in most trouble first', () => {
  const { peers, counts, lost } = reportOf([
    [0, 'circuit:open', { peer: 'x' }],
    [1, 'circuit:open', { peer: 'y' }],
    [1, 'circuit:open', { peer: 'y' }],
    [1, 'recovery:complete', { peer: 'y' }],
    [2, 'audit:lost', { entries: 7 }],
    ...Array.from({ length: 12 }, (_, number): Written => [3, 'circuit:open', { peer: `z${number}` }])
  ])
  expect(peers).toMatchObject({ opened: 15, recovered: 1 })
  expect(peers.worst).toHaveLength(10)
  expect(peers.worst[0]).toEqual({ peer: 'y', opened: 2 })
  expect(counts).toMatchObject({ 'circuit:open': 15, 'recovery:complete': 1 })
  expect(lost).toBe(7)
})

test('what was before the time that is asked for only says how things stood then', () => {
  const report = reportOf(
    [
      [0, 'daemon:start', { services, down: [] }],
      [1, 'node:down', { endpoint: 'a:1' }],
      [1, 'failover', { endpoint: 'a:1' }],
      [1, 'circuit:open', { peer: 'x' }],
      alive(3, ['a:1']),
      [4, 'daemon:stop']
    ],
    2
  )
  expect(report.from).toBe(new Date(at(3)).toISOString())
  expect(report.process).toMatchObject({ starts: 0, upMs: 2 * MINUTE_MS })
  expect(report.endpoints[0]).toMatchObject({ upMs: 0, downMs: 2 * MINUTE_MS, outages: 1 })
  expect(report.failovers).toEqual({ count: 0, ms: 2 * MINUTE_MS })
  expect(report.peers).toEqual({ opened: 0, recovered: 0, worst: [] })
})

test('a log without entries tells nothing, and one of a clock that was put back nothing wrong', () => {
  expect(reportOf([])).toMatchObject({ from: undefined, to: undefined, process: { share: undefined } })
  expect(reportOf([[2, 'daemon:start', { services, down: [] }], alive(1), alive(2)]).process).toMatchObject({
    upMs: MINUTE_MS,
    downMs: 0
  })
})

test('it is written down that the process is there, and what it cannot use', () => {
  const clock = new ManualClock()
  const written: Array<[type: string, fields: object]> = []
  const log = {
    record: (type: string, fields: object) => written.push([type, fields])
  } as unknown as AuditLog
  let isHealthy = true
  const sources = {
    pools: [{ namespace: 'pool', getSummary: () => ({ endpoint: 'c:1', isHealthy }) }],
    channels: [
      {
        namespace: 'btc',
        getStatus: () => ({
          isFailedOver: true,
          nodes: [
            { endpoint: 'a:1', isHealthy: true },
            { endpoint: 'b:1', isHealthy: false }
          ]
        })
      }
    ]
  } as unknown as TelemetrySources
  const end = recordUptime(log, sources, clock)
  isHealthy = false
  clock.advance(2 * MINUTE_MS)
  end()
  clock.advance(2 * MINUTE_MS)
  const told = [
    { name: 'btc', endpoints: ['a:1', 'b:1'], isFailedOver: true },
    { name: 'pool', endpoints: ['c:1'], isFailedOver: false }
  ]
  expect(written).toEqual([
    ['daemon:start', { services: told, down: ['b:1'] }],
    ['daemon:alive', { services: told, down: ['b:1', 'c:1'] }],
    ['daemon:alive', { services: told, down: ['b:1', 'c:1'] }],
    ['daemon:stop', { services: told, down: ['b:1', 'c:1'] }]
  ])
  expect(clock.pendingTimers).toBe(0)
})
