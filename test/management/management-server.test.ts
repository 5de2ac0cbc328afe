import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { Registry } from 'prom-client'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../src/core/index.ts'
import { type Managed, type ManagementOptions, ManagementServer } from '../../src/management/index.ts'
import { SecureChannelPool } from '../../src/relay/pool/secure-channel-pool.ts'
import { AlertMonitor, History } from '../../src/telemetry/index.ts'
import { create as createChannel } from '../relay/nodes/support/channel.ts'
import { Authority, type Identity } from '../relay/support/certificates.ts'
import { echo, TestServer } from '../relay/support/tls-server.ts'
import { createNode } from './support/managed.ts'

const TOKEN = 'a-token-of-some-length'
const WITH_TOKEN = { 'x-auth-token': TOKEN }

let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

const stack: AsyncDisposable[] = []

afterEach(async () => {
  while (stack.length > 0) await stack.pop()![Symbol.asyncDispose]()
})

/** A server that listens, with a token unless it is told otherwise. */
async function start(managed: Managed = {}, options: Partial<ManagementOptions> = {}) {
  const clock = new ManualClock()
  const errors: unknown[] = []
  const actions: Array<[type: string, fields: object]> = []
  const server = new ManagementServer(
    managed,
    { port: 0, authToken: TOKEN, ...options },
    {
      clock,
      onError: error => errors.push(error),
      onAction: (type, fields) => actions.push([type, fields])
    }
  )
  stack.push(server)
  await server.start()
  /** Asks for something, with the token unless other headers are given. */
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(server.url + path, { headers: WITH_TOKEN, ...init })
    const body = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(body) : body }
  }
  const post = (path: string, body: unknown, headers: Record<string, string> = WITH_TOKEN) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body)
    })
  return { server, clock, ask, post, errors, actions }
}

/** A pool with a channel to a server that echoes. */
async function createPool() {
  const target = await TestServer.start(identity, echo)
  const pool = new SecureChannelPool(target.endpoint, {
    minIdle: 0,
    maxConnections: 4,
    namespace: 'btc_sprint',
    tls: { roots: [authority.certificate] }
  })
  stack.push(target, pool)
  const channel = await pool.getConnection()
  await channel.writeAll(Uint8Array.of(1))
  await channel.readExact(1)
  channel.release()
  return { pool, target }
}

const LOOKING = [
  '/metrics',
  '/status',
  '/status/connections',
  '/status/peers',
  '/api/v1/secure-channel/status',
  '/api/v1/secure-channel/connections',
  '/api/v1/secure-channel/connections/x',
  '/api/v1/secure-channel/stats',
  '/api/v1/secure-channel/metrics',
  '/api/v1/bitswap/status',
  '/api/v1/bitswap/peers',
  '/api/v1/bitswap/peers/x',
  '/api/v1/bitswap/explain/x',
  '/api/v1/alerts',
  '/api/v1/history',
  '/openapi.json'
]
const STEERING: ReadonlyArray<[path: string, body: object]> = [
  ['/api/v1/bitswap/isolate', { peer: 'peer-a' }],
  ['/api/v1/bitswap/release', { peer: 'peer-a' }],
  ['/api/v1/bitswap/mode', { mode: 'observe' }],
  ['/api/v1/secure-channel/isolate', { endpoint: 'a:1' }],
  ['/api/v1/secure-channel/release', { endpoint: 'a:1' }]
]
const WRONG: ReadonlyArray<Record<string, string>> = [
  {},
  { 'x-auth-token': '' },
  { 'x-auth-token': `${TOKEN}x` },
  { authorization: TOKEN },
  { authorization: `Bearer ${TOKEN}x` },
  { authorization: `Basic ${TOKEN}` },
  { authorization: `Bearer ${TOKEN}`, 'x-auth-token': 'another' }
]
/** Events are counted from when the server began. */
const FIRST_ID = new ManualClock().wallTime() * 1_000 + 1

const HEALTH = ['/health', '/ready', '/healthz', '/api/v1/secure-channel/health']

describe('the token', () => {
  test.each(LOOKING)('is needed for %s', async path => {
    const { ask } = await start({ bitswap: createNode().node })
    for (const headers of WRONG) {
      const { status, body } = await ask(path, { headers })
      expect(status).toBe(401)
      expect(body).toEqual({
        error: { code: 'UNAUTHORIZED', message: expect.stringContaining('X-Auth-Token') }
      })
    }
    expect((await ask(path)).status).not.toBe(401)
  })

  test.each(STEERING)('is needed for %s, and nothing is done without', async (path, body) => {
    const { node, protection } = createNode()
    const { post } = await start({ bitswap: node })
    for (const headers of WRONG) expect((await post(path, body, headers)).status).toBe(401)
    expect(protection.mode).toBe('enforce')
    expect(protection.getOverallStatus().totalPeers).toBe(0)
  })

  test('may come as that of a bearer, as Prometheus sends it', async () => {
    const { ask } = await start()
    expect((await ask('/metrics', { headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(200)
  })

  test('may be that of a pool, with where it is to be seen', async () => {
    const pool = new SecureChannelPool('127.0.0.1:1', {
      minIdle: 0,
      metricsHost: '::1',
      metricsPort: 0,
      metricsAuthToken: TOKEN
    })
    expect(pool.metricsOptions).toEqual({ host: '::1', port: 0, authToken: TOKEN })
    stack.push(pool)
    const { ask, server } = await start({ pools: [pool] }, pool.metricsOptions)
    expect(server.url).toContain('[::1]')
    expect((await ask('/status/connections')).body.endpoint).toBe('127.0.0.1:1')
    expect((await ask('/metrics', { headers: {} })).status).toBe(401)
  })

  test.each(HEALTH)('is not needed for %s', async path => {
    const { ask } = await start()
    expect((await ask(path, { headers: {} })).status).toBe(200)
  })

  test('is never told', async () => {
    const { ask } = await start()
    for (const path of [...LOOKING, ...HEALTH])
      expect(JSON.stringify((await ask(path)).body)).not.toContain(TOKEN)
  })
})

test('who has steered what is told, and who was turned away', async () => {
  const { node } = createNode()
  const { channel } = createChannel()
  stack.push(channel)
  const { endpoint } = channel.getStatus().nodes[0]!
  const { ask, post, actions } = await start({ bitswap: node, channels: [channel] })
  const from = '127.0.0.1'
  await post('/api/v1/bitswap/isolate', { peer: 'peer-a' })
  await post('/api/v1/bitswap/release', { peer: 'peer-a' })
  await post('/api/v1/bitswap/mode', { mode: 'observe' })
  await post('/api/v1/secure-channel/isolate', { endpoint })
  expect(actions.splice(0)).toEqual([
    ['management:isolate', { peer: 'peer-a', from }],
    ['management:release', { peer: 'peer-a', from }],
    ['management:mode', { mode: 'observe', from }],
    ['management:isolate', { endpoint, from }]
  ])
  await post('/api/v1/bitswap/mode', { mode: 'off' }, { 'x-auth-token': 'x' })
  await ask('/status?token=secret', { headers: {} })
  expect(actions.splice(0)).toEqual([
    ['management:refused', { path: '/api/v1/bitswap/mode', code: 'UNAUTHORIZED', from }],
    ['management:refused', { path: '/status', code: 'UNAUTHORIZED', from }]
  ])
  await post('/api/v1/bitswap/mode', { mode: 'wrong' })
  await post('/api/v1/secure-channel/release', { endpoint: 'z:1' })
  await ask('/status')
  expect(actions).toEqual([])
})

describe('without a token', () => {
  test('everybody on this machine may look, and nobody steer', async () => {
    const { node, protection } = createNode()
    const { ask, post } = await start({ bitswap: node }, { authToken: undefined })
    expect((await ask('/status/peers', { headers: {} })).status).toBe(200)
    for (const [path, body] of STEERING) {
      const answer = await post(path, body, {})
      expect([answer.status, answer.body.error.code]).toEqual([403, 'FORBIDDEN'])
    }
    expect(protection.mode).toBe('enforce')
  })

  test('pages from elsewhere do not get in by a name that stands for this machine', async () => {
    const { server } = await start({}, { authToken: undefined })
    const answers = async (host: string): Promise<string> =>
      raw(server, `GET /status HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
    expect(await answers('rebound.example')).toMatch(/^HTTP\/1\.1 421 /)
    expect(await answers('127.0.0.1.example:80')).toMatch(/^HTTP\/1\.1 421 /)
    for (const host of ['localhost', 'localhost:9090', '127.0.0.1:1', '[::1]:9090'])
      expect(await answers(host)).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('options', () => {
  test.each<[string, object]>([
    ['management.host', { host: '0.0.0.0' }],
    ['management.host', { host: 'example.com' }],
    ['management.port', { port: 65_536 }],
    ['management.corsOrigins', { corsOrigins: ['https://a.example/path'] }],
    ['management.maxConnections', { maxConnections: 0 }],
    ['management.tls', { tls: 'yes' }],
    ['management.hosts', { hosts: 'a' }]
  ])('that are wrong are told: %s', (option, options) => {
    expect(() => new ManagementServer({}, options)).toThrow(expect.objectContaining({ option }))
  })

  test.each(['short', 'a token with spaces in it', '', 7])(
    'a wrong token is told, and not shown: %j',
    authToken => {
      expect(() => new ManagementServer({}, { authToken: authToken as string })).toThrow(
        expect.objectContaining({ option: 'management.authToken', value: '(hidden)' })
      )
    }
  )

  test('with a token it may listen anywhere', () => {
    expect(() => new ManagementServer({}, { host: '0.0.0.0', authToken: TOKEN })).not.toThrow()
  })
})

describe('pools', () => {
  test('are shown with all their connections', async () => {
    const { pool, target } = await createPool()
    const { ask } = await start({ pools: [pool] })
    const { status, body } = await ask('/status/connections')
    expect(status).toBe(200)
    expect(body).toEqual({
      endpoint: target.endpoint,
      active_connections: 1,
      total_reconnects: 0,
      total_errors: 0,
      pool_p95_latency_ms: expect.any(Number),
      connections: [
        {
          connection_id: pool.getStatus().connections[0]!.connectionId,
          endpoint: target.endpoint,
          last_activity: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
          reconnects: 0,
          errors: 0,
          p95_latency_ms: expect.any(Number),
          is_healthy: true,
          is_idle: true
        }
      ],
      last_updated: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/)
    })
  })

  test('are shown as one if there are several, and each by its endpoint', async () => {
    const [one, other] = [await createPool(), await createPool()]
    const { ask } = await start({ pools: [one.pool, other.pool] })
    const both = await ask('/status/connections')
    expect(both.body.active_connections).toBe(2)
    expect(both.body.connections).toHaveLength(2)
    expect(both.body.endpoint).toBe(`${one.target.endpoint},${other.target.endpoint}`)
    const single = await ask(`/status/connections?endpoint=${other.target.endpoint}`)
    expect(single.body).toMatchObject({ endpoint: other.target.endpoint, active_connections: 1 })
    expect((await ask('/status/connections?endpoint=a:1')).status).toBe(404)
  })

  test('are shown each by itself, too', async () => {
    const [one, other] = [await createPool(), await createPool()]
    const { ask } = await start({ pools: [one.pool, other.pool] })
    const { pools } = (await ask('/api/v1/secure-channel/status')).body
    expect(pools).toHaveLength(2)
    expect(pools[0]).toEqual({
      endpoint: one.target.endpoint,
      is_healthy: true,
      is_draining: false,
      circuit_state: 'CLOSED',
      active_connections: 1,
      idle_connections: 1,
      max_connections: 4,
      waiting: 0,
      reconnects: 0,
      total_errors: 0,
      p95_latency_ms: expect.any(Number)
    })
  })

  test('have each connection under its id', async () => {
    const { pool } = await createPool()
    const { ask } = await start({ pools: [pool] })
    const { connections } = (await ask('/api/v1/secure-channel/connections')).body
    const path = `/api/v1/secure-channel/connections/${encodeURIComponent(connections[0].connection_id)}`
    expect((await ask(path)).body).toEqual(connections[0])
    const missing = await ask('/api/v1/secure-channel/connections/none')
    expect(missing.status).toBe(404)
    expect(missing.body.error).toEqual({ code: 'NOT_FOUND', message: 'There is no connection none' })
  })

  test('make health: 503 when none can be used', async () => {
    const { pool } = await createPool()
    const { ask } = await start({ pools: [pool] })
    for (const path of ['/healthz', '/ready', '/api/v1/secure-channel/health']) {
      const { status, body } = await ask(path)
      expect(status).toBe(200)
      expect(body).toEqual({
        status: 'healthy',
        timestamp: expect.any(String),
        pool_healthy: true,
        active_connections: 1
      })
    }
    pool.close()
    for (const path of ['/healthz', '/ready', '/api/v1/secure-channel/health']) {
      const { status, headers, body } = await ask(path)
      expect(status).toBe(503)
      expect(headers.get('retry-after')).toBe('5')
      expect(body).toMatchObject({ status: 'unhealthy', pool_healthy: false, active_connections: 0 })
    }
    // The process is well all the same: to start it anew would not help.
    expect((await ask('/health')).body).toMatchObject({ status: 'ok' })
  })

  test('are in the metrics', async () => {
    const { pool, target } = await createPool()
    const { ask } = await start({ pools: [pool], bitswap: createNode().node })
    for (const path of ['/metrics', '/api/v1/secure-channel/metrics']) {
      const { headers, body } = await ask(path)
      expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
      expect(body).toContain(`btc_sprint_active_connections{endpoint="${target.endpoint}"} 1`)
      expect(body).toContain('bitswap_protection_breakers{state="closed"} 0')
    }
  })
})

describe('channels', () => {
  test('are shown with their nodes', async () => {
    const made = createChannel()
    const { ask } = await start({ channels: [made.channel] })
    made.node('a').conduct = { fails: () => new Error('broken') }
    await made.ends(made.read())
    const { body } = await ask('/api/v1/secure-channel/status')
    expect(body).toMatchObject({ is_healthy: true, active_connections: 0, connections: [] })
    const [channel] = body.channels
    expect(channel).toMatchObject({
      is_healthy: true,
      is_failed_over: false,
      is_draining: false,
      in_flight: 0
    })
    expect(
      channel.nodes.map((node: { endpoint: string; role: string }) => [node.endpoint, node.role])
    ).toEqual([
      ['a:1', 'primary'],
      ['b:1', 'primary'],
      ['c:1', 'backup']
    ])
    const stats = await ask('/api/v1/secure-channel/stats')
    expect(stats.body).toMatchObject({ total_requests: 1, total_failovers: 0 })
    await made.channel.close()
  })

  test('let nodes be isolated and released', async () => {
    const made = createChannel()
    const { post } = await start({ channels: [made.channel] })
    const stateOf = (): string | undefined =>
      made.channel.getStatus().nodes.find(({ endpoint }) => endpoint === 'b:1')?.state
    expect((await post('/api/v1/secure-channel/isolate', { endpoint: 'b:1' })).body).toEqual({
      endpoint: 'b:1'
    })
    expect(stateOf()).toBe('isolated')
    expect((await post('/api/v1/secure-channel/release', { endpoint: 'b:1' })).status).toBe(200)
    expect(stateOf()).not.toBe('isolated')
    expect((await post('/api/v1/secure-channel/isolate', { endpoint: 'x:1' })).status).toBe(404)
    await made.channel.close()
  })
})

describe('peers', () => {
  /** Ten peers: the first two OPEN, the next two failing, the others well. */
  function createPeers() {
    const made = createNode()
    for (let number = 0; number < 10; number++) {
      const key = `peer-${number}`
      for (let call = 0; call < 10; call++)
        made.protection.admit(key).settle(number < 4 && call % 3 === 0 ? 'failure' : 'success')
      if (number < 2) made.protection.trip(key)
    }
    made.connected.add('peer-5')
    return made
  }

  const names = (body: { peers: Array<{ peer: string }> }): string[] => body.peers.map(({ peer }) => peer)

  test('are shown page by page, those in trouble first', async () => {
    const { ask } = await start({ bitswap: createPeers().node })
    for (const path of ['/status/peers', '/api/v1/bitswap/peers']) {
      const first = (await ask(`${path}?size=4`)).body
      expect(first).toMatchObject({ page: 1, size: 4, total: 10 })
      expect(names(first)).toEqual(['peer-0', 'peer-1', 'peer-2', 'peer-3'])
      expect(names((await ask(`${path}?size=4&page=3`)).body)).toEqual(['peer-8', 'peer-9'])
      expect(names((await ask(`${path}?page=9`)).body)).toEqual([])
    }
  })

  test('that are as good as each other are sorted by their ids', async () => {
    const { node, protection } = createNode()
    for (const key of ['peer-c', 'peer-a', 'peer-b']) protection.admit(key).settle('success')
    const { ask } = await start({ bitswap: node })
    expect(names((await ask('/status/peers')).body)).toEqual(['peer-a', 'peer-b', 'peer-c'])
  })

  test('are sorted and filtered as is asked for', async () => {
    const { ask } = await start({ bitswap: createPeers().node })
    const find = async (query: string): Promise<string[]> => names((await ask(`/status/peers?${query}`)).body)
    expect(await find('state=OPEN')).toEqual(['peer-0', 'peer-1'])
    expect(await find('connected=true')).toEqual(['peer-5'])
    expect(await find('search=-7')).toEqual(['peer-7'])
    expect(await find('sort=peer&reverse=true&size=2')).toEqual(['peer-9', 'peer-8'])
    expect((await find('sort=failures&size=4')).sort()).toEqual(['peer-0', 'peer-1', 'peer-2', 'peer-3'])
    expect((await find('health=HEALTHY')).every(name => Number(name.slice(5)) >= 4)).toBe(true)
  })

  test('have each all that is known of them', async () => {
    const { ask } = await start({ bitswap: createPeers().node })
    const { body } = await ask('/api/v1/bitswap/peers/peer-0')
    expect(body).toMatchObject({
      peer: 'peer-0',
      circuit_state: 'OPEN',
      is_connected: false,
      is_isolated: false,
      recovery_rate: 1,
      open_time_ms: 7,
      pending_wants: 1,
      in_flight: 0,
      last_trip: 'UNRESPONSIVE'
    })
    expect(new Date(body.next_retry_at).getTime()).toBeGreaterThan(new Date(body.since).getTime())
    expect((await ask('/api/v1/bitswap/explain/peer-0')).body).toMatchObject({
      key: 'peer-0',
      verdict: 'Circuit open: every call is rejected.',
      evidence: expect.any(Array)
    })
    for (const path of ['peers', 'explain'])
      expect((await ask(`/api/v1/bitswap/${path}/peer-x`)).status).toBe(404)
  })

  test.each([
    ['page=0'],
    ['page=x'],
    ['size=501'],
    ['sort=nothing'],
    ['state=open'],
    ['connected=maybe'],
    ['search='],
    [`search=${'x'.repeat(129)}`]
  ])('are not asked for by %s', async query => {
    const { ask } = await start({ bitswap: createPeers().node })
    const { status, body } = await ask(`/status/peers?${query}`)
    expect(status).toBe(400)
    expect(body.error.code).toBe('BAD_REQUEST')
    expect(body.error.message).toContain(query.split('=')[0])
  })

  test('are isolated and released', async () => {
    const { node, protection } = createPeers()
    const { post } = await start({ bitswap: node })
    const isolated = await post('/api/v1/bitswap/isolate', { peer: 'peer-9' })
    expect(isolated.body).toMatchObject({ peer: 'peer-9', circuit_state: 'OPEN', is_isolated: true })
    expect(protection.getPeerStatus('peer-9')?.isIsolated).toBe(true)
    const released = await post('/api/v1/bitswap/release', { peer: 'peer-9' })
    expect(released.body).toMatchObject({ circuit_state: 'CLOSED', is_isolated: false })
    expect((await post('/api/v1/bitswap/release', { peer: 'peer-x' })).status).toBe(404)
    const wrong = await post('/api/v1/bitswap/isolate', { peer: 'nobody' })
    expect([wrong.status, wrong.body.error.message]).toEqual([400, 'nobody is no peer id'])
    expect(protection.getPeerStatus('nobody')).toBe(undefined)
  })

  test('are protected in the mode that is set', async () => {
    const { node, protection } = createPeers()
    const { ask, post } = await start({ bitswap: node })
    expect((await post('/api/v1/bitswap/mode', { mode: 'observe' })).body).toEqual({ mode: 'observe' })
    expect(protection.mode).toBe('observe')
    expect((await ask('/api/v1/bitswap/status')).body).toMatchObject({ mode: 'observe', totalPeers: 10 })
    expect((await post('/api/v1/bitswap/mode', { mode: 'on' })).status).toBe(400)
    expect(protection.mode).toBe('observe')
  })

  test('are not there without a node', async () => {
    const { ask } = await start()
    const { status, body } = await ask('/status/peers')
    expect([status, body.error.message]).toEqual([404, 'There is no libp2p node here'])
  })
})

describe('history', () => {
  test('is told, the last points, or as many as are asked for', async () => {
    const points = [1, 2].map(number => ({
      at: 1_767_225_600_000 + number * 10_000,
      peers: number,
      openCircuits: 0,
      wants: 5,
      failedWants: 1,
      wantLatencyMs: number === 1 ? undefined : 12.5,
      connections: 3,
      relayRequests: 7,
      relayErrors: 0,
      relayLatencyMs: 4,
      failovers: 0
    }))
    const asked: number[] = []
    const history = {
      intervalMs: 10_000,
      getPoints: (max: number) => {
        asked.push(max)
        return points.slice(-max)
      }
    }
    const { ask } = await start({ history })
    const { status, body } = await ask('/api/v1/history')
    expect(status).toBe(200)
    expect(body.interval_ms).toBe(10_000)
    expect(body.points[0]).toEqual({
      at: '2026-01-01T00:00:10.000Z',
      peers: 1,
      open_circuits: 0,
      wants: 5,
      failed_wants: 1,
      want_latency_ms: null,
      connections: 3,
      relay_requests: 7,
      relay_errors: 0,
      relay_latency_ms: 4,
      failovers: 0
    })
    expect((await ask('/api/v1/history?points=1')).body.points).toMatchObject([{ want_latency_ms: 12.5 }])
    expect(asked).toEqual([360, 1])
    for (const wrong of ['0', '10001', 'x'])
      expect((await ask(`/api/v1/history?points=${wrong}`)).status).toBe(400)
  })

  test('is not there where none is kept', async () => {
    expect((await (await start()).ask('/api/v1/history')).body.error.code).toBe('NOT_FOUND')
  })
})

describe('blocks', () => {
  const CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

  /** What is asked for is given when it is told, if it is. */
  function createBlocks() {
    const signals: AbortSignal[] = []
    const given = Promise.withResolvers<Uint8Array>()
    const get = (_: string, signal: AbortSignal): Promise<Uint8Array> => {
      signals.push(signal)
      signal.addEventListener('abort', () => given.reject(signal.reason))
      return given.promise
    }
    return { blocks: { isCid: (text: string) => text === CID, get }, signals, given }
  }

  test('are sent as they are', async () => {
    const { blocks, given } = createBlocks()
    const { server } = await start({ blocks })
    // A part of a larger buffer: only that is sent.
    given.resolve(Uint8Array.of(9, 1, 2, 255, 9).subarray(1, 4))
    const response = await fetch(`${server.url}/ipfs/${CID}?format=raw`, { headers: WITH_TOKEN })
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(Uint8Array.of(1, 2, 255))
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/vnd.ipld.raw',
      etag: `"${CID}.raw"`,
      'cache-control': 'private, max-age=29030400, immutable',
      'x-content-type-options': 'nosniff'
    })
  })

  test.each([
    ['/ipfs/nonsense', 400, 'BAD_REQUEST'],
    [`/ipfs/${CID}?format=car`, 400, 'BAD_REQUEST'],
    [`/ipfs/${CID}/path`, 404, 'NOT_FOUND']
  ])('%s is refused', async (path, status, code) => {
    const { ask } = await start({ blocks: createBlocks().blocks })
    const answer = await ask(path)
    expect([answer.status, answer.body.error.code]).toEqual([status, code])
  })

  test('that nobody sends are told as such', async () => {
    const { blocks, given } = createBlocks()
    const { ask, errors } = await start({ blocks })
    // Also if that fails before anybody waits for it.
    given.promise.catch(() => {})
    given.reject(new Error('nobody has it'))
    expect(await ask(`/ipfs/${CID}`)).toMatchObject({ status: 504, body: { error: { code: 'NOT_FETCHED' } } })
    // The server itself is well.
    expect(errors).toEqual([])
  })

  test('are not looked for any longer once whoever asked has gone', async () => {
    const { blocks, signals } = createBlocks()
    const { server } = await start({ blocks })
    const ending = new AbortController()
    const asked = fetch(`${server.url}/ipfs/${CID}`, { headers: WITH_TOKEN, signal: ending.signal })
    await expect.poll(() => signals.length).toBe(1)
    ending.abort()
    await expect(asked).rejects.toThrow()
    await expect.poll(() => signals[0]!.aborted).toBe(true)
  })

  test('need the token, and are not there where there is no node', async () => {
    const { ask } = await start({ blocks: createBlocks().blocks })
    expect((await ask(`/ipfs/${CID}`, { headers: {} })).status).toBe(401)
    expect((await (await start()).ask(`/ipfs/${CID}`)).status).toBe(404)
  })
})

describe('the service as a whole', () => {
  test('is shown in short, with the names of old', async () => {
    const { pool } = await createPool()
    const memoryProtection = async () => ({ isEnabled: true, selfCheckPassed: undefined, secureBuffers: 3 })
    const { ask, clock } = await start(
      { pools: [pool], bitswap: createNode().node, memoryProtection },
      { serviceName: 'Bitcoin Sprint', version: '1.0.0' }
    )
    clock.advance(2 * 3_600_000 + 30 * 60_000 + 15_000)
    const { status, body } = await ask('/status')
    expect(status).toBe(200)
    expect(body).toEqual({
      service: 'Bitcoin Sprint',
      status: 'ok',
      version: '1.0.0',
      timestamp: new Date(clock.wallTime()).toISOString(),
      uptime: '2h30m15s',
      memory_protection: { enabled: true, self_check: false, secure_buffers: true, rust_integrity: false },
      secure_channel: {
        status: 'healthy',
        pool_healthy: true,
        active_connections: 1,
        error_rate: 0,
        avg_latency_ms: expect.any(Number)
      },
      performance: {
        connection_pool_utilization: 25,
        avg_response_time_ms: expect.any(Number),
        error_rate_percent: 0
      },
      bitswap: {
        mode: 'enforce',
        is_healthy: true,
        summary: expect.any(String),
        total_peers: 0,
        open_circuits: 0
      }
    })
  })

  test('is degraded when pools cannot be used, and 503', async () => {
    const { pool } = await createPool()
    pool.close()
    const { ask } = await start({ pools: [pool] })
    const { status, body } = await ask('/status')
    expect(status).toBe(503)
    expect(body).toMatchObject({
      status: 'degraded',
      secure_channel: { status: 'unhealthy', pool_healthy: false }
    })
  })

  test('is not ready while it drains, and answers all the same', async () => {
    const { server, ask } = await start({ bitswap: createNode().node })
    server.drain()
    const { status, headers, body } = await ask('/ready')
    expect([status, headers.get('retry-after'), body.status]).toEqual([503, '5', 'draining'])
    expect((await ask('/health')).status).toBe(200)
    expect((await ask('/status')).body.status).toBe('draining')
    expect((await ask('/status/peers')).status).toBe(200)
  })

  test('tells which alerts are firing', async () => {
    const { node, protection } = createNode()
    const alerts = new AlertMonitor({ bitswap: [node] }, { fireAfterMs: 0 }, { clock: new ManualClock() })
    const { ask } = await start({ alerts })
    expect((await ask('/api/v1/alerts')).body).toEqual({ alerts: [] })
    protection.isolate('peer-a')
    alerts.look()
    expect((await ask('/api/v1/alerts')).body).toEqual({
      alerts: [
        {
          name: 'openCircuitShare',
          subject: 'bitswap',
          value: 1,
          threshold: 0.5,
          since: expect.stringContaining('T')
        }
      ]
    })
    expect((await (await start()).ask('/api/v1/alerts')).body).toEqual({ alerts: [] })
  })

  test('documents itself', async () => {
    const { ask } = await start()
    const { body } = await ask('/openapi.json')
    expect(body.openapi).toMatch(/^3\./)
    const documented = Object.keys(body.paths).map(path => path.replaceAll(/\{(\w+)\}/g, 'x'))
    for (const path of [...LOOKING, ...STEERING.map(([each]) => each), ...HEALTH].filter(
      each => each !== '/openapi.json'
    ))
      expect(documented).toContain(path)
  })
})

/** Sends bytes as they are, and returns what comes until the connection ends, or nothing more for some time. */
async function raw(server: ManagementServer, sent: string): Promise<string> {
  const { hostname, port } = new URL(server.url!)
  const socket = connect(Number(port), hostname)
  socket.end(sent)
  return text(socket)
}

describe('what is not as it should be', () => {
  test.each<[string, number, string, RequestInit]>([
    [
      'a body that is too large',
      413,
      'BODY_TOO_LARGE',
      { body: JSON.stringify({ peer: 'x'.repeat(20_000) }) }
    ],
    ['a body that is no JSON', 400, 'BAD_REQUEST', { body: '{' }],
    ['a body that is something else', 400, 'BAD_REQUEST', { body: '[]' }],
    [
      'a body of another type',
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      { body: 'a', headers: { ...WITH_TOKEN, 'content-type': 'text/plain' } }
    ],
    ['no body', 400, 'BAD_REQUEST', {}]
  ])('is told: %s', async (_, status, code, init) => {
    const { ask, errors } = await start({ bitswap: createNode().node })
    const headers = { ...WITH_TOKEN, 'content-type': 'application/json' }
    const answer = await ask('/api/v1/bitswap/isolate', { method: 'POST', headers, ...init })
    expect(answer.status).toBe(status)
    expect(answer.body.error).toMatchObject({ code, message: expect.stringMatching(/./) })
    expect(errors).toEqual([])
  })

  test.each([
    '/index.php',
    '/nothing',
    '/status/../../etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '//status//connections',
    '/api/v1/bitswap/peers/%00',
    '/api/v1/bitswap/peers/..%2f..',
    '/__proto__',
    '/constructor'
  ])('leads nowhere: %s', async path => {
    const { server } = await start({ bitswap: createNode().node })
    const answer = await raw(
      server,
      `GET ${path} HTTP/1.1\r\nhost: a\r\nx-auth-token: ${TOKEN}\r\nconnection: close\r\n\r\n`
    )
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /)
    expect(answer).toContain('"error"')
    expect(answer).not.toContain('root:')
  })

  test('is refused: an address, or headers, that are too long', async () => {
    const { ask, server } = await start()
    expect((await ask(`/status?${'x'.repeat(3_000)}`)).status).toBe(414)
    const answer = await raw(server, `GET /health HTTP/1.1\r\nhost: a\r\na: ${'x'.repeat(10_000)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
  })

  test('is refused: another method', async () => {
    const { ask } = await start({ bitswap: createNode().node })
    expect((await ask('/api/v1/bitswap/isolate')).status).toBe(404)
    expect((await ask('/status', { method: 'DELETE' })).status).toBe(404)
  })

  test('is refused: what is no HTTP', async () => {
    const { server } = await start()
    expect(await raw(server, 'hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('is refused: too many requests from one address', async () => {
    const { ask } = await start({}, { maxRequestsPerMinute: 3 })
    for (let time = 0; time < 3; time++) expect((await ask('/status')).status).toBe(200)
    const { status, headers, body } = await ask('/status')
    expect(status).toBe(429)
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect(body.error.code).toBe('TOO_MANY_REQUESTS')
  })

  test('is limited also while the token is guessed', async () => {
    const { ask } = await start({}, { maxRequestsPerMinute: 3 })
    const statuses: number[] = []
    for (let time = 0; time < 5; time++)
      statuses.push((await ask('/status', { headers: { 'x-auth-token': `guess-${time}` } })).status)
    expect(statuses).toEqual([401, 401, 401, 429, 429])
  })

  test('is cut: a request that does not get on', async () => {
    const { server } = await start({}, { requestTimeoutMs: 300 })
    const { hostname, port } = new URL(server.url!)
    const socket = connect(Number(port), hostname)
    socket.write('GET /health HTTP/1.1\r\nhost: a\r\n')
    // A little now and then, so that it is never idle.
    const dripping = setInterval(() => socket.write('a: b\r\n'), 50)
    const answer = await text(socket)
    clearInterval(dripping)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('is not let in: more connections than there may be', async () => {
    const { server } = await start({}, { maxConnections: 2 })
    const { hostname, port } = new URL(server.url!)
    const sockets = Array.from({ length: 2 }, () => connect(Number(port), hostname))
    await Promise.all(sockets.map(socket => once(socket, 'connect')))
    await expect(fetch(`${server.url}/health`)).rejects.toThrow('fetch failed')
    for (const socket of sockets) socket.destroy()
  })

  test('in what is managed is not told to clients', async () => {
    const { node } = createNode()
    const broken = {
      ...node,
      glances: () => {
        throw new Error('a secret of the inside')
      }
    }
    const { ask, errors } = await start({ bitswap: broken })
    const { status, body } = await ask('/status/peers')
    expect(status).toBe(500)
    expect(body).toEqual({ error: { code: 'INTERNAL_ERROR', message: 'Something went wrong in the server' } })
    expect(errors).toEqual([expect.objectContaining({ message: 'a secret of the inside' })])
  })
})

describe('what is asked again at about the same time', () => {
  const paths = LOOKING.filter(path => !path.endsWith('/x') && path !== '/openapi.json')

  /** A server of a node, and how often it was looked through. */
  async function startCounting() {
    const { node, protection } = createNode()
    for (const peer of ['peer-a', 'peer-b']) await protection.executeRequest(peer, () => {})
    const status = vi.spyOn(node, 'getOverallStatus')
    const glances = vi.spyOn(node, 'glances')
    const looks = (): number => status.mock.calls.length + glances.mock.calls.length
    const started = await start({ bitswap: node })
    return { ...started, protection, looks }
  }

  test.each(paths)('is answered the same, headers and all: %s', async path => {
    const { pool } = await createPool()
    const { node } = createNode()
    const history = new History({ bitswap: [node] })
    const { ask, server } = await start({ bitswap: node, pools: [pool], history })
    const told = ({ status, headers, body }: Awaited<ReturnType<typeof ask>>) => {
      const kept = [...headers].filter(([name]) => name !== 'date' && !name.startsWith('x-ratelimit'))
      return { status, body, headers: Object.fromEntries(kept) }
    }
    const headOf = () => fetch(server.url + path, { method: 'HEAD', headers: WITH_TOKEN })
    const before = await headOf()
    const first = told(await ask(path))
    expect(told(await ask(path))).toEqual(first)
    const after = await headOf()
    for (const head of [before, after]) {
      expect([head.status, await head.text()]).toEqual([200, ''])
      expect(head.headers.get('content-length')).toBe(String(first.headers['content-length']))
    }
  })

  test('is looked through once in a quarter of a second', async () => {
    const { ask, clock, looks } = await startCounting()
    const total = async (): Promise<number> => (await ask('/status/peers')).body.total
    expect([await total(), await total(), looks()]).toEqual([2, 2, 1])
    clock.advance(249)
    expect([await total(), looks()]).toEqual([2, 1])
    clock.advance(1)
    expect([await total(), looks()]).toEqual([2, 2])
    clock.advance(249)
    expect([await total(), looks()]).toEqual([2, 2])
  })

  test('is not old because something else is new', async () => {
    const { ask, clock, looks } = await startCounting()
    await ask('/status/peers')
    await ask('/api/v1/bitswap/status')
    clock.advance(250)
    await ask('/status/peers')
    await ask('/api/v1/bitswap/status')
    expect(looks()).toBe(4)
  })

  test('is told only to who may look', async () => {
    const { ask } = await startCounting()
    expect((await ask('/status/peers')).status).toBe(200)
    for (const headers of WRONG) expect((await ask('/status/peers', { headers })).status).toBe(401)
  })

  test('is another matter with another query', async () => {
    const { ask } = await startCounting()
    const peersOf = async (query: string): Promise<string[]> =>
      (await ask(`/status/peers?${query}`)).body.peers.map(({ peer }: { peer: string }) => peer)
    expect(await peersOf('sort=peer')).toEqual(['peer-a', 'peer-b'])
    expect(await peersOf('sort=peer&reverse=true')).toEqual(['peer-b', 'peer-a'])
    expect(await peersOf('size=1')).toHaveLength(1)
  })

  test('is told anew as soon as anything was steered, or happened', async () => {
    const { ask, post, protection } = await startCounting()
    const states = async (): Promise<Record<string, number>> =>
      (await ask('/api/v1/bitswap/status')).body.circuitStates
    expect(await states()).toMatchObject({ CLOSED: 2, OPEN: 0 })
    await post('/api/v1/bitswap/isolate', { peer: 'peer-a' })
    expect(await states()).toMatchObject({ CLOSED: 1, OPEN: 1 })
    protection.isolate('peer-b')
    expect(await states()).toMatchObject({ CLOSED: 0, OPEN: 2 })
    expect((await ask('/api/v1/bitswap/status')).body.mode).toBe('enforce')
    await post('/api/v1/bitswap/mode', { mode: 'observe' })
    expect((await ask('/api/v1/bitswap/status')).body.mode).toBe('observe')
  })

  test('is told anew when the server drains', async () => {
    const { ask, server } = await startCounting()
    expect((await ask('/status')).body.status).toBe('ok')
    server.drain()
    for (const _ of [1, 2]) {
      const { status, body } = await ask('/status')
      expect([status, body.status]).toEqual([503, 'draining'])
    }
  })

  test('is told rightly, and no more of it is kept, however many different things are asked', async () => {
    const { ask, looks } = await startCounting()
    const lengthOf = async (page: number): Promise<number> =>
      (await ask(`/status/peers?size=1&page=${page}`)).body.peers.length
    for (let page = 1; page <= 33; page++) expect(await lengthOf(page)).toBe(page <= 2 ? 1 : 0)
    expect([await lengthOf(1), looks()]).toEqual([1, 33])
    expect([await lengthOf(33), looks()]).toEqual([0, 34])
  })
})

describe('pages of other origins', () => {
  test('may not read', async () => {
    const { ask } = await start()
    const { headers } = await ask('/health', { headers: { origin: 'https://evil.example' } })
    expect(headers.get('access-control-allow-origin')).toBe(null)
  })

  test('may if they are told', async () => {
    const { ask } = await start({}, { corsOrigins: ['https://ops.example'] })
    const allowed = async (origin: string): Promise<string | null> =>
      (await ask('/health', { headers: { origin } })).headers.get('access-control-allow-origin')
    expect(await allowed('https://ops.example')).toBe('https://ops.example')
    expect(await allowed('https://evil.example')).not.toBe('https://evil.example')
  })

  test('get nothing that they could run or frame', async () => {
    const { ask } = await start()
    const { headers } = await ask('/health')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN')
  })
})

describe('TLS', () => {
  /** What a request is answered with; an error if there is no connection. */
  function get(url: string, options: object = {}): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    httpsRequest(`${url}/health`, { ca: authority.certificate, agent: false, ...options }, response => {
      response.resume()
      resolve(response.statusCode!)
    })
      .on('error', reject)
      .end()
    return promise
  }

  test('is spoken if there is a certificate', async () => {
    const { server } = await start({}, { tls: { key: identity.key, cert: identity.certificate } })
    expect(server.url).toMatch(/^https:/)
    expect(await get(server.url!)).toBe(200)
    await expect(get(server.url!, { maxVersion: 'TLSv1.2' })).rejects.toThrow()
  })

  test('lets in only who has a certificate, if it is told whose', async () => {
    const client = await authority.issue({ addresses: ['127.0.0.1'] })
    const tls = { key: identity.key, cert: identity.certificate, clientAuthorities: authority.certificate }
    const { server } = await start({}, { tls })
    await expect(get(server.url!)).rejects.toThrow()
    expect(await get(server.url!, { key: client.key, cert: client.certificate })).toBe(200)
    const stranger = await (await Authority.create()).issue({ addresses: ['127.0.0.1'] })
    await expect(get(server.url!, { key: stranger.key, cert: stranger.certificate })).rejects.toThrow()
  })
})

describe('a server', () => {
  test('listens only from its start to its stop, and can be started again', async () => {
    const server = new ManagementServer({}, { port: 0 })
    expect(server.url).toBe(undefined)
    await server.start()
    await server.start()
    const { url } = server
    expect((await fetch(`${url}/health`)).status).toBe(200)
    await server.stop()
    await server.stop()
    expect(server.url).toBe(undefined)
    await expect(fetch(`${url}/health`)).rejects.toThrow('fetch failed')
    await server.start()
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
    await server.stop()
  })

  test('leaves nothing behind', async () => {
    const { node, protection } = createNode()
    const made = createChannel()
    const registry = new Registry()
    const removed: string[] = []
    const { removeEventListener } = node
    node.removeEventListener = (type, listener) => {
      removed.push(type)
      removeEventListener(type, listener)
    }
    const server = new ManagementServer(
      { bitswap: node, channels: [made.channel] },
      { port: 0 },
      { registry }
    )
    await server.start()
    expect(registry.getMetricsAsArray().length).toBeGreaterThan(20)
    await server.stop()
    expect(registry.getMetricsAsArray()).toEqual([])
    expect(removed).toHaveLength(9)
    protection.isolate('peer-a')
    await made.channel.close()
  })

  test('tells that its port is taken, and can be started later', async () => {
    const { server } = await start()
    const port = Number(new URL(server.url!).port)
    const second = new ManagementServer({}, { port })
    await expect(second.start()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(second.url).toBe(undefined)
    await server.stop()
    await second.start()
    expect((await fetch(`${second.url}/health`)).status).toBe(200)
    await second.stop()
  })

  test('waits for connections without a request only so long in the end', async () => {
    const { server, clock } = await start()
    const { hostname, port } = new URL(server.url!)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const closed = once(socket, 'close')
    const stopped = server.stop()
    clock.advance(5_000)
    await stopped
    await closed
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('events', () => {
  /** Listens, and collects what is told. */
  async function listen(server: ManagementServer, headers: Record<string, string> = {}) {
    const ending = new AbortController()
    const response = await fetch(`${server.url}/api/v1/events`, {
      headers: { ...WITH_TOKEN, ...headers },
      signal: ending.signal
    })
    let received = ''
    const reading = (async () => {
      for await (const chunk of response.body!) received += Buffer.from(chunk).toString()
    })().catch(() => {})
    /** Resolves once this has come. */
    const until = async (part: string): Promise<string> => {
      while (!received.includes(part)) await new Promise(resolve => setImmediate(resolve))
      return received
    }
    return { response, until, reading, end: () => ending.abort(), received: () => received }
  }

  test('are told as they happen, of peers, endpoints and alerts', async () => {
    const { node, protection, clock } = createNode()
    const made = createChannel()
    const alerts = new AlertMonitor({ bitswap: [node] }, { fireAfterMs: 0 }, { clock: new ManualClock() })
    const { server } = await start({ bitswap: node, channels: [made.channel], alerts })
    const { response, until, end } = await listen(server)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    protection.isolate('peer-a')
    await until('event: isolate\n')
    await made.channel.isolate('b:1')
    alerts.look()
    const text = await until('event: alert\n')
    expect(text).toContain(
      `id: ${FIRST_ID}\nevent: isolate\ndata: ${JSON.stringify({ at: clock.wallTime(), peer: 'peer-a' })}\n\n`
    )
    expect(text).toContain(
      `id: ${FIRST_ID + 1}\nevent: node:isolated\ndata: {"endpoint":"b:1","role":"primary"`
    )
    expect(text).toMatch(
      /event: alert\ndata: \{"name":"openCircuitShare","subject":"bitswap","isFiring":true/
    )
    end()
    await made.channel.close()
  })

  test('that were missed are told to who comes back', async () => {
    const { node, protection } = createNode()
    const { server } = await start({ bitswap: node })
    for (const key of ['peer-a', 'peer-b', 'peer-c']) protection.isolate(key)
    const back = await listen(server, { 'last-event-id': `${FIRST_ID}` })
    const text = await back.until('peer-c')
    expect(text).not.toContain('peer-a')
    expect(text).toContain('peer-b')
    back.end()
    const first = await listen(server)
    protection.isolate('peer-d')
    expect(await first.until('peer-d')).not.toContain('peer-c')
    first.end()
  })

  test('come with a sign of life now and then, as long as anybody listens', async () => {
    const { server, clock } = await start()
    const { until, end } = await listen(server)
    clock.advance(5_000)
    await until(': alive')
    expect(clock.pendingTimers).toBe(1)
    end()
    while (clock.pendingTimers > 0) {
      await new Promise(resolve => setImmediate(resolve))
      clock.advance(5_000)
    }
  })

  test('end with the server, and so does listening', async () => {
    const { node, protection } = createNode()
    const { server } = await start({ bitswap: node })
    const { reading, received } = await listen(server)
    await server.stop()
    await reading
    protection.isolate('peer-a')
    expect(received()).not.toContain('peer-a')
  })

  test('are for a hundred at once', async () => {
    const { server } = await start()
    const listeners = await Promise.all(Array.from({ length: 100 }, () => listen(server)))
    const { response } = await listen(server)
    expect(response.status).toBe(503)
    for (const { end } of listeners) end()
  })
})
