import { describe, expect, test } from 'vitest'
import { protectionEventTypes } from '../../../src/core/slot-events.ts'

// What of the page needs no browser. It is JavaScript, with types that its own tsconfig checks.

const load = (name: string) =>
  import(new URL(`../../../src/management/dashboard/${name}.js`, import.meta.url).href)

const { alertText } = await load('alert-text')
const { EventParser } = await load('event-parser')
const { happening } = await load('happening')
const { LatencyTrails } = await load('latency-trails')
const { duration, milliseconds, percent, shortId, words } = await load('quantities')

describe('events', () => {
  const stream =
    'retry: 2000\n\nid: 7\nevent: node:up\ndata: {"a":\ndata: 1}\n\n: alive\n\nid: 8\ndata:x\n\nevent: y\n\n'
  const events = [
    { id: '7', type: 'node:up', data: '{"a":\n1}' },
    { id: '8', type: 'message', data: 'x' }
  ]

  test('are read, and comments and what has no data are not', () => {
    expect(new EventParser().read(stream)).toEqual(events)
  })

  test.each([1, 2, 3, 7])('are read from pieces of %i characters', length => {
    const parser = new EventParser()
    const pieces = stream.match(new RegExp(`.{1,${length}}`, 'gs'))!
    expect(pieces.flatMap(piece => parser.read(piece))).toEqual(events)
  })

  test.each(['\r', '\r\n'])('are read with other ends of lines: %j', end => {
    const parser = new EventParser()
    const pieces = `${stream}\n`.replaceAll('\n', end).split('')
    expect(pieces.flatMap(piece => parser.read(piece))).toEqual(events)
  })
})

describe('words', () => {
  test('are there for whatever can happen to a peer', () => {
    for (const type of protectionEventTypes) {
      const { what, subject, at } = happening(type, { peer: 'peer-a', at: 5 })
      expect(what).not.toBe(type)
      expect([subject, at]).toEqual(['peer-a', 5])
    }
  })

  test('say what else is known', () => {
    expect(happening('circuit:open', { peer: 'a', at: 1, from: 'HALF_OPEN', to: 'OPEN' }).detail).toBe(
      'Half-open → Open'
    )
    const error = { name: 'Error', message: 'broken' }
    expect(happening('node:down', { endpoint: 'a:1', at: 1, role: 'backup', error }).detail).toBe(
      'backup, broken'
    )
    expect(happening('something:new', { at: 1 }).what).toBe('something:new')
    expect(
      happening('alert', {
        name: 'averageLatency',
        subject: 'a:1',
        isFiring: false,
        value: 20,
        threshold: 500,
        since: 9
      })
    ).toEqual({
      at: 9,
      tone: 'good',
      what: 'Alert over',
      subject: 'a:1',
      detail: 'Average latency: 20 ms, limit 500 ms'
    })
  })

  test('are there for alerts', () => {
    expect(alertText({ name: 'openCircuitShare', value: 0.75, threshold: 0.5 })).toBe(
      'Share of circuits that are open: 75.0 %, limit 50.0 %'
    )
    expect(alertText({ name: 'circuitBreakerOpen', value: 1, threshold: 0 })).toBe('Circuit open')
    expect(alertText({ name: 'newAlert', value: 2, threshold: 1 })).toBe('newAlert: 2, limit 1')
  })
})

test.each([
  [milliseconds(0.25), '0.3 ms'],
  [milliseconds(1234), '1234 ms'],
  [milliseconds(12_345), '12.3 s'],
  [percent(0.9996), '100.0 %'],
  [duration(-1), '0 s'],
  [duration(61_000), '1 min'],
  [duration(7_200_000), '2 h'],
  [duration(200_000_000), '2 d'],
  [words('HALF_OPEN'), 'Half-open'],
  [shortId('peer-1'), 'peer-1'],
  [shortId('12D3KooWAbCdEfGhIjKlMnOpQrStUvWxYz'), '12D3Ko…StUvWxYz']
])('quantities are short: %s', (shown, wanted) => {
  expect(shown).toBe(wanted)
})

test('latencies are kept of so many, and so many of each', () => {
  const trails = new LatencyTrails()
  for (let number = 0; number < 600; number++) trails.note(`peer-${number}`, number)
  expect(trails.of('peer-99')).toEqual([])
  expect(trails.of('peer-100')).toEqual([100])
  for (let number = 0; number < 40; number++) trails.note('peer-599', number)
  expect(trails.of('peer-599')).toHaveLength(30)
  expect(trails.of('peer-599').at(-1)).toBe(39)
})
