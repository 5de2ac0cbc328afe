import { afterEach, beforeEach, expect, test, vi } from 'vitest'

const { EventFeed } = await import(
  new URL('../../../src/management/dashboard/event-feed.js', import.meta.url).href
)

/** A connection the page has made. */
interface Connection {
  readonly lastId: string
  say(text: string): void
  end(): void
}

const connections: Connection[] = []
let isAway = false

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('sessionStorage', { getItem: () => null })
  vi.stubGlobal('fetch', async (_path: string, { headers, signal }: RequestInit) => {
    if (isAway) throw new TypeError('nobody listens')
    const encoder = new TextEncoder()
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        signal!.addEventListener('abort', () => controller.error(signal!.reason))
        connections.push({
          lastId: (headers as Record<string, string>)['last-event-id']!,
          say: text => controller.enqueue(encoder.encode(text)),
          end: () => controller.close()
        })
      }
    })
    return new Response(body)
  })
})

afterEach(() => {
  connections.length = 0
  isAway = false
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function listen() {
  const events: string[] = []
  const changes: boolean[] = []
  const feed = new EventFeed(
    ({ type, data }: { type: string; data: string }) => events.push(`${type} ${data}`),
    () => changes.push(feed.isOpen)
  )
  feed.start()
  await vi.advanceTimersByTimeAsync(0)
  return { feed, events, changes }
}

test('what the server has kept is asked for first, and after a break what was missed', async () => {
  const { feed, events, changes } = await listen()
  expect(connections.map(({ lastId }) => lastId)).toEqual(['0'])
  connections[0]!.say('id: 7\nevent: a\ndata: 1\n\nid: 8\nevent: b\nda')
  connections[0]!.say('ta: 2\n\n')
  await vi.advanceTimersByTimeAsync(0)
  expect(events).toEqual(['a 1', 'b 2'])
  connections[0]!.end()
  await vi.advanceTimersByTimeAsync(999)
  expect(connections).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(connections.map(({ lastId }) => lastId)).toEqual(['0', '8'])
  expect(changes).toEqual([true, false, true])
  feed.stop()
})

test('a connection without a sign of life is given up after 15 s, and one with them is not', async () => {
  const { feed, changes } = await listen()
  for (let beat = 0; beat < 10; beat++) {
    await vi.advanceTimersByTimeAsync(14_000)
    connections[0]!.say(': alive\n\n')
    await vi.advanceTimersByTimeAsync(0)
  }
  expect(connections).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(14_999)
  expect(changes).toEqual([true])
  await vi.advanceTimersByTimeAsync(1)
  expect(changes).toEqual([true, false])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(connections).toHaveLength(2)
  feed.stop()
})

test('a server that is away is asked less and less often, up to every 5 s', async () => {
  isAway = true
  const asked = vi.spyOn(globalThis, 'fetch')
  const { feed } = await listen()
  const counts: number[] = []
  for (const ms of [2_000, 4_000, 5_000, 5_000, 5_000]) {
    await vi.advanceTimersByTimeAsync(ms)
    counts.push(asked.mock.calls.length)
  }
  expect(counts).toEqual([2, 3, 4, 5, 6])
  isAway = false
  await vi.advanceTimersByTimeAsync(5_000)
  expect(feed.isOpen).toBe(true)
  feed.stop()
  expect(feed.isOpen).toBe(false)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(connections).toHaveLength(1)
})
