import { describe, expect, test } from 'vitest'
import { type Happening, happeningText, timeOfDay } from '../../src/cli/relay/happening.ts'
import type { NodeReport, Snapshot } from '../../src/cli/relay/snapshot.ts'
import { takeSnapshot } from '../../src/cli/relay/snapshot.ts'
import { snapshotLines, snapshotSentence } from '../../src/cli/relay/snapshot-lines.ts'
import { noPaint } from '../../src/cli/terminal/paint.ts'
import { visibleWidth } from '../../src/cli/terminal/visible-text.ts'
import { create } from '../relay/nodes/support/channel.ts'

const up: NodeReport = {
  endpoint: 'node-a.example:8332',
  role: 'primary',
  state: 'up',
  height: 900_000,
  isLagging: false,
  responseTimeMs: 12.3,
  connections: 2,
  outages: 0,
  lastError: null
}
const down: NodeReport = {
  ...up,
  endpoint: 'node-b.example:8332',
  role: 'backup',
  state: 'down',
  height: null,
  responseTimeMs: 0,
  connections: 0,
  outages: 3,
  lastError: 'Cannot connect to node-b.example:8332: nobody listens there'
}
const snapshot: Snapshot = {
  atMs: 0,
  isHealthy: true,
  isFailedOver: false,
  height: 900_000,
  inFlight: 1,
  requests: 42,
  failed: 1,
  longestMs: 263.4,
  failovers: 2,
  nodes: [up, down]
}

describe('how things stand', () => {
  test('is a line and a table', () => {
    expect(snapshotLines(snapshot, 160, noPaint)).toEqual([
      '',
      'height 900000   42 requests   1 failed   longest wait 263 ms   2 failovers',
      '',
      'node                 role     state       height  response  connections  outages  last error',
      'node-a.example:8332  primary  up          900000     12 ms            2        0  -',
      'node-b.example:8332  backup   down             -         -            0        3  Cannot connect to node-b.example:8332: nobody listens there'
    ])
  })

  test.each([60, 80, 100])('fits into %d columns', columns => {
    for (const line of snapshotLines(snapshot, columns, noPaint))
      expect(visibleWidth(line)).toBeLessThanOrEqual(columns)
  })

  test('is a sentence for a log', () => {
    expect(snapshotSentence({ ...snapshot, isFailedOver: true })).toBe(
      '1 of 2 nodes up, height 900000, 42 requests, 1 failed, longest wait 263 ms, 2 failovers, no primary node answers'
    )
    expect(snapshotSentence({ ...snapshot, height: null, requests: 0, failed: 0, failovers: 1 })).toBe(
      '1 of 2 nodes up, no height yet, 0 requests, 0 failed, 1 failover'
    )
  })

  test('tells a node that lags behind from one that is up', () => {
    const [, , , , line] = snapshotLines({ ...snapshot, nodes: [{ ...up, isLagging: true }] }, 160, noPaint)
    expect(line).toContain(' lagging ')
  })

  test('is taken of a channel, and shows nothing a terminal would obey', async () => {
    const { channel, node, ends } = create({ primaryNodes: ['a:1'], backupNodes: [], maxRetries: 0 })
    node('a').conduct = { fails: () => new Error('\x1b[31mred\x07') }
    await ends(channel.getBlockHeight().catch(() => {}))
    const counts = { requests: 1, failed: 1, answered: 0, longestMs: 1.26 }
    const taken = takeSnapshot(channel.getStatus(), counts, new Map([['a:1', 2]]))
    expect(taken).toMatchObject({ height: null, requests: 1, failed: 1, longestMs: 1.3 })
    expect(taken.nodes).toMatchObject([{ endpoint: 'a:1', state: 'suspect', outages: 2, lastError: 'red' }])
    await channel.close()
  })
})

describe('what happens', () => {
  const nothing = { atMs: 0, endpoint: null, role: null, error: null, requests: null }
  const node = { ...nothing, endpoint: 'a:1', role: 'primary' } as const

  test.each<[Happening, string]>([
    [{ ...node, event: 'node:down', error: 'no answer' }, 'a:1 (primary) is down: no answer'],
    [{ ...node, event: 'node:up' }, 'a:1 (primary) is up'],
    [{ ...node, event: 'failover' }, 'failover: no primary node answers'],
    [{ ...nothing, event: 'requests:fail', error: 'no answer' }, 'requests FAIL: no answer'],
    [
      { ...nothing, event: 'requests:answered', requests: 3 },
      'requests are answered again, after 3 that failed'
    ],
    [{ ...nothing, event: 'draining', requests: 2 }, 'draining: 2 requests under way; Ctrl-C ends at once']
  ])('%j is one line', (happening, line) => {
    expect(happeningText(happening)).toBe(`${timeOfDay(0)} ${line}`)
  })
})
