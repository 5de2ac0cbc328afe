import { connect, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type Clock, InvalidOptionError, ManualClock, systemClock } from '../../../src/core/index.ts'
import { parseEndpoint } from '../../../src/relay/endpoint.ts'
import {
  HTTP_1_1,
  HttpNodeClient,
  type HttpNodeClientContext
} from '../../../src/relay/protocols/http-node-client.ts'
import {
  BadReplyError,
  CredentialsError,
  NotAllowedError,
  RpcError
} from '../../../src/relay/protocols/rpc.ts'
import { HandshakeLimit } from '../../../src/relay/tls/handshake-limit.ts'
import { TlsDialer } from '../../../src/relay/tls/tls-dialer.ts'
import { setUpTls, type TlsOptions } from '../../../src/relay/tls/tls-options.ts'
import { Authority, type Identity } from '../support/certificates.ts'
import {
  answer,
  answerAndClose,
  type Behaviour,
  drip,
  flood,
  hang,
  type Method,
  Refusal,
  RpcServer,
  reset,
  say,
  tell,
  truncate
} from '../support/rpc-server.ts'
import { TestServer } from '../support/tls-server.ts'

const never = new AbortController().signal
let authority: Authority
let node: Identity

beforeAll(async () => {
  authority = await Authority.create()
  node = await authority.issue({ names: ['node.test'], addresses: ['127.0.0.1'] })
})

function dialerTo(
  endpoint: string,
  tls: Partial<TlsOptions> = {},
  {
    handshakes = new HandshakeLimit(),
    clock = systemClock
  }: { handshakes?: HandshakeLimit; clock?: Clock } = {}
): TlsDialer {
  const setup = setUpTls({ roots: [authority.certificate], alpnProtocols: [HTTP_1_1], ...tls })
  return new TlsDialer(parseEndpoint(endpoint), setup, handshakes, clock)
}

function clientOf(endpoint: string, context: Partial<HttpNodeClientContext> = {}): HttpNodeClient {
  return new HttpNodeClient(parseEndpoint(endpoint), {
    dialer: dialerTo(endpoint),
    path: '/',
    maxConnections: 4,
    maxReplyBytes: 100_000,
    ...context
  })
}

const bitcoin: Readonly<Record<string, Method>> = {
  uptime: () => 5,
  getblockcount: () => 105,
  echo: (...params) => params,
  stop: () => null,
  refuse: () => {
    throw new Refusal(-8, 'out of range')
  }
}

/** A node, and a client of it. */
async function start({
  methods = bitcoin,
  server: options,
  ...context
}: Partial<HttpNodeClientContext> & {
  methods?: Readonly<Record<string, Method>>
  server?: Parameters<typeof RpcServer.start>[2]
} = {}) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await RpcServer.start(node, methods, options))
  const client = clientOf(server.endpoint, context)
  stack.defer(() => client.close())
  return { server, client, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 2))
}

describe('a call', () => {
  test('is answered', async () => {
    await using started = await start()
    const { client, server } = started
    expect(client.endpoint).toBe(server.endpoint)
    expect(await client.call({ method: 'getblockcount' }, never)).toBe(105)
    expect(await client.call({ method: 'echo', params: [1, 'Zoë ₿', null] }, never)).toEqual([
      1,
      'Zoë ₿',
      null
    ])
    expect(await client.call({ method: 'stop' }, never)).toBe(null)
  })

  test('is a POST of JSON to the path of the node, by whoever we are just now', async () => {
    let password = 'one'
    await using started = await start({ path: '/wallet/mine', authorization: () => `Basic ${password}` })
    const { client, server } = started
    await client.call({ method: 'echo' }, never)
    password = 'two'
    await client.call({ method: 'echo' }, never)
    const [first, second] = server.asked
    expect(first).toMatchObject({
      method: 'POST',
      path: '/wallet/mine',
      headers: { 'content-type': 'application/json', authorization: 'Basic one', host: server.endpoint },
      messages: [{ jsonrpc: '2.0', method: 'echo', params: [] }]
    })
    expect(second!.headers.authorization).toBe('Basic two')
    expect(second!.messages[0]!.id).not.toBe(first!.messages[0]!.id)
  })

  test('needs no credentials', async () => {
    await using started = await start({ authorization: () => undefined })
    const { client, server } = started
    await client.call({ method: 'echo' }, never)
    expect(server.asked[0]!.headers).not.toHaveProperty('authorization')
  })

  test('may be long, and so may be its answer', async () => {
    await using started = await start({ maxReplyBytes: 4 * 2 ** 20 })
    const much = 'x'.repeat(3 * 2 ** 20)
    expect(await started.client.call({ method: 'echo', params: [much] }, never)).toEqual([much])
  })

  test('may be answered byte by byte', async () => {
    await using started = await start()
    started.server.behaviour = drip(1)
    expect(await started.client.call({ method: 'getblockcount' }, never)).toBe(105)
  })

  test('that cannot be put in JSON is not made', async () => {
    await using started = await start()
    const { client, server } = started
    await expect(client.call({ method: 'echo', params: [1n] }, never)).rejects.toThrow(InvalidOptionError)
    expect(server.connections).toBe(0)
  })
})

describe('a node that refuses', () => {
  test.for<[string, Behaviour | undefined]>([
    ['as bcoin and btcd do', undefined],
    [
      'as Bitcoin Core does from 28 on',
      tell(({ id }) => ({ jsonrpc: '2.0', error: { code: -8, message: '' }, id }))
    ],
    [
      'as Bitcoin Core did before',
      tell(({ id }) => ({ result: null, error: { code: -8, message: '' }, id }), 500)
    ],
    ['as Bitcoin Core did what it could not read', say(400, '{"error":{"code":-8,"message":""},"id":null}')]
  ])('has answered: %s', async ([, behaviour]) => {
    await using started = await start({ maxConnections: 1 })
    const { client, server } = started
    if (behaviour !== undefined) server.behaviour = behaviour
    const error: unknown = await client.call({ method: 'refuse' }, never).catch(error => error)
    expect(error).toBeInstanceOf(RpcError)
    expect(error).toMatchObject({ code: -8, method: 'refuse', endpoint: server.endpoint })
    // Nothing is wrong with the connection.
    server.behaviour = asked => asked.send(200, asked.answer())
    await client.ping(never)
    expect(server.connections).toBe(1)
  })

  test.for([
    [401, CredentialsError],
    [403, NotAllowedError]
  ] as const)('to let us in, with %d, is for people, whatever else it says', async ([status, error]) => {
    for (const body of ['', '<html>', '{"error":{"code":-32600,"message":"who?"},"id":null}']) {
      await using started = await start()
      started.server.behaviour = say(status, body)
      await expect(started.client.call({ method: 'uptime' }, never)).rejects.toMatchObject({
        name: error.name,
        endpoint: started.server.endpoint
      })
    }
  })
})

describe('what is no answer is told', () => {
  const failureOf = async (behaviour: Behaviour) => {
    await using started = await start()
    started.server.behaviour = behaviour
    const error: unknown = await started.client.call({ method: 'getblockcount' }, never).catch(error => error)
    expect(error).toBeInstanceOf(BadReplyError)
    expect(error).toHaveProperty('endpoint', started.server.endpoint)
    expect(started.server.asked).toHaveLength(1)
    return error as BadReplyError
  }

  test.for<[number, string]>([
    [503, 'Work queue depth exceeded'],
    [502, '<html>\n<b>Bad   Gateway</b>'],
    [404, '{"error":"Not Found"}'],
    [500, '{"error":{"code":1,"message":"upstream"}}'],
    [405, ''],
    [301, '[]']
  ])('with its status, %d, and what it says', async ([status, body]) => {
    const error = await failureOf(say(status, body))
    expect(error).toMatchObject({ status, cause: { name: 'BadReplyError' } })
    expect(error.message).toContain(`HTTP status ${status}: ${body.replace(/\s+/g, ' ')}`)
  })

  test('but not all of it, and on one line', async () => {
    const { message } = await failureOf(say(500, `a\r\n\x1b[31mb\xff${'x'.repeat(10_000)}`))
    expect(message).toMatch(/: a \[31mb x+$/)
    expect(message.length).toBeLessThan(200)
  })

  test.for<[string, Behaviour]>([
    ['it is no JSON', say(200, '<html>')],
    ['it is no JSON', say(200, '')],
    ['HTTP status 204', say(204, '')],
    ['to another request', tell(() => ({ result: 5, id: -1 }))],
    ['neither', tell(({ id }) => ({ id }))]
  ])('if %s', async ([detail, behaviour]) => {
    expect((await failureOf(behaviour)).message).toContain(detail)
  })

  test('if it is broken off, wherever', async () => {
    expect(await failureOf(reset)).toMatchObject({ status: undefined, cause: expect.any(Error) })
    const error = await failureOf(truncate)
    expect(error).toMatchObject({ status: 200, cause: expect.any(Error) })
    expect(error.message).toContain('broke off')
  })

  test('if it is broken off where only the end of the connection would tell', async () => {
    const half: Behaviour = ({ response }) =>
      response.socket!.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"res')
    expect((await failureOf(half)).message).toContain('no JSON')
  })

  test('if it is no HTTP', async () => {
    await using server = await TestServer.start(node, socket =>
      socket.once('data', () => socket.write('SSH-2.0-OpenSSH\r\n'))
    )
    const client = clientOf(server.endpoint)
    await expect(client.call({ method: 'uptime' }, never)).rejects.toBeInstanceOf(BadReplyError)
    await server.empty()
    await client.close()
  })

  test('if it is too long, which is not waited for', async () => {
    await using started = await start({ maxReplyBytes: 100_000 })
    const { client, server } = started
    server.behaviour = flood
    await expect(client.call({ method: 'uptime' }, never)).rejects.toThrow('longer than 100000 bytes')
    await server.hasOpen(0)
    expect(client.connections).toBe(0)
  })

  test('at one byte too many', async () => {
    await using started = await start({ maxReplyBytes: 20 })
    const { client, server } = started
    const reply = (length: number) => tell(({ id }) => ({ id, result: 'x'.repeat(length) }))
    const room = 20 - JSON.stringify({ id: 1, result: '' }).length
    server.behaviour = reply(room)
    expect(await client.call({ method: 'any' }, never)).toBe('x'.repeat(room))
    server.behaviour = reply(room + 1)
    await expect(client.call({ method: 'any' }, never)).rejects.toThrow('longer than 20 bytes')
  })
})

describe('connections', () => {
  test('are made when needed, and kept', async () => {
    await using started = await start({ maxConnections: 1 })
    const { client, server } = started
    expect([client.connections, server.connections]).toEqual([0, 0])
    for (let round = 0; round < 5; round++) await client.call({ method: 'echo' }, never)
    expect([client.connections, server.connections]).toEqual([1, 1])
  })

  test('carry one request at a time, and are no more than allowed', async () => {
    await using started = await start({ maxConnections: 3 })
    const { client, server } = started
    let underWay = 0
    let most = 0
    server.behaviour = asked => {
      most = Math.max(most, ++underWay)
      setTimeout(() => {
        underWay--
        asked.send(200, asked.answer())
      }, 5)
    }
    const calls = Array.from({ length: 50 }, (_, each) =>
      client.call({ method: 'echo', params: [each] }, never)
    )
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 50 }, (_, each) => [each]))
    expect(most).toBe(3)
    expect([client.connections, server.connections]).toEqual([3, 3])
  })

  test('that the node closes after each answer are made anew', async () => {
    await using started = await start()
    const { client, server } = started
    server.behaviour = answerAndClose
    for (let round = 1; round <= 3; round++) {
      expect(await client.height(never)).toBe(105)
      expect(server.connections).toBe(round)
    }
  })

  test('that the node has closed while nobody used them fail nobody', async () => {
    await using started = await start({ maxConnections: 1 })
    const { client, server } = started
    for (let round = 1; round <= 20; round++) {
      expect(await client.height(never)).toBe(105)
      server.endAll()
      // Either that was noticed before the next request, or it only just comes.
      if (round % 2 === 0) await until(() => client.connections === 0)
      else await new Promise(resolve => setImmediate(resolve))
    }
    expect(server.asked).toHaveLength(20)
    expect(server.connections).toBe(20)
  })

  /** A way to a node that can break off at any time, with a reset. */
  async function breakable(server: RpcServer) {
    let near: Socket | undefined
    const front = await TestServer.raw(socket => {
      near = socket
      const far = connect(server.port, '127.0.0.1').on('error', () => {})
      socket.pipe(far).pipe(socket)
    })
    return { front, break: () => near!.resetAndDestroy() }
  }

  test('that break off just when one is to be used fail what was certainly not heard', async () => {
    await using server = await RpcServer.start(node, bitcoin)
    const way = await breakable(server)
    await using front = way.front
    const client = clientOf(front.endpoint, { maxConnections: 1 })
    await client.ping(never)
    // The turn in which undici looks at the connection after its last use.
    await new Promise(resolve => setImmediate(resolve))
    way.break()
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'ConnectError', failure: 'RESET' })
    expect(server.asked).toHaveLength(1)
    await client.ping(never)
    expect(front.connections).toBe(2)
    await client.close()
  })

  test('that break off later fail what nobody knows of', async () => {
    await using server = await RpcServer.start(node, bitcoin)
    const way = await breakable(server)
    await using front = way.front
    server.behaviour = way.break
    const client = clientOf(front.endpoint)
    await expect(client.ping(never)).rejects.toMatchObject({
      name: 'BadReplyError',
      cause: { code: 'ECONNRESET' }
    })
    expect(server.asked).toHaveLength(1)
    await client.close()
  })

  test('are not used any more shortly before the node would close them', async () => {
    await using started = await start({ server: { keepAliveTimeout: 2_000 } })
    const { client, server } = started
    await client.ping(never)
    const startedAtMs = performance.now()
    await until(() => client.connections === 0)
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    await client.ping(never)
    expect(server.connections).toBe(2)
  })

  test('that stand are closed when nobody needs them, and made again for others', async () => {
    await using started = await start()
    const { client, server } = started
    await client.ping(never)
    client.disconnect()
    expect(client.connections).toBe(0)
    await server.hasOpen(0)
    await client.ping(never)
    expect([client.connections, server.connections]).toEqual([1, 2])
  })

  test('are never used to send a request again that was sent', async () => {
    await using started = await start({ maxConnections: 1 })
    const { client, server } = started
    await client.ping(never)
    server.on('sendrawtransaction', reset)
    const all = ['sendrawtransaction', 'echo', 'sendrawtransaction', 'echo'].map(method =>
      client.call({ method }, never).then(
        () => 'answered',
        (error: Error) => error.name
      )
    )
    expect(await Promise.all(all)).toEqual(['BadReplyError', 'answered', 'BadReplyError', 'answered'])
    expect(server.methods).toEqual(['uptime', 'sendrawtransaction', 'echo', 'sendrawtransaction', 'echo'])
  })
})

describe('a call that is given up', () => {
  const reason = new Error('enough')

  test('before it is made is not made', async () => {
    await using started = await start()
    const { client, server } = started
    const signal = AbortSignal.abort(reason)
    for (const call of [
      client.call({ method: 'echo' }, signal),
      client.callAll([{ method: 'echo' }], signal)
    ])
      await expect(call).rejects.toBe(reason)
    expect(server.connections).toBe(0)
  })

  test('while its answer is waited for ends at once, with its connection', async () => {
    await using started = await start()
    const { client, server } = started
    server.on('echo', hang)
    const giveUp = new AbortController()
    const call = client.call({ method: 'echo' }, giveUp.signal)
    await server.wasAsked(1)
    giveUp.abort(reason)
    await expect(call).rejects.toBe(reason)
    await server.hasOpen(0)
    await client.ping(never)
    expect(server.methods).toEqual(['echo', 'uptime'])
  })

  test('in the middle of its answer ends at once', async () => {
    await using started = await start()
    const { client, server } = started
    server.behaviour = flood
    const giveUp = new AbortController()
    const call = clientOf(server.endpoint, { maxReplyBytes: 2 ** 40 }).call({ method: 'echo' }, giveUp.signal)
    await server.wasAsked(1)
    giveUp.abort(reason)
    await expect(call).rejects.toBe(reason)
    await server.hasOpen(0)
    expect(client.connections).toBe(0)
  })

  test('while it waits for a connection ends at once, and is not made', async () => {
    await using started = await start({ maxConnections: 1 })
    const { client, server } = started
    let letGo = (): void => {}
    server.on('echo', asked => {
      letGo = () => asked.send(200, asked.answer())
    })
    const first = client.call({ method: 'echo' }, never)
    const giveUp = new AbortController()
    const second = client.call({ method: 'getblockcount' }, giveUp.signal)
    const third = client.call({ method: 'uptime' }, never)
    await server.wasAsked(1)
    giveUp.abort(reason)
    await expect(second).rejects.toBe(reason)
    letGo()
    await Promise.all([first, third])
    expect(server.methods).toEqual(['echo', 'uptime'])
    expect(server.connections).toBe(1)
  })

  test('while a connection is made for it ends at once, and leaves the connection to others', async () => {
    await using started = await start()
    const { client, server } = started
    const giveUp = new AbortController()
    const call = client.call({ method: 'echo' }, giveUp.signal)
    giveUp.abort(reason)
    await expect(call).rejects.toBe(reason)
    await until(() => client.connections === 1)
    await client.ping(never)
    expect(server.methods).toEqual(['uptime'])
    expect(server.connections).toBe(1)
  })

  test('leaves nothing behind on its signal', async () => {
    await using started = await start()
    const { signal } = new AbortController()
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }
    await started.client.ping(signal)
    started.server.behaviour = reset
    await expect(started.client.ping(signal)).rejects.toThrow()
    expect(listeners).toBe(0)
  })
})

describe('too much at once', () => {
  const many = (client: HttpNodeClient, signal: AbortSignal, count = 1_000) =>
    Array.from({ length: count }, () => client.call({ method: 'echo' }, signal))

  test('is not asked for, and that is no fault of the node', async () => {
    await using started = await start()
    const { client, server } = started
    const answered = Promise.all(many(client, never))
    await expect(client.call({ method: 'echo' }, never)).rejects.toMatchObject({
      name: 'TooManyPendingError',
      endpoint: server.endpoint,
      maxPending: 1_000
    })
    await answered
    await client.ping(never)
    expect(server.asked).toHaveLength(1_001)
  })

  test('is what was given up as well, as long as it is kept', async () => {
    await using started = await start({ maxConnections: 1 })
    const { client, server } = started
    let letGo = (): void => {}
    server.behaviour = asked => {
      letGo = () => asked.send(200, asked.answer())
    }
    const first = client.ping(never)
    await server.wasAsked(1)
    const giveUp = new AbortController()
    const givenUp = Promise.allSettled(many(client, giveUp.signal, 999))
    giveUp.abort()
    await givenUp
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'TooManyPendingError' })
    letGo()
    await first
    server.behaviour = answer
    await vi.waitFor(() => client.ping(never))
    expect(server.asked).toHaveLength(2)
  })

  test('is not what has failed', async () => {
    const { endpoint } = await RpcServer.start(node).then(async server => {
      const was = server.endpoint
      await server[Symbol.asyncDispose]()
      return { endpoint: was }
    })
    const client = clientOf(endpoint)
    for (let round = 0; round < 2; round++) {
      const outcomes = await Promise.allSettled(many(client, never))
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { name: 'ConnectError' } })
    }
    await client.close()
  })
})

describe('an end by this side', () => {
  test.for(['disconnect', 'close'] as const)('(%s) ends what is under way', async way => {
    await using started = await start({ maxConnections: 1 })
    const { client, server } = started
    server.behaviour = hang
    const sent = client.call({ method: 'echo' }, never)
    const waiting = client.call({ method: 'echo' }, never)
    const ended = Promise.allSettled([sent, waiting])
    await server.wasAsked(1)
    await client[way]()
    const [first, second] = await ended
    expect(first).toMatchObject({ reason: { name: 'ChannelClosedError' } })
    // Nobody has heard of it.
    expect(second).toMatchObject({ reason: { name: 'ConnectError', failure: 'OTHER' } })
    await server.hasOpen(0)
    expect(server.asked).toHaveLength(1)
  })

  test.for(['disconnect', 'close'] as const)('(%s) ends the making of connections', async way => {
    await using server = await TestServer.raw(() => {})
    const client = clientOf(server.endpoint)
    const failed = expect(client.ping(never)).rejects.toMatchObject({ name: 'ConnectError' })
    await server.connected(1)
    await client[way]()
    await failed
    await server.empty()
    expect(client.connections).toBe(0)
    await client.close()
  })

  test('is for good if it is closed', async () => {
    await using started = await start()
    const { client, server } = started
    await client.ping(never)
    await client.close()
    client.disconnect()
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'ConnectError' })
    await client.close()
    expect([client.connections, server.connections]).toEqual([0, 1])
  })
})

describe('a node that cannot be connected to', () => {
  test('is away', async () => {
    const { endpoint } = await RpcServer.start(node).then(async server => {
      const was = server.endpoint
      await server[Symbol.asyncDispose]()
      return { endpoint: was }
    })
    const client = clientOf(endpoint, { maxConnections: 2 })
    const calls = Array.from({ length: 7 }, () => client.call({ method: 'uptime' }, never))
    for (const call of calls)
      await expect(call).rejects.toMatchObject({ name: 'ConnectError', failure: 'REFUSED', endpoint })
    await client.close()
  })

  test('says nothing for too long, by the clock', async () => {
    await using server = await TestServer.raw(() => {})
    const clock = new ManualClock()
    const client = clientOf(server.endpoint, {
      dialer: dialerTo(server.endpoint, { connectTimeoutMs: 700 }, { clock })
    })
    const failed = expect(client.ping(never)).rejects.toMatchObject({
      name: 'ConnectError',
      failure: 'TIMEOUT'
    })
    await server.connected(1)
    clock.advance(700)
    await failed
    expect(clock.pendingTimers).toBe(0)
    await client.close()
  })

  test('is not who it should be', async () => {
    await using server = await RpcServer.start(node, bitcoin)
    const stranger = await Authority.create('Stranger')
    const { pin } = await authority.issue()
    const problems: [Partial<TlsOptions>, string][] = [
      [{ roots: [stranger.certificate] }, 'UNTRUSTED'],
      [{ serverName: 'other.test' }, 'NAME'],
      [{ pins: [`sha256/${pin}`] }, 'PIN']
    ]
    for (const [tls, problem] of problems) {
      const client = clientOf(server.endpoint, { dialer: dialerTo(server.endpoint, tls) })
      await expect(client.ping(never)).rejects.toMatchObject({ name: 'IdentityError', problem })
      await client.close()
    }
    expect(server.asked).toEqual([])
  })

  test('is asked for its certificate each time', async () => {
    await using server = await RpcServer.start(node, bitcoin)
    const client = clientOf(server.endpoint, {
      dialer: dialerTo(server.endpoint, { pins: [`sha256/${node.pin}`] })
    })
    const reused: boolean[] = []
    server.behaviour = asked => {
      reused.push((asked.response.socket as TLSSocket).isSessionReused())
      answerAndClose(asked)
    }
    for (let round = 0; round < 3; round++) await client.ping(never)
    expect(reused).toEqual([false, false, false])
    await client.close()
  })

  test('does not want us: that comes with what it is sent first', async () => {
    const mutual = { requestCert: true, rejectUnauthorized: true, ca: authority.certificate }
    await using server = await RpcServer.start(node, bitcoin, mutual)
    for (let round = 0; round < 10; round++) {
      const client = clientOf(server.endpoint)
      await expect(client.ping(never)).rejects.toMatchObject({ name: 'IdentityError', problem: 'CLIENT' })
      await client.close()
    }
    const known = await authority.issue({ names: ['client.test'] })
    const client = clientOf(server.endpoint, {
      dialer: dialerTo(server.endpoint, { certificate: known.certificate, key: known.key })
    })
    await client.ping(never)
    await client.close()
    expect(server.asked).toHaveLength(1)
  })

  test('leaves its turn to others: handshakes are limited for all', async () => {
    await using server = await TestServer.raw(() => {})
    const handshakes = new HandshakeLimit(1)
    const clients = [0, 1].map(() =>
      clientOf(server.endpoint, { dialer: dialerTo(server.endpoint, {}, { handshakes }) })
    )
    const calls = Promise.allSettled(clients.map(client => client.ping(never)))
    await server.connected(1)
    expect([handshakes.underWay, handshakes.waiting]).toEqual([1, 1])
    for (const client of clients) await client.close()
    await calls
    expect([handshakes.underWay, handshakes.waiting]).toEqual([0, 0])
  })
})

describe('a batch', () => {
  test('is one request, with answers in its order', async () => {
    await using started = await start()
    const { client, server } = started
    server.behaviour = asked =>
      asked.send(200, JSON.stringify((JSON.parse(asked.answer()) as unknown[]).reverse()))
    const replies = await client.callAll(
      [{ method: 'echo', params: [1] }, { method: 'refuse' }, { method: 'getblockcount' }],
      never
    )
    expect(replies).toEqual([{ result: [1] }, { error: expect.any(RpcError) }, { result: 105 }])
    expect(replies[1]).toMatchObject({ error: { code: -8, method: 'refuse', endpoint: server.endpoint } })
    expect(server.asked).toHaveLength(1)
  })

  test('has ids that no other request has', async () => {
    await using started = await start()
    const { client, server } = started
    await client.callAll([{ method: 'echo' }, { method: 'echo' }], never)
    await client.call({ method: 'echo' }, never)
    await client.callAll([{ method: 'echo' }, { method: 'echo' }], never)
    const ids = server.asked.flatMap(({ messages }) => messages.map(({ id }) => id))
    expect(new Set(ids).size).toBe(5)
  })

  test('of nothing is not made', async () => {
    await using started = await start()
    expect(await started.client.callAll([], never)).toEqual([])
    expect(started.server.connections).toBe(0)
  })

  test('has up to 1,000 requests', async () => {
    await using started = await start({ maxReplyBytes: 2 ** 20 })
    const { client } = started
    const requests = Array.from({ length: 1_001 }, (_, each) => ({ method: 'echo', params: [each] }))
    const replies = await client.callAll(requests.slice(1), never)
    expect(replies.at(-1)).toEqual({ result: [1_000] })
    await expect(client.callAll(requests, never)).rejects.toThrow(InvalidOptionError)
  })

  test('that is refused as a whole is refused one by one', async () => {
    await using started = await start()
    const { client, server } = started
    server.behaviour = say(400, '{"result":null,"error":{"code":-32600,"message":"No batches"},"id":null}')
    const replies = await client.callAll([{ method: 'a' }, { method: 'b' }], never)
    expect(replies).toMatchObject([{ error: { code: -32_600, method: 'a' } }, { error: { method: 'b' } }])
  })

  test('without an answer to each is none', async () => {
    await using started = await start()
    const { client, server } = started
    server.behaviour = asked =>
      asked.send(200, JSON.stringify((JSON.parse(asked.answer()) as unknown[]).slice(1)))
    await expect(client.callAll([{ method: 'echo' }, { method: 'echo' }], never)).rejects.toThrow(
      BadReplyError
    )
  })
})

describe('whether a node answers', () => {
  test('is found out by the cheapest request', async () => {
    await using started = await start()
    const { client, server } = started
    await client.ping(never)
    expect(server.methods).toEqual(['uptime'])
  })

  test('is found out by another one where there is no such, from then on', async () => {
    await using started = await start({ methods: { getblockcount: () => 105 } })
    const { client, server } = started
    await Promise.all([client.ping(never), client.ping(never)])
    await client.ping(never)
    expect(server.methods.toSorted()).toEqual([...Array(3).fill('getblockcount'), 'uptime', 'uptime'])
    expect(server.methods.at(-1)).toBe('getblockcount')
  })

  test('is found out by another one where that is not allowed', async () => {
    await using started = await start()
    const { client, server } = started
    server.on('uptime', say(403, ''))
    await client.ping(never)
    await client.ping(never)
    expect(server.methods).toEqual(['uptime', 'getblockcount', 'getblockcount'])
    server.on('getblockcount', say(403, ''))
    await expect(client.ping(never)).rejects.toMatchObject({
      name: 'NotAllowedError',
      message: `${server.endpoint} does not allow us getblockcount`
    })
  })

  test('is told if it does not even have that, or only starts', async () => {
    await using started = await start({ methods: {} })
    const { client, server } = started
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'RpcError', isMethodUnknown: true })
    expect(server.methods).toEqual(['uptime', 'getblockcount'])
    await using starting = await start()
    starting.server.behaviour = tell(
      ({ id }) => ({ id, error: { code: -28, message: 'Loading block index…' } }),
      500
    )
    for (let round = 0; round < 2; round++)
      await expect(starting.client.ping(never)).rejects.toMatchObject({ isWarmingUp: true })
    expect(starting.server.methods).toEqual(['uptime', 'uptime'])
  })
})

describe('how many blocks it has', () => {
  test.for([0, 105, 900_000])('is a number: %d', async height => {
    await using started = await start({ methods: { getblockcount: () => height } })
    expect(await started.client.height(never)).toBe(height)
  })

  test.for([-1, 1.5, '105', null, [], 2 ** 53])('is not %j', async height => {
    await using started = await start({ methods: { getblockcount: () => height } })
    await expect(started.client.height(never)).rejects.toMatchObject({ name: 'BadReplyError' })
  })
})
