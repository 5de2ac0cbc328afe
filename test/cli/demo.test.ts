import { describe, expect, test } from 'vitest'
import type { BitswapPeerStatus } from '../../src/bitswap/index.ts'
import { type Moment, momentFormat, momentText, protectionText } from '../../src/cli/demo/moment.ts'
import { type Outcome, percentile } from '../../src/cli/demo/outcome.ts'
import type { PeerRow } from '../../src/cli/demo/peer-rows.ts'
import type { ReadingState } from '../../src/cli/demo/reading.ts'
import { liveLines, paragraph, peerLines, resultLines } from '../../src/cli/demo/scene-lines.ts'
import { shortenedText } from '../../src/cli/demo/settings.ts'
import { WaitNews } from '../../src/cli/demo/wait-news.ts'
import { noPaint, type Paint } from '../../src/cli/terminal/paint.ts'
import { visibleWidth } from '../../src/cli/terminal/visible-text.ts'
import { troubleText } from '../../src/cli/trouble.ts'
import { ManualClock, Protection } from '../../src/core/index.ts'

const coloured: Paint = (_format, text) => `\x1b[31m${text}\x1b[39m`

/** The status of a peer to which this was done. */
function statusAfter(act: (protection: Protection, clock: ManualClock) => void): BitswapPeerStatus {
  const clock = new ManualClock()
  using protection = new Protection({ preset: 'bitswap' }, { clock, random: () => 0.5 })
  protection.admit('peer').settle('success')
  act(protection, clock)
  return { ...protection.getPeerStatus('peer')!, isConnected: true, openTimeMs: 0, pendingWants: 0 }
}

function fail(protection: Protection): void {
  for (let call = 0; call < 5; call++) protection.admit('peer').settle('failure')
}

const healthy = statusAfter(() => {})
const open = statusAfter(fail)
const suspect = statusAfter(protection => protection.suspect('peer'))

function row(name: string, status: BitswapPeerStatus | undefined): PeerRow {
  return {
    name,
    about: 'what it is',
    status,
    trouble: status === undefined ? '' : troubleText(status),
    stockBlocks: 1,
    blocks: 23
  }
}

const rows = [
  row('near', healthy),
  row('mute', open),
  row('stuck', suspect),
  row('doomed', { ...healthy, isConnected: false }),
  row('new', undefined)
]

describe('peers', () => {
  test('are shown with state, health, response, share, blocks and trouble', () => {
    expect(peerLines(rows, 80, noPaint).map(line => line.trimEnd())).toEqual([
      'peer    state      health     response   share  blocks  last trouble',
      'near    CLOSED     UNKNOWN           -   100 %      23  -',
      'mute    OPEN       UNHEALTHY         -     0 %      23  5 failures in a row',
      'stuck   SUSPECT    UNKNOWN           -  probes      23  late, being probed',
      'doomed  gone       UNKNOWN           -       -      23  -',
      'new     -          -                 -       -      23  -'
    ])
  })

  test.each([
    [60, 'peer    state      health     response   share  last trouble'],
    [120, 'peer    state      health     response   share  blocks  last trouble          what it is']
  ])('at %d columns with what there is room for', (columns, header) => {
    expect(peerLines(rows, columns, noPaint)[0]).toBe(header)
  })
})

describe('lines', () => {
  const readers: readonly ReadingState[] = [
    { blocks: 100, longestMs: 12_345, idleMs: 8000, ending: undefined },
    { blocks: 501, longestMs: 155, idleMs: 20, ending: 'DONE' }
  ]
  const finished: Outcome = {
    finished: true,
    totalMs: 17_400,
    blocks: 501,
    bytes: 8_192_000,
    p50Ms: 130,
    p95Ms: 185,
    maxMs: 327
  }
  const outcomes = [{ ...finished, totalMs: 30_700, maxMs: 7900 }, finished]

  test('readers are shown with how far they are, and whether they wait', () => {
    expect(liveLines(readers, 501, rows, 80, noPaint).slice(0, 4)).toEqual([
      '',
      'stock Helia  ███░░░░░░░░░░░░░   19 %  waiting for 8 s',
      'protected    ████████████████  100 %  slowest block 155 ms',
      ''
    ])
  })

  test('figures are set side by side', () => {
    expect(resultLines(outcomes, 60, noPaint)).toEqual([
      'per block: p50  stock Helia  130 ms  ███████████████████████',
      '                protected    130 ms  ███████████████████████',
      '           p95  stock Helia  185 ms  ███████████████████████',
      '                protected    185 ms  ███████████████████████',
      '       slowest  stock Helia   7.9 s  ███████████████████████',
      '                protected    327 ms  █',
      'the whole file  stock Helia  30.7 s  ███████████████████████',
      '                protected    17.4 s  █████████████',
      '',
      'The longest wait for a block: 7.9 s without protection, 327',
      'ms with it.'
    ])
  })

  test('a reader that was stopped is said to be', () => {
    const stopped = { ...finished, finished: false, blocks: 77, totalMs: 42_000 }
    const lines = resultLines([stopped, finished], 80, noPaint)
    expect(lines).toContain('stock Helia was stopped after 42 s, with 77 blocks.')
    expect(lines.join('\n')).toContain('until the end')
  })

  test.each([60, 80, 120, 200])('none is wider than %d columns', columns => {
    const lines = [
      ...liveLines(readers, 501, rows, columns, coloured),
      ...resultLines(outcomes, columns, coloured),
      ...paragraph(shortenedText(), columns)
    ]
    for (const line of lines) expect(visibleWidth(line)).toBeLessThanOrEqual(columns)
  })
})

test.each([
  [0, 0],
  [0.01, 1],
  [0.5, 2],
  [0.75, 3],
  [0.76, 4],
  [1, 4]
])('the percentile %d of 1 to 4 is %d', (share, value) => {
  expect(percentile(share === 0 ? [] : [1, 2, 3, 4], share)).toBe(value)
})

describe('news of a reader', () => {
  const state = (idleMs: number, ending?: 'DONE' | 'STOPPED'): ReadingState => ({
    blocks: 7,
    longestMs: 0,
    idleMs,
    ending
  })

  test('are told once each', () => {
    const news = new WaitNews()
    const idle = [0, 1499, 1600, 5000, 8200, 10, 20, 2000]
    expect(idle.map(ms => news.next(state(ms), 0))).toEqual([
      undefined,
      undefined,
      'waits, no block comes any more',
      undefined,
      undefined,
      'goes on after 8.2 s',
      undefined,
      'waits, no block comes any more'
    ])
    expect(news.next(state(0, 'DONE'), 12_300)).toBe('has the whole file after 12.3 s')
    expect(news.next(state(0, 'DONE'), 12_300)).toBeUndefined()
  })

  test('tell also that it was stopped', () => {
    expect(new WaitNews().next(state(9000, 'STOPPED'), 42_000)).toBe('is stopped after 42 s, with 7 blocks')
  })
})

test('moments say when, who and what', () => {
  const moment: Moment = {
    atMs: 5049,
    kind: 'PROTECTION',
    who: 'mute',
    what: protectionText('circuit:open', troubleText(open))!
  }
  expect(momentText(moment)).toBe('   5.0 s  mute: circuit opens: 5 failures in a row')
  expect(momentFormat(moment)).toBe('red')
  expect(protectionText('health:change', '')).toBeUndefined()
})
