import { IncomingMessage, ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ManualClock } from '../../src/core/index.ts'
import { EventStreams } from '../../src/management/event-streams.ts'

/** A response whose client takes nothing of what it is sent, or all. */
function responseTo({ takes }: { takes: boolean }): ServerResponse {
  const socket = new Duplex({
    read() {},
    write: (_chunk, _encoding, done) => takes && done(),
    highWaterMark: 1
  })
  const response = new ServerResponse(new IncomingMessage(socket as never))
  response.assignSocket(socket as never)
  return response
}

test('whoever does not take what he is sent is cut off, and nobody else', async () => {
  const streams = new EventStreams(new ManualClock())
  const [slow, quick] = [responseTo({ takes: false }), responseTo({ takes: true })]
  streams.add(slow, {}, undefined)
  streams.add(quick, {}, undefined)
  const data = { text: 'x'.repeat(900) }
  let told = 0
  while (!slow.destroyed && told < 10_000) {
    streams.tell('a', data)
    if (++told % 100 === 0) await setImmediate()
  }
  // A megabyte is kept for him.
  expect(told).toBeGreaterThan(1_000)
  expect(told).toBeLessThan(1_300)
  expect(quick.destroyed).toBe(false)
  streams.close()
})

test('a thousand events are kept', () => {
  const streams = new EventStreams(new ManualClock())
  for (let number = 1; number <= 1_500; number++) streams.tell('a', { number })
  const response = responseTo({ takes: true })
  const sent: string[] = []
  const write = response.write.bind(response)
  response.write = ((text: string) => {
    sent.push(text)
    return write(text)
  }) as never
  streams.add(response, {}, 0)
  expect(sent).toHaveLength(1 + 1_000)
  expect(sent[1]).toContain('"number":501')
  streams.close()
})

test('whoever comes back to another process is told all that it keeps', () => {
  const clock = new ManualClock()
  const before = new EventStreams(clock)
  for (let number = 0; number < 900; number++) before.tell('a', {})
  clock.advance(1)
  const after = new EventStreams(clock)
  const [response, sent] = [responseTo({ takes: true }), [] as string[]]
  response.write = ((text: string) => sent.push(text)) as never
  after.tell('b', {})
  after.tell('c', {})
  const lastOfBefore = clock.wallTime() * 1_000 - 100
  after.add(response, {}, lastOfBefore)
  expect(sent.slice(1).map(text => /event: (.)/.exec(text)?.[1])).toEqual(['b', 'c'])
  after.close()
})

test('errors are told in words', () => {
  const streams = new EventStreams(new ManualClock())
  const response = responseTo({ takes: true })
  const sent: string[] = []
  response.write = ((text: string) => sent.push(text)) as never
  streams.add(response, {}, undefined)
  streams.tell('a', { error: new TypeError('wrong') })
  expect(sent.at(-1)).toMatch(
    /^id: \d+\nevent: a\ndata: \{"error":\{"name":"TypeError","message":"wrong"\}\}\n\n$/
  )
  streams.close()
})
