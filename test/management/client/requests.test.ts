import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/core/index.ts'
import {
  ManagementClient,
  type ManagementClientOptions,
  ManagementRequestError,
  ManagementUnavailableError
} from '../../../src/management/client/index.ts'

const TOKEN = 'a-token-of-some-length'
const POOLS = { endpoint: 'a:1', active_connections: 1 }

type Reply = Response | (() => Response) | Error | 'nothing'

/** A client whose requests are answered, one after the other, as told; all further ones as the last. */
function create(replies: readonly Reply[], options: Partial<ManagementClientOptions> = {}) {
  const clock = new ManualClock()
  const left = [...replies]
  const asked: Array<{ url: string; init: RequestInit; atMs: number }> = []
  const fetch = async (url: unknown, init: RequestInit = {}): Promise<Response> => {
    asked.push({ url: `${url}`, init, atMs: clock.now() })
    const reply = left.length > 1 ? left.shift()! : left[0]!
    if (reply instanceof Error) throw reply
    if (reply instanceof Response) return reply.clone()
    if (typeof reply === 'function') return reply()
    const { promise, reject } = Promise.withResolvers<Response>()
    init.signal!.addEventListener('abort', () => reject(init.signal!.reason))
    return promise
  }
  const client = new ManagementClient(
    { authToken: TOKEN, ...options },
    { clock, random: () => 1, fetch: fetch as typeof globalThis.fetch }
  )
  /** Lets time pass until it is over, and tells how it ended. */
  const finish = async <Value>(answer: Promise<Value>): Promise<Value | Error> => {
    let ended: Value | Error | undefined
    answer.then(
      value => {
        ended = value
      },
      error => {
        ended = error
      }
    )
    for (let turns = 0; turns < 2_000 && ended === undefined; turns++) {
      await new Promise(resolve => setImmediate(resolve))
      if (ended === undefined) clock.advance(100)
    }
    return ended!
  }
  return { client, clock, asked, finish }
}

function json(body: object, status = 200, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers })
}

function refusal(code: string, status: number, headers?: Record<string, string>): Response {
  return json({ error: { code, message: `because of ${code}` } }, status, headers)
}

test('sends token and name, and nothing else', async () => {
  const { client, asked, finish } = create([json(POOLS)], {
    url: 'http://127.0.0.1:9/under/',
    userAgent: 'me'
  })
  await finish(client.getPoolStatus())
  expect(asked[0]).toMatchObject({
    url: 'http://127.0.0.1:9/under/status/connections',
    init: { method: 'GET', headers: { 'user-agent': 'me', 'x-auth-token': TOKEN }, redirect: 'error' }
  })
  expect(asked[0]!.init.body).toBeUndefined()
})

test('sends no token without one', async () => {
  const { client, asked, finish } = create([json(POOLS)], { authToken: undefined })
  await finish(client.getPoolStatus())
  expect(asked[0]!.init.headers).toEqual({ 'user-agent': 'bitswap-protection' })
})

test('sends what is to be done as JSON', async () => {
  const { client, asked, finish } = create([json({ peer: 'a' })])
  expect(await finish(client.isolatePeer('a'))).toEqual({ peer: 'a' })
  expect(asked[0]).toMatchObject({
    init: { method: 'POST', body: '{"peer":"a"}', headers: { 'content-type': 'application/json' } }
  })
})

test.each<[what: string, reply: Reply]>([
  ['cannot be reached', Object.assign(new TypeError('fetch failed'), { cause: new Error('refused') })],
  ['has a request time out', refusal('REQUEST_TIMEOUT', 408)],
  ['gets too many requests', refusal('TOO_MANY_REQUESTS', 429)],
  ['has an error', refusal('INTERNAL_ERROR', 500)],
  ['is not behind its proxy', new Response('<html>', { status: 502 })],
  ['is not there, says its proxy', new Response('<html>', { status: 503 })],
  ['has too much to do', refusal('UNAVAILABLE', 503)],
  ['is too late for its proxy', new Response('', { status: 504 })]
])('asks a server again that %s, longer apart each time', async (_, reply) => {
  const { client, asked, finish } = create([reply, reply, reply, json(POOLS)])
  expect(await finish(client.getPoolStatus())).toMatchObject({ value: POOLS, isStale: false })
  expect(asked.map(({ atMs }) => atMs)).toEqual([0, 200, 600, 1_400])
})

test('waits by chance half as long', async () => {
  const clock = new ManualClock()
  const asked: number[] = []
  const fetch = async (): Promise<Response> => {
    asked.push(clock.now())
    throw new Error('away')
  }
  const client = new ManagementClient({ retries: 1 }, { clock, random: () => 0, fetch })
  const ended = client.getStatus().catch(error => error)
  for (let turns = 0; turns < 20; turns++) {
    await new Promise(resolve => setImmediate(resolve))
    clock.advance(20)
  }
  expect(await ended).toBeInstanceOf(ManagementUnavailableError)
  expect(asked).toEqual([0, 100])
})

test('waits sixteen times as long at most', async () => {
  const { client, asked, finish } = create([new Error('away')], { retries: 7, retryAfterMs: 100 })
  await finish(client.getPoolStatus())
  const waits = asked.slice(1).map(({ atMs }, index) => atMs - asked[index]!.atMs)
  expect(waits).toEqual([100, 200, 400, 800, 1_600, 1_600, 1_600])
})

test.each([
  ['2', 2_000],
  ['3600', 30_000],
  ['Wed, 21 Oct 2026 07:28:00 GMT', 200]
])('waits as the server says (Retry-After: %s), within bounds', async (retryAfter, waitMs) => {
  const { client, asked, finish } = create([
    refusal('UNAVAILABLE', 503, { 'retry-after': retryAfter }),
    json(POOLS)
  ])
  await finish(client.getPoolStatus())
  expect(asked[1]!.atMs).toBe(waitMs)
})

test('tells when the server does not answer, and why', async () => {
  const { client, asked, finish } = create(['nothing'])
  const error = await finish(client.getPoolStatus())
  expect(error).toBeInstanceOf(ManagementUnavailableError)
  expect(error).toMatchObject({
    name: 'ManagementUnavailableError',
    url: 'http://127.0.0.1:9090',
    attempts: 4,
    message: 'http://127.0.0.1:9090 does not answer: there was no answer within 10000 ms'
  })
  expect(asked.map(({ atMs }) => atMs)).toEqual([0, 10_200, 20_600, 31_400])
})

test('tells why it could not be reached in the words of the system', async () => {
  const cause = new Error('connect ECONNREFUSED')
  const { client, finish } = create([Object.assign(new TypeError('fetch failed'), { cause })])
  expect(await finish(client.getPoolStatus())).toMatchObject({
    message: 'http://127.0.0.1:9090 does not answer: connect ECONNREFUSED'
  })
})

test.each([
  ['UNAUTHORIZED', 401],
  ['NOT_FOUND', 404],
  ['BAD_REQUEST', 400]
])('does not ask again what is refused: %s', async (code, status) => {
  const { client, asked, finish } = create([refusal(code, status)])
  const error = await finish(client.getPeer('a'))
  expect(error).toBeInstanceOf(ManagementRequestError)
  expect(error).toMatchObject({ code, status, message: `because of ${code}` })
  expect(asked).toHaveLength(1)
})

test('a refusal that is not in the words of the server is told as it is', async () => {
  const { client, finish } = create([new Response('go away', { status: 403 })])
  expect(await finish(client.getPeer('a'))).toMatchObject({
    code: 'HTTP_403',
    message: 'it was answered with 403'
  })
})

test('another answer than that of the server is a refusal', async () => {
  const { client, finish } = create([json({ anything: true }, 404)])
  expect(await finish(client.getStatus())).toMatchObject({ code: 'HTTP_404' })
})

test('that the service is not well is an answer', async () => {
  const { client, asked, finish } = create([json({ status: 'degraded' }, 503)])
  expect(await finish(client.getStatus())).toMatchObject({ value: { status: 'degraded' }, isStale: false })
  expect(asked).toHaveLength(1)
})

test('an answer without end is not read', async () => {
  let sent = 0
  const endless = new ReadableStream({
    pull(controller) {
      sent += 1_048_576
      controller.enqueue(new Uint8Array(1_048_576))
    }
  })
  const { client, finish } = create([() => new Response(endless)], { retries: 0 })
  expect(await finish(client.getMetrics())).toMatchObject({
    message: expect.stringContaining('more than 16777216 bytes')
  })
  expect(sent).toBeLessThan(32 * 1_048_576)
})

test('ends with the reason of the signal, also while it waits', async () => {
  const { client, clock, asked } = create([new Error('away')])
  const ending = new AbortController()
  const ended = client.getStatus({ signal: ending.signal }).catch(error => error)
  await new Promise(resolve => setImmediate(resolve))
  ending.abort(new Error('enough'))
  expect(await ended).toMatchObject({ message: 'enough' })
  expect([asked.length, clock.pendingTimers]).toEqual([1, 0])
})

test('ends with the reason of the signal while it is asked', async () => {
  const { client, clock } = create(['nothing'], { retries: 0 })
  const ending = new AbortController()
  const ended = client.isolatePeer('a', ending.signal).catch(error => error)
  await new Promise(resolve => setImmediate(resolve))
  ending.abort(new Error('enough'))
  expect(await ended).toMatchObject({ message: 'enough' })
  expect(clock.pendingTimers).toBe(0)
})

test('asks nothing when the signal has been aborted before', async () => {
  const { client, asked } = create([json(POOLS)])
  const signal = AbortSignal.abort(new Error('enough'))
  expect(await client.getStatus({ signal }).catch(error => error)).toMatchObject({ message: 'enough' })
  expect(asked).toHaveLength(0)
})

test.each<[options: Partial<ManagementClientOptions>, message: string]>([
  [{ url: 'node:9090' }, "Invalid option client.url: got 'node:9090'"],
  [{ url: 'http://me:secret@node' }, 'Invalid option client.url'],
  [{ url: 'http://node/?x' }, 'Invalid option client.url'],
  [{ timeoutMs: 0 }, 'Invalid option client.timeoutMs: got 0'],
  [{ retries: 11 }, 'Invalid option client.retries: got 11'],
  [{ cacheMs: -1 }, 'Invalid option client.cacheMs: got -1'],
  [{ authToken: 'with space' }, "Invalid option client.authToken: got '(hidden)'"]
])('refuses %j', (options, message) => {
  expect(() => new ManagementClient(options)).toThrow(message)
})
