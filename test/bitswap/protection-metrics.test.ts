import { expect, test } from 'vitest'
import { ProtectionMetrics } from '../../src/bitswap/protection-metrics.ts'
import { createProtection } from '../support/deterministic-protection.ts'
import { FakeMetrics } from './support/metrics.ts'

function create() {
  const registered = new FakeMetrics()
  const { protection } = createProtection({ maxEjectedShare: 1 })
  const metrics = new ProtectionMetrics(registered.component, () => protection.getOverallStatus())
  return { registered, protection, metrics }
}

test('registers all there is at once, under names of its own', () => {
  const { registered } = create()
  expect(registered.registered.map(({ kind, name, options }) => [kind, name, options.label])).toEqual([
    ['MetricGroup', 'bitswap_protection_breakers', 'state'],
    ['MetricGroup', 'bitswap_protection_peers', 'health'],
    ['CounterGroup', 'bitswap_protection_wants_total', 'result'],
    ['CounterGroup', 'bitswap_protection_rejections_total', 'reason'],
    ['CounterGroup', 'bitswap_protection_inbound_refusals_total', 'reason'],
    ['Counter', 'bitswap_protection_inbound_disconnects_total', undefined],
    ['CounterGroup', 'bitswap_protection_events_total', 'event'],
    ['Histogram', 'bitswap_protection_stream_open_seconds', undefined],
    ['Histogram', 'bitswap_protection_answer_seconds', undefined]
  ])
})

test('has a help text for each', () => {
  const { registered } = create()
  for (const { options } of registered.registered) expect(options.help).toMatch(/^[A-Z].+[^.]$/)
})

test('calculates gauges only: a calculated counter would grow with every look at it', () => {
  const { registered } = create()
  const calculated = registered.registered.filter(({ options }) => options.calculate !== undefined)
  expect(calculated.map(({ kind }) => kind)).toEqual(['MetricGroup', 'MetricGroup'])
})

test('shows how many circuits are in each state, and peers of each health', () => {
  const { registered, protection } = create()
  protection.admit('a')
  protection.trip('b')
  expect(registered.calculate('bitswap_protection_breakers')).toEqual({ closed: 1, open: 1, half_open: 0 })
  expect(registered.calculate('bitswap_protection_peers')).toEqual({
    healthy: 0,
    degraded: 0,
    unhealthy: 0,
    unknown: 2
  })
})

test('counts wants by what came of them, and measures the answered ones', () => {
  const { registered, metrics } = create()
  metrics.noteWant('answered', 250)
  metrics.noteWant('failed', 2000)
  metrics.noteWant('ignored', 2000)
  metrics.noteWant('answered', 50)
  const name = 'bitswap_protection_wants_total'
  expect(['answered', 'failed', 'ignored'].map(label => registered.count(name, label))).toEqual([2, 1, 1])
  expect(registered.noted.get('bitswap_protection_answer_seconds')).toEqual([0.25, 0.05])
})

test('counts the wants that failed since one was last answered', () => {
  const { metrics } = create()
  const counts = (['failed', 'failed', 'ignored', 'failed', 'answered', 'ignored', 'failed'] as const).map(
    result => {
      metrics.noteWant(result, 10)
      return metrics.totals().consecutiveWantFailures
    }
  )
  expect(counts).toEqual([1, 2, 2, 3, 0, 0, 1])
})

test('counts rejections and events under labels that are names', () => {
  const { registered, metrics } = create()
  metrics.noteRejection('HALF_OPEN_FULL')
  metrics.noteEvent('circuit:half-open')
  metrics.noteEvent('recovery:start')
  expect(registered.noted.get('bitswap_protection_rejections_total')).toEqual([{ half_open_full: true }])
  expect(registered.noted.get('bitswap_protection_events_total')).toEqual([
    { circuit_half_open: true },
    { recovery_start: true }
  ])
})

test('counts what peers were refused, by what was too much', () => {
  const { registered, metrics } = create()
  metrics.noteInboundRefusal('WANTS')
  metrics.noteInboundRefusal('UNREADABLE')
  metrics.noteInboundRefusal('WANTS')
  const name = 'bitswap_protection_inbound_refusals_total'
  expect(['wants', 'unreadable', 'bytes'].map(label => registered.count(name, label))).toEqual([2, 1, 0])
})

test('counts peers that were disconnected for going on', () => {
  const { registered, metrics } = create()
  metrics.noteShutOut()
  expect(registered.noted.get('bitswap_protection_inbound_disconnects_total')).toHaveLength(1)
})

test('measures how long streams take to open, in seconds', () => {
  const { registered, metrics } = create()
  metrics.noteOpen(125)
  expect(registered.noted.get('bitswap_protection_stream_open_seconds')).toEqual([0.125])
})

test('keeps the totals, also on a node without metrics', () => {
  const { protection } = createProtection()
  const metrics = new ProtectionMetrics(undefined, () => protection.getOverallStatus())
  const before = metrics.totals()
  metrics.noteWant('answered', 40)
  metrics.noteWant('failed', 2_000)
  metrics.noteRejection('OPEN')
  metrics.noteInboundRefusal('WANTS')
  metrics.noteShutOut()
  metrics.noteEvent('circuit:open')
  metrics.noteOpen(8)
  const totals = metrics.totals()
  expect(totals.wants).toEqual({ answered: 1, failed: 1, ignored: 0 })
  expect(totals.heldBack).toEqual({ ...before.heldBack, OPEN: 1 })
  expect(totals.inboundRefusals).toEqual({ STREAMS: 0, WANTS: 1, BYTES: 0, UNREADABLE: 0 })
  expect(totals.inboundDisconnects).toBe(1)
  expect(totals.events).toEqual({ ...before.events, 'circuit:open': 1 })
  expect([totals.openTimes.count, totals.openTimes.sumMs]).toEqual([1, 8])
  // Of those that were answered.
  expect([totals.answerTimes.count, totals.answerTimes.sumMs]).toEqual([1, 40])
  expect(before.heldBack.OPEN).toBe(0)
  for (const part of [totals, ...Object.values(totals)].filter(part => typeof part === 'object'))
    expect(Object.isFrozen(part)).toBe(true)
})
