import { getEventListeners } from 'node:events'
import { beforeAll, describe, expect, test } from 'vitest'
import { Deadlines } from '../../../src/core/deadlines.ts'
import { ManualClock } from '../../../src/core/index.ts'
import { parseEndpoint } from '../../../src/relay/endpoint.ts'
import { ElectrumNodeClient } from '../../../src/relay/protocols/electrum-node-client.ts'
import { HandshakeLimit } from '../../../src/relay/tls/handshake-limit.ts'
import { setUpTls } from '../../../src/relay/tls/tls-options.ts'
import { Authority, type Identity } from '../support/certificates.ts'
import { type Answering, type Asked, ElectrumServer, silent } from '../support/electrum-server.ts'
import { TestServer } from '../support/tls-server.ts'

const never = new AbortController().signal
const HEADERS = 'blockchain.headers.subscribe'
const SCRIPT = 'blockchain.scripthash.subscribe'
let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

/** A client; time stands still on its clock. */
function clientOf(endpoint: string, { maxPending = 10, maxReplyBytes = 10_000 } = {}) {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const client = new ElectrumNodeClient(parseEndpoint(endpoint), {
    tls: setUpTls({ roots: [authority.certificate] }),
    clock,
    deadlines,
    handshakes: new HandshakeLimit(),
    maxPending,
    maxReplyBytes
  })
  const passes = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 25) clock.advance(25)
  }
  return { client, clock, deadlines, passes }
}

/** The same, with a server. */
async function create(
  answerings: Readonly<Record<string, Answering>> = {},
  limits: Parameters<typeof clientOf>[1] = {},
  tls: Parameters<typeof ElectrumServer.start>[2] = {}
) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await ElectrumServer.start(identity, answerings, tls))
  const made = clientOf(server.endpoint, limits)
  stack.defer(() => made.client.close())
  return { ...made, server, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Resolves when it is so; for what comes of the other end's doing. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 2))
}

/** Answers with what it was asked with. */
const echo: Answering = asked => asked.result(asked.params)

describe('a request', () => {
  test('is answered, after one greeting for all on a connection', async () => {
    await using made = await create({ 'blockchain.estimatefee': asked => asked.result(0.0001) })
    const { client, server } = made
    expect([client.connections, server.connections]).toEqual([0, 0])
    expect(await client.call({ method: 'blockchain.estimatefee', params: [2] }, never)).toBe(0.0001)
    await client.ping(never)
    expect(await client.height(never)).toBe(105)
    expect(server.asked.map(({ method, params }) => [method, params])).toEqual([
      ['server.version', ['bitswap-protection', ['1.4', '1.4.3']]],
      ['blockchain.estimatefee', [2]],
      ['server.ping', []],
      [HEADERS, []]
    ])
    expect([client.connections, server.connections]).toEqual([1, 1])
  })

  test('waits for the greeting to be answered, and for one connection with others', async () => {
    await using made = await create({ 'server.version': silent, echo })
    const { client, server } = made
    const all = [1, 2, 3].map(value => client.call({ method: 'echo', params: [value] }, never))
    const greeting = await server.askedFor('server.version')
    expect(client.connections).toBe(0)
    expect(server.methods).toEqual(['server.version'])
    greeting.result(['TestServer', '1.4'])
    expect(await Promise.all(all)).toEqual([[1], [2], [3]])
    expect(server.methods).toEqual(['server.version', 'echo', 'echo', 'echo'])
    expect(server.connections).toBe(1)
  })

  test('gets its own answer, in whatever order they come', async () => {
    const held: Asked[] = []
    await using made = await create({ echo: asked => void held.push(asked) })
    const { client, server } = made
    const all = ['a', 'b', 'c'].map(value => client.call({ method: 'echo', params: [value] }, never))
    await server.askedFor('echo', 3)
    for (const asked of held.reverse()) echo(asked)
    expect(await Promise.all(all)).toEqual([['a'], ['b'], ['c']])
  })

  test('that is refused leaves the connection standing', async () => {
    await using made = await create()
    const { client, server } = made
    await expect(client.call({ method: 'nothing' }, never)).rejects.toMatchObject({
      name: 'RpcError',
      code: -32_601,
      method: 'nothing',
      isMethodUnknown: true
    })
    await client.ping(never)
    expect(server.connections).toBe(1)
  })

  test('among several is answered in their order, refused or not', async () => {
    await using made = await create({ echo })
    const { client, server } = made
    const requests = [{ method: 'echo', params: [1] }, { method: 'nothing' }, { method: 'server.ping' }]
    expect(await client.callAll(requests, never)).toEqual([
      { result: [1] },
      { error: expect.objectContaining({ name: 'RpcError', method: 'nothing' }) },
      { result: null }
    ])
    expect(await client.callAll([], never)).toEqual([])
    expect(server.connections).toBe(1)
  })

  test('that JSON cannot tell is not sent', async () => {
    await using made = await create()
    const { client, server } = made
    await client.ping(never)
    await expect(client.call({ method: 'echo', params: [1n] }, never)).rejects.toMatchObject({
      name: 'InvalidOptionError'
    })
    await client.ping(never)
    expect(server.methods).toEqual(['server.version', 'server.ping', 'server.ping'])
  })

  test.for([null, {}, { height: '105' }, { height: -1 }, { height: 1.5 }])(
    'for the height is not answered by %j',
    async header => {
      await using made = await create({ [HEADERS]: asked => asked.result(header) })
      await expect(made.client.height(never)).rejects.toMatchObject({ name: 'BadReplyError' })
    }
  )
})

describe('no more requests than allowed', () => {
  test('are under way, on the wire or waiting for it; that is not the fault of the node', async () => {
    await using made = await create({ 'server.version': silent, hold: silent }, { maxPending: 2 })
    const { client, server } = made
    const first = client.call({ method: 'hold' }, never)
    const second = client.ping(never)
    const refusal = { name: 'TooManyPendingError', endpoint: server.endpoint, maxPending: 2 }
    await expect(client.ping(never)).rejects.toMatchObject(refusal)
    ;(await server.askedFor('server.version')).result(['TestServer', '1.4'])
    await second
    await expect(client.callAll([{ method: 'echo' }, { method: 'echo' }], never)).rejects.toMatchObject(
      refusal
    )
    await client.ping(never)
    ;(await server.askedFor('hold')).result(1)
    expect(await first).toBe(1)
    expect(server.methods).not.toContain('echo')
  })
})

describe('a request that is given up', () => {
  test('ends at once, and its late answer disturbs nobody', async () => {
    await using made = await create({ hold: silent, echo })
    const { client, server } = made
    const giveUp = new AbortController()
    const given = client.call({ method: 'hold' }, giveUp.signal)
    const asked = await server.askedFor('hold')
    giveUp.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    asked.result('late')
    expect(await client.call({ method: 'echo', params: [1] }, never)).toEqual([1])
    expect(server.connections).toBe(1)
  })

  test('before it is sent never is', async () => {
    await using made = await create({ 'server.version': silent, echo })
    const { client, server } = made
    const giveUp = new AbortController()
    const given = client.call({ method: 'hold' }, giveUp.signal)
    const other = client.call({ method: 'echo' }, never)
    const greeting = await server.askedFor('server.version')
    giveUp.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    await expect(client.call({ method: 'hold' }, giveUp.signal)).rejects.toThrow('enough')
    greeting.result(['TestServer', '1.4'])
    await other
    expect(server.methods).toEqual(['server.version', 'echo'])
  })

  test('and answered twice is a violation', async () => {
    await using made = await create({ hold: silent })
    const { client, server } = made
    const giveUp = new AbortController()
    const given = client.call({ method: 'hold' }, giveUp.signal)
    const asked = await server.askedFor('hold')
    giveUp.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    const pending = client.call({ method: 'hold' }, never)
    asked.result('late')
    asked.result('late')
    await expect(pending).rejects.toMatchObject({ name: 'BadReplyError' })
    await server.empty()
  })

  test('too often closes the connection: the node owes too much', async () => {
    await using made = await create({ hold: silent, echo }, { maxPending: 2 })
    const { client, server } = made
    const askAndGiveUp = async (): Promise<void> => {
      const giveUp = new AbortController()
      const given = client.call({ method: 'hold' }, giveUp.signal)
      giveUp.abort(new Error('enough'))
      await expect(given).rejects.toThrow('enough')
    }
    await client.ping(never)
    await askAndGiveUp()
    await askAndGiveUp()
    expect(client.connections).toBe(1)
    const pending = client.call({ method: 'hold' }, never)
    const failed = expect(pending).rejects.toMatchObject({ name: 'ChannelClosedError' })
    await askAndGiveUp()
    await failed
    expect(client.connections).toBe(0)
    expect(await client.call({ method: 'echo' }, never)).toEqual([])
    expect(server.connections).toBe(2)
  })

  test('can be given up no longer than it is under way', async () => {
    await using made = await create()
    const { client } = made
    const giveUp = new AbortController()
    const ping = client.ping(giveUp.signal)
    expect(getEventListeners(giveUp.signal, 'abort')).toHaveLength(1)
    await ping
    await client.ping(giveUp.signal)
    expect(getEventListeners(giveUp.signal, 'abort')).toEqual([])
  })
})

describe('a connection', () => {
  test.for<[string, (server: ElectrumServer) => void]>([
    ['is broken off', server => server.drop()],
    ['is ended', server => server.end()]
  ])('that %s fails what is under way, and the next request makes another', async ([, lose]) => {
    await using made = await create({ hold: silent })
    const { client, server } = made
    const all = [1, 2].map(() => client.call({ method: 'hold' }, never))
    await server.askedFor('hold', 2)
    lose(server)
    for (const each of all) await expect(each).rejects.toMatchObject({ name: 'ChannelClosedError' })
    expect(client.connections).toBe(0)
    await client.ping(never)
    expect([client.connections, server.connections]).toEqual([1, 2])
    expect(server.methods.filter(method => method === 'server.version')).toHaveLength(2)
  })

  test('stands as long as nobody ends it, whether something is asked for or not', async () => {
    await using made = await create({ hold: silent })
    const { client, server, passes } = made
    await client.ping(never)
    passes(600_000)
    const held = client.call({ method: 'hold' }, never)
    const asked = await server.askedFor('hold')
    passes(600_000)
    asked.result('at last')
    expect(await held).toBe('at last')
    expect(server.connections).toBe(1)
  })

  test('that the server closes while nothing is asked for is noticed', async () => {
    await using made = await create()
    const { client, server } = made
    await client.ping(never)
    server.drop()
    await until(() => client.connections === 0)
    await client.ping(never)
    expect(server.connections).toBe(2)
  })

  test.for<[string, string | Uint8Array]>([
    ['no JSON', 'hello\n'],
    ['no object', '17\n'],
    ['null', 'null\n'],
    ['a list', '[]\n'],
    ['too long a line', `"${'x'.repeat(10_000)}"\n`],
    ['too long a line without an end', 'x'.repeat(10_001)],
    ['an answer to nothing', '{"id":99,"result":1}\n'],
    ['an answer to nobody', '{"id":null,"error":{"code":-32700,"message":"what?"}}\n'],
    ['an answer that is none', '{"id":2}\n'],
    ['an answer with both', '{"id":2,"result":1,"error":{"code":1,"message":"no"}}\n'],
    ['a notification without a name', '{"method":1,"params":[]}\n'],
    ['a notification with names', '{"method":"x","params":{"a":1}}\n']
  ])('that brings %s is closed: nobody can tell what it says', async ([, data]) => {
    await using made = await create({ hold: silent })
    const { client, server } = made
    const all = [1, 2].map(() => client.call({ method: 'hold' }, never))
    await server.askedFor('hold', 2)
    server.send(data)
    for (const each of all)
      await expect(each).rejects.toMatchObject({ name: 'BadReplyError', endpoint: server.endpoint })
    await server.empty()
    await client.ping(never)
    expect(server.connections).toBe(2)
  })

  test('may be used again after it was disconnected, and not after it was closed', async () => {
    await using made = await create({ hold: silent })
    const { client, server, deadlines } = made
    const held = client.call({ method: 'hold' }, never)
    await server.askedFor('hold')
    client.disconnect()
    client.disconnect()
    await expect(held).rejects.toMatchObject({ name: 'ChannelClosedError' })
    expect(client.connections).toBe(0)
    await client.ping(never)
    expect(server.connections).toBe(2)
    await client.close()
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'ConnectError' })
    await server.empty()
    expect(server.connections).toBe(2)
    expect(deadlines.size).toBe(0)
  })

  test('that is being made can be given up, and made again', async () => {
    await using made = await create({ 'server.version': silent })
    const { client, server } = made
    const given = client.ping(never)
    await server.askedFor('server.version')
    client.disconnect()
    const next = client.ping(never)
    await expect(given).rejects.toMatchObject({ name: 'ConnectError', failure: 'OTHER' })
    const another = client.ping(never)
    ;(await server.askedFor('server.version', 2)).result(['TestServer', '1.4'])
    await Promise.all([next, another])
    expect([client.connections, server.connections]).toEqual([1, 2])
  })
})

describe('a node that cannot be asked', () => {
  test('is away', async () => {
    const server = await ElectrumServer.start(identity)
    const { client } = clientOf(server.endpoint)
    await server[Symbol.asyncDispose]()
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'ConnectError', failure: 'REFUSED' })
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'ConnectError', failure: 'REFUSED' })
  })

  test.for<[string, string, string, Answering]>([
    ['breaks off', 'RESET', 'ChannelClosedError', asked => asked.socket.destroy()],
    ['ends', 'RESET', 'ChannelClosedError', asked => asked.socket.end()],
    ['refuses us', 'PROTOCOL', 'RpcError', asked => asked.error(1, 'unsupported protocol version: 1.4')],
    ['speaks another version', 'PROTOCOL', 'BadReplyError', asked => asked.result(['TestServer', '1.6'])],
    ['speaks the oldest version', 'PROTOCOL', 'BadReplyError', asked => asked.result('1.0')],
    [
      'speaks no JSON',
      'PROTOCOL',
      'BadReplyError',
      asked => asked.socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')
    ]
  ])('%s when it is greeted: it has not heard of any request', async ([, failure, cause, answering]) => {
    await using made = await create({ 'server.version': answering })
    const { client, server } = made
    await expect(client.ping(never)).rejects.toMatchObject({
      name: 'ConnectError',
      failure,
      cause: { name: cause }
    })
    await server.empty()
    expect([client.connections, server.methods]).toEqual([0, ['server.version']])
  })

  test('greets and misbehaves in one breath', async () => {
    await using made = await create({
      'server.version': ({ id, socket }) => socket.write(`{"id":${id},"result":["T","1.4"]}\nnonsense\n`)
    })
    const { client, server } = made
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'ConnectError', failure: 'PROTOCOL' })
    await server.empty()
    expect(client.connections).toBe(0)
    server.on('server.version', asked => asked.result(['TestServer', '1.4']))
    await client.ping(never)
  })

  test('does not greet in time', async () => {
    await using made = await create({ 'server.version': silent })
    const { client, server, passes } = made
    const given = expect(client.ping(never)).rejects.toMatchObject({
      name: 'ConnectError',
      failure: 'TIMEOUT'
    })
    await server.askedFor('server.version')
    passes(4_900)
    expect(server.sockets.size).toBe(1)
    passes(200)
    await given
    await server.empty()
  })

  test('wants to know who we are', async () => {
    await using made = await create(
      {},
      {},
      {
        requestCert: true,
        rejectUnauthorized: true,
        ca: authority.certificate
      }
    )
    await expect(made.client.ping(never)).rejects.toMatchObject({
      name: 'IdentityError',
      problem: 'CLIENT'
    })
  })

  test('is somebody else', async () => {
    const other = await (await Authority.create('Stranger')).issue({ addresses: ['127.0.0.1'] })
    await using server = await TestServer.start(other)
    const { client } = clientOf(server.endpoint)
    await expect(client.ping(never)).rejects.toMatchObject({ name: 'IdentityError', problem: 'UNTRUSTED' })
  })
})

describe('a subscription', () => {
  /** A server that knows of scripts, and somebody who listens. */
  async function listening() {
    const made = await create({ [SCRIPT]: asked => asked.result(`status of ${asked.params[0]}`) })
    const told: unknown[] = []
    const listener = (params: readonly unknown[]): void => void told.push(params)
    return { ...made, told, listener, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() }
  }

  test('is told its answer, and whatever comes after it in one breath', async () => {
    await using made = await listening()
    const { client, server, told, listener } = made
    server.on(HEADERS, asked => {
      asked.socket.cork()
      asked.result({ height: 105 })
      asked.say({ jsonrpc: '2.0', method: HEADERS, params: [{ height: 106 }] })
      asked.say({ id: null, method: HEADERS, params: [{ height: 107 }] })
      asked.socket.uncork()
    })
    const { result } = await client.subscribe({ method: HEADERS }, listener, never)
    expect(result).toEqual({ height: 105 })
    await until(() => told.length === 3)
    expect(told).toEqual([[{ height: 105 }], [{ height: 106 }], [{ height: 107 }]])
    expect(client.ignoredNotifications).toBe(0)
  })

  test('is told what it is about, and nothing else', async () => {
    await using made = await listening()
    const { client, server, told, listener } = made
    const others: unknown[] = []
    await client.subscribe({ method: SCRIPT, params: ['a'] }, listener, never)
    await client.subscribe({ method: SCRIPT, params: ['b'] }, params => others.push(params), never)
    server.notify(SCRIPT, 'a', 'news of a')
    server.notify(SCRIPT, 'b', 'news of b')
    server.notify(SCRIPT, 'c', 'news of c')
    server.notify('something.else', 'a')
    await client.ping(never)
    expect(told).toEqual([
      ['a', 'status of a'],
      ['a', 'news of a']
    ])
    expect(others).toEqual([
      ['b', 'status of b'],
      ['b', 'news of b']
    ])
    expect(client.ignoredNotifications).toBe(2)
  })

  test('that has ended is told nothing more, and not made again', async () => {
    await using made = await listening()
    const { client, server, told, listener } = made
    const { unsubscribe } = await client.subscribe({ method: SCRIPT, params: ['a'] }, listener, never)
    unsubscribe()
    unsubscribe()
    server.notify(SCRIPT, 'a', 'news')
    await client.ping(never)
    expect([told, client.ignoredNotifications]).toEqual([[['a', 'status of a']], 1])
    client.disconnect()
    await client.ping(never)
    expect(server.methods.filter(method => method === SCRIPT)).toHaveLength(1)
  })

  test('that is refused, or given up, is none', async () => {
    await using made = await listening()
    const { client, server, told, listener } = made
    server.on(SCRIPT, asked => asked.error(1, 'not a valid script hash'))
    await expect(client.subscribe({ method: SCRIPT, params: ['?'] }, listener, never)).rejects.toThrow(
      'not a valid script hash'
    )
    server.on(SCRIPT, silent)
    const giveUp = new AbortController()
    const given = client.subscribe({ method: SCRIPT, params: ['a'] }, listener, giveUp.signal)
    const asked = await server.askedFor(SCRIPT, 2)
    giveUp.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    asked.result('late')
    server.notify(SCRIPT, 'a', 'news')
    client.disconnect()
    await client.ping(never)
    expect([told, server.methods.filter(method => method === SCRIPT).length]).toEqual([[], 2])
    expect(client.lapsedSubscriptions).toBe(0)
  })

  test('is made anew on the next connection, before anything else is asked for', async () => {
    await using made = await listening()
    const { client, server, told, listener } = made
    await client.subscribe({ method: SCRIPT, params: ['a'] }, listener, never)
    await client.subscribe({ method: HEADERS }, listener, never)
    server.drop()
    await until(() => client.connections === 0)
    expect(client.lapsedSubscriptions).toBe(2)
    server.asked.length = 0
    told.length = 0
    server.on(SCRIPT, asked => asked.result('what has changed meanwhile'))
    await client.ping(never)
    expect(server.methods).toEqual(['server.version', SCRIPT, HEADERS, 'server.ping'])
    server.notify(SCRIPT, 'a', 'news')
    await client.ping(never)
    expect(told).toEqual([['a', 'what has changed meanwhile'], [{ height: 105, hex: '00' }], ['a', 'news']])
    expect(client.lapsedSubscriptions).toBe(0)
  })

  test('that is not taken again is tried on each connection', async () => {
    await using made = await listening()
    const { client, server, told, listener } = made
    await client.subscribe({ method: SCRIPT, params: ['a'] }, listener, never)
    server.on(SCRIPT, asked => asked.error(1, 'too many'))
    client.disconnect()
    await client.ping(never)
    server.notify(SCRIPT, 'a', 'not for us')
    await client.ping(never)
    expect([client.lapsedSubscriptions, client.ignoredNotifications, told.length]).toEqual([1, 1, 1])
    server.on(SCRIPT, asked => asked.result('again'))
    client.disconnect()
    await client.ping(never)
    expect([client.lapsedSubscriptions, told.at(-1)]).toEqual([0, ['a', 'again']])
  })

  test('that is ended while it is made anew is told nothing', async () => {
    await using made = await listening()
    const { client, server, told, listener } = made
    const { unsubscribe } = await client.subscribe({ method: SCRIPT, params: ['a'] }, listener, never)
    server.on(SCRIPT, silent)
    client.disconnect()
    await client.ping(never)
    unsubscribe()
    ;(await server.askedFor(SCRIPT, 2)).result('late')
    await client.ping(never)
    expect(told).toEqual([['a', 'status of a']])
  })

  test('whose listener throws, or closes all, harms nobody', async () => {
    await using made = await listening()
    const { client, server, told, listener } = made
    const angry = (): void => {
      throw new Error('never mind')
    }
    await client.subscribe({ method: HEADERS }, angry, never)
    await client.subscribe({ method: HEADERS }, listener, never)
    server.notify(HEADERS, { height: 106 })
    await client.ping(never)
    expect(told).toEqual([[{ height: 105, hex: '00' }], [{ height: 106 }]])
    server.on(SCRIPT, asked => {
      asked.socket.write(`{"id":${asked.id},"result":1}\n{"id":1000,"result":1}\n`)
    })
    const closing = (): void => client.disconnect()
    const { result } = await client.subscribe({ method: SCRIPT, params: ['a'] }, closing, never)
    expect(result).toBe(1)
    await server.empty()
    expect(client.connections).toBe(0)
  })

  test('does not outlive its client', async () => {
    await using made = await listening()
    const { client, listener } = made
    await client.subscribe({ method: HEADERS }, listener, never)
    await client.close()
    expect(client.lapsedSubscriptions).toBe(0)
  })
})

test('many requests at once are answered over one connection', async () => {
  await using made = await create({ echo }, { maxPending: 1_000 })
  const { client, server } = made
  const all = Array.from({ length: 1_000 }, (_, value) =>
    client.call({ method: 'echo', params: [value, 'x'.repeat(1_000)] }, never)
  )
  const results = (await Promise.all(all)) as [number, string][]
  expect(results.map(([value]) => value)).toEqual(Array.from({ length: 1_000 }, (_, value) => value))
  expect(server.connections).toBe(1)
})
