import { createServer as createHttpServer, type ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/core/index.ts'
import {
  type Answer,
  ManagementClient,
  type ManagementClientOptions,
  type ManagementEvent,
  ManagementUnavailableError
} from '../../../src/management/client/index.ts'
import { ManagementServer } from '../../../src/management/index.ts'
import { createNode } from '../support/managed.ts'

const TOKEN = 'a-token-of-some-length'

const stack: AsyncDisposable[] = []

afterEach(async () => {
  while (stack.length > 0) await stack.pop()![Symbol.asyncDispose]()
})

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** A server with a node of two peers, and a client of it. The client's time is moved by hand. */
async function start(options: Partial<ManagementClientOptions> = {}) {
  const { node, protection } = createNode()
  for (const peer of ['peer-a', 'peer-b']) protection.admit(peer).settle('success')
  const managed = { bitswap: node }
  const server = new ManagementServer(managed, { port: 0, authToken: TOKEN })
  stack.push(server)
  await server.start()
  const url = server.url!
  const clock = new ManualClock()
  const asked: string[] = []
  const client = new ManagementClient(
    { url, authToken: TOKEN, retries: 0, ...options },
    {
      clock,
      fetch: (input, init) => {
        asked.push(`${init?.method} ${new URL(`${input}`).pathname}`)
        return fetch(input, init)
      }
    }
  )
  /** Another one in its place. */
  const restart = async (): Promise<void> => {
    const again = new ManagementServer(managed, { port: Number(new URL(url).port), authToken: TOKEN })
    stack.push(again)
    await again.start()
  }
  return { server, client, clock, asked, node, protection, restart }
}

describe('what is asked of a real server', () => {
  test.each<[path: string, ask: (client: ManagementClient) => Promise<Answer<unknown>>, value: unknown]>([
    ['/status', client => client.getStatus(), { service: 'bitswap-protection', status: 'ok' }],
    ['/healthz', client => client.getHealth(), { status: 'healthy' }],
    ['/status/connections', client => client.getPoolStatus(), { active_connections: 0 }],
    ['/api/v1/secure-channel/status', client => client.getSecureChannelStatus(), { is_healthy: true }],
    ['/api/v1/secure-channel/stats', client => client.getStats(), { total_errors: 0 }],
    ['/api/v1/bitswap/status', client => client.getBitswapStatus(), { totalPeers: 2 }],
    ['/api/v1/bitswap/peers', client => client.getPeers(), { total: 2 }],
    ['/api/v1/bitswap/peers/peer-a', client => client.getPeer('peer-a'), { peer: 'peer-a' }],
    ['/api/v1/bitswap/explain/peer-a', client => client.explain('peer-a'), { key: 'peer-a' }],
    ['/api/v1/alerts', client => client.getAlerts(), { alerts: [] }],
    ['/metrics', client => client.getMetrics(), expect.stringContaining('bitswap_protection_')]
  ])('%s', async (path, ask, value) => {
    const { client, asked } = await start()
    const answer = await ask(client)
    expect(answer).toMatchObject({ isStale: false, error: undefined })
    if (typeof answer.value === 'string') expect(answer.value).toEqual(value)
    else expect(answer.value).toMatchObject(value as object)
    expect(asked).toEqual([`GET ${path}`])
  })

  test('a page of peers', async () => {
    const { client } = await start()
    const { value } = await client.getPeers({ sort: 'peer', reverse: true, size: 1, page: 2 })
    expect(value).toMatchObject({ page: 2, size: 1, total: 2, peers: [{ peer: 'peer-a' }] })
    expect((await client.getPeers({ search: 'r-b', state: undefined })).value.total).toBe(1)
  })

  test('one of the pools that is not there', async () => {
    const { client } = await start()
    await expect(client.getPoolStatus('a:1')).rejects.toMatchObject({ code: 'NOT_FOUND', status: 404 })
    await expect(client.getConnection('a/../b')).rejects.toMatchObject({
      message: /no connection a\/\.\.\/b/
    })
  })

  test('to isolate a peer, and to release it', async () => {
    const { client, protection } = await start()
    expect(await client.isolatePeer('peer-a')).toMatchObject({ is_isolated: true })
    expect(protection.getPeerStatus('peer-a')?.isIsolated).toBe(true)
    expect(await client.releasePeer('peer-a')).toMatchObject({ is_isolated: false })
    await client.setMode('observe')
    expect(protection.mode).toBe('observe')
  })

  test('what it does not have', async () => {
    const { client } = await start()
    await expect(client.isolateEndpoint('a:1')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(client.releaseEndpoint('a:1')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('with a wrong token', async () => {
    const { client } = await start({ authToken: 'another-token-of-that-length' })
    await expect(client.getStatus()).rejects.toMatchObject({ code: 'UNAUTHORIZED', status: 401 })
    expect((await client.getHealth()).value.status).toBe('healthy')
  })
})

describe('an answer', () => {
  test('is given again for half a minute', async () => {
    const { client, clock, asked } = await start()
    const first = await client.getStatus()
    clock.advance(29_999)
    expect(await client.getStatus()).toEqual(first)
    expect(asked).toHaveLength(1)
    clock.advance(1)
    expect((await client.getStatus()).at).toBe(first.at + 30_000)
    expect(asked).toHaveLength(2)
  })

  test('is not given again if it has to be fresh, or another question', async () => {
    const { client, asked } = await start()
    await client.getStatus()
    await client.getStatus({ isFresh: true })
    await client.getPeers()
    await client.getPeers({ page: 2 })
    expect(asked).toHaveLength(4)
  })

  test('is not given again once something was done', async () => {
    const { client } = await start()
    expect((await client.getPeer('peer-a')).value.is_isolated).toBe(false)
    await client.isolatePeer('peer-a')
    expect((await client.getPeer('peer-a')).value.is_isolated).toBe(true)
  })

  test('is stale while the server is away, however old, and says since when and why', async () => {
    const { client, clock, server, restart } = await start()
    const { value, at } = await client.getStatus()
    await server.stop()
    clock.advance(3_600_000)
    const stale = await client.getStatus()
    expect(stale).toMatchObject({ value, at, isStale: true })
    expect(stale.error).toBeInstanceOf(ManagementUnavailableError)
    await expect(client.getPeers()).rejects.toBeInstanceOf(ManagementUnavailableError)
    await restart()
    expect(await client.getStatus()).toMatchObject({ at: at + 3_600_000, isStale: false })
  })

  test('that is refused is not replaced by a stale one', async () => {
    const { client, clock, protection } = await start()
    await client.getPeer('peer-a')
    for (let number = 0; protection.getPeerStatus('peer-a') !== undefined; number++)
      protection.admit(`peer-other-${number}`).settle('success')
    clock.advance(30_000)
    await expect(client.getPeer('peer-a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('watching', () => {
  test('looks at once, then every 15 seconds, and tells when the server is away', async () => {
    const { client, clock, server, restart } = await start()
    const seen: Array<[isStale: boolean | undefined, at: number | undefined, hasError: boolean]> = []
    let onSeen = (): void => {}
    const next = (): Promise<void> =>
      new Promise(resolve => {
        onSeen = resolve
      })
    const first = next()
    const end = client.watch((answer, error) => {
      seen.push([answer?.isStale, answer?.at, error !== undefined])
      onSeen()
    })
    await first
    const at = seen[0]![1]!
    await turn()
    clock.advance(14_999)
    await turn()
    expect(seen).toEqual([[false, at, false]])
    await server.stop()
    const second = next()
    clock.advance(1)
    await second
    await restart()
    await turn()
    const third = next()
    clock.advance(15_000)
    await third
    expect(seen).toEqual([
      [false, at, false],
      [true, at, true],
      [false, at + 30_000, false]
    ])
    end()
    await turn()
    expect(clock.pendingTimers).toBe(0)
  })

  test('tells why nothing is known', async () => {
    const { client, server } = await start()
    await server.stop()
    const { promise, resolve } = Promise.withResolvers<unknown[]>()
    const end = client.watch((...seen) => resolve(seen))
    const [answer, error] = await promise
    expect(answer).toBeUndefined()
    expect(error).toBeInstanceOf(ManagementUnavailableError)
    end()
  })

  test('that is ended tells nothing more', async () => {
    const { client } = await start()
    let told = 0
    client.watch(() => told++)()
    await client.getStatus()
    await turn()
    expect(told).toBe(0)
  })
})

/** Long enough for what was sent on this machine to be there. */
const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 30))

/** Tells one event on each connection: on the first, and then nothing; on the second, and ends it; and so on. */
async function startTeller() {
  const asked: Array<string | undefined> = []
  const responses: ServerResponse[] = []
  const names = ['first', 'second', 'third']
  const server = createHttpServer((request, response) => {
    asked.push(request.headers['last-event-id'] as string | undefined)
    responses.push(response)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const number = asked.length
    response.write(`id: ${number}\nevent: ${names[number - 1]}\ndata: {"peer":"a"}\n\n`)
    if (number === 2) response.end()
  })
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  stack.push({
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    }
  })
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return { url, asked, beat: () => responses[0]!.write(': alive\n\n') }
}

describe('events', () => {
  const take = async (events: AsyncIterator<ManagementEvent>): Promise<ManagementEvent> =>
    (await events.next()).value

  /** Once the server has somebody to tell. */
  const begin = async (
    events: AsyncIterator<ManagementEvent>,
    tell: () => void
  ): Promise<ManagementEvent> => {
    const first = take(events)
    let isThere = false
    void first.then(() => {
      isThere = true
    })
    while (!isThere) {
      tell()
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    return first
  }

  test('are told as they happen', async () => {
    const { client, protection } = await start()
    const events = client.events()
    const first = await begin(events, () => {
      protection.isolate('peer-a')
      protection.release('peer-a')
    })
    expect(first).toMatchObject({ data: { peer: 'peer-a' } })
    await events.return!()
  })

  test('that were missed are asked for after a connection that has broken, or is silent', async () => {
    const { url, asked } = await startTeller()
    const clock = new ManualClock()
    const client = new ManagementClient({ url }, { clock, random: () => 0 })
    const events = client.events()
    expect(await take(events)).toEqual({ id: '1', type: 'first', data: { peer: 'a' } })
    const second = take(events)
    await settle()
    clock.advance(14_999)
    await settle()
    expect(asked).toHaveLength(1)
    // Nothing came for 15 s: that connection is given up, and another one made after a while.
    clock.advance(1)
    await settle()
    clock.advance(100)
    expect(await second).toMatchObject({ id: '2' })
    // This one ends after a sign of life.
    const third = take(events)
    await settle()
    clock.advance(100)
    expect(await third).toMatchObject({ id: '3' })
    expect(asked).toEqual([undefined, '1', '2'])
    await events.return!()
    expect(clock.pendingTimers).toBe(0)
  })

  test('keep a connection that gives signs of life', async () => {
    const { url, asked, beat } = await startTeller()
    const clock = new ManualClock()
    const events = new ManagementClient({ url }, { clock }).events()
    await take(events)
    const second = take(events)
    second.catch(() => {})
    for (let beats = 0; beats < 4; beats++) {
      beat()
      await settle()
      clock.advance(10_000)
      await settle()
    }
    expect(asked).toHaveLength(1)
  })

  test('end with what the server refuses', async () => {
    const { client } = await start({ authToken: 'another-token-of-that-length' })
    await expect(client.events().next()).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })

  test('end with the reason of the signal, also while the server is away', async () => {
    const { client, server } = await start()
    await server.stop()
    const ending = new AbortController()
    const next = client.events(ending.signal).next()
    await turn()
    ending.abort(new Error('enough'))
    await expect(next).rejects.toThrow('enough')
  })
})

test('the process of a server that nobody listens on is told as one that does not answer', async () => {
  const other = createServer(socket => socket.destroy())
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  const client = new ManagementClient({ url: `http://127.0.0.1:${port}`, retries: 0 })
  await expect(client.getStatus()).rejects.toBeInstanceOf(ManagementUnavailableError)
  other.close()
})
