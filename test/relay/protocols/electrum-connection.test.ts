import { once } from 'node:events'
import { beforeAll, expect, test } from 'vitest'
import { Deadlines, NO_LIMIT_MS } from '../../../src/core/deadlines.ts'
import { ManualClock, systemClock } from '../../../src/core/index.ts'
import { Channel } from '../../../src/relay/channel/channel.ts'
import { parseEndpoint } from '../../../src/relay/endpoint.ts'
import { ElectrumConnection } from '../../../src/relay/protocols/electrum-connection.ts'
import { HandshakeLimit } from '../../../src/relay/tls/handshake-limit.ts'
import { TlsDialer } from '../../../src/relay/tls/tls-dialer.ts'
import { setUpTls } from '../../../src/relay/tls/tls-options.ts'
import { Authority, type Identity } from '../support/certificates.ts'
import { ElectrumServer, silent } from '../support/electrum-server.ts'

// What a client makes of it stands in electrum-node-client.test.ts; here is what a client gets to see only in a race.

let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

async function connect() {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await ElectrumServer.start(identity, { hold: silent }))
  const endpoint = parseEndpoint(server.endpoint)
  const setup = setUpTls({ roots: [authority.certificate] })
  const dialer = new TlsDialer(endpoint, setup, new HandshakeLimit(), systemClock)
  const { socket } = await dialer.dial(new AbortController().signal)
  const clock = new ManualClock()
  const channel = new Channel(socket, {
    id: 'test-1',
    endpoint,
    clock,
    deadlines: new Deadlines(clock),
    timeoutMs: NO_LIMIT_MS,
    onClosed: () => {}
  })
  let closings = 0
  const connection = new ElectrumConnection(channel, {
    endpoint: endpoint.key,
    maxReplyBytes: 1_000,
    maxGivenUp: 1,
    onNotification: () => {},
    onClosed: () => closings++
  })
  stack.defer(() => connection.close())
  return {
    connection,
    server,
    socket,
    closings: () => closings,
    [Symbol.asyncDispose]: () => stack.disposeAsync()
  }
}

test('a request that is given up already is not sent', async () => {
  await using made = await connect()
  const { connection, server } = made
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(connection.ask({ method: 'hold' }, signal)).rejects.toThrow('enough')
  expect(await connection.ask({ method: 'server.ping' })).toEqual({ result: null })
  expect(server.methods).toEqual(['server.ping'])
})

test('a request that is given up as its answer comes is owed nothing', async () => {
  await using made = await connect()
  const { connection } = made
  for (let turn = 0; turn < 3; turn++) {
    const giveUp = new AbortController()
    const asked = connection.ask({ method: 'server.ping' }, giveUp.signal, () =>
      giveUp.abort(new Error('enough'))
    )
    await expect(asked).rejects.toThrow('enough')
  }
  expect(await connection.ask({ method: 'server.ping' })).toEqual({ result: null })
})

test('a connection that is closed tells everybody why, at once and later', async () => {
  await using made = await connect()
  const { connection, server, socket, closings } = made
  expect(() => connection.throwIfClosed()).not.toThrow()
  const held = connection.ask({ method: 'hold' })
  await server.askedFor('hold')
  server.send('nonsense\n')
  await expect(held).rejects.toMatchObject({ name: 'BadReplyError' })
  if (!socket.closed) await once(socket, 'close')
  connection.close()
  await expect(connection.ask({ method: 'server.ping' })).rejects.toMatchObject({ name: 'BadReplyError' })
  expect(() => connection.throwIfClosed()).toThrow('JSON')
  expect(closings()).toBe(1)
})
