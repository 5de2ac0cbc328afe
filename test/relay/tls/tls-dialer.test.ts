import { once } from 'node:events'
import { beforeAll, describe, expect, test } from 'vitest'
import { ManualClock, systemClock } from '../../../src/core/index.ts'
import { parseEndpoint } from '../../../src/relay/endpoint.ts'
import { ConnectError, connectionError, IdentityError } from '../../../src/relay/tls/connect-error.ts'
import { HandshakeLimit } from '../../../src/relay/tls/handshake-limit.ts'
import { TlsDialer } from '../../../src/relay/tls/tls-dialer.ts'
import { setUpTls, type TlsOptions } from '../../../src/relay/tls/tls-options.ts'
import { Authority, type Identity } from '../support/certificates.ts'
import { TestServer } from '../support/tls-server.ts'

const never = new AbortController().signal
let authority: Authority
let stranger: Authority
let relay: Identity

beforeAll(async () => {
  ;[authority, stranger] = await Promise.all([Authority.create(), Authority.create('Stranger')])
  relay = await authority.issue({ names: ['relay.test', 'localhost'], addresses: ['127.0.0.1'] })
})

/** A dialer of a server that trusts the authority, unless it is told otherwise. */
function dialerOf(endpoint: string, tls: Partial<TlsOptions> = {}, clock = systemClock): TlsDialer {
  const setup = setUpTls({ roots: [authority.certificate], ...tls })
  return new TlsDialer(parseEndpoint(endpoint), setup, new HandshakeLimit(), clock)
}

async function dial(endpoint: string, tls?: Partial<TlsOptions>) {
  const { socket, elapsedMs } = await dialerOf(endpoint, tls).dial(never)
  const facts = {
    protocol: socket.getProtocol(),
    alpn: socket.alpnProtocol,
    isResumed: socket.isSessionReused()
  }
  // The server has not finished its part of the handshake yet.
  socket.end(() => socket.destroy())
  return { ...facts, elapsedMs }
}

describe('a server that is who it should be', () => {
  test('is talked to over TLS 1.3', async () => {
    await using server = await TestServer.start(relay)
    const { protocol, alpn, elapsedMs } = await dial(server.endpoint)
    expect({ protocol, alpn }).toEqual({ protocol: 'TLSv1.3', alpn: false })
    expect(elapsedMs).toBeGreaterThan(0)
    expect(elapsedMs).toBeLessThan(5_000)
  })

  test.for([
    ['localhost', undefined, 'localhost'],
    ['127.0.0.1', undefined, false],
    ['127.0.0.1', 'relay.test', 'relay.test']
  ] as const)('at %s, by the name %s, is asked for %s', async ([host, serverName, asked]) => {
    const names: unknown[] = []
    await using server = await TestServer.start(relay, socket =>
      names.push((socket as { servername?: unknown }).servername)
    )
    const seen = once(server.tls, 'secureConnection')
    await dial(`${host}:${server.port}`, { serverName })
    await seen
    expect(names).toEqual([asked])
  })

  test('speaks one of the protocols it was offered', async () => {
    await using server = await TestServer.start(relay, undefined, { ALPNProtocols: ['http/1.1'] })
    expect((await dial(server.endpoint, { alpnProtocols: ['h2', 'http/1.1'] })).alpn).toBe('http/1.1')
    await expect(dial(server.endpoint, { alpnProtocols: ['h2'] })).rejects.toMatchObject({
      failure: 'PROTOCOL'
    })
  })

  test('is asked for its certificate each time: sessions are not resumed', async () => {
    await using server = await TestServer.start(relay)
    const dialer = dialerOf(server.endpoint)
    for (let round = 0; round < 3; round++) {
      const { socket } = await dialer.dial(never)
      expect(socket.isSessionReused()).toBe(false)
      // Tickets come after the handshake.
      await new Promise(resolve => setTimeout(resolve, 20))
      socket.destroy()
    }
  })
})

test('a server that wants to know who we are is told', async () => {
  const client = await authority.issue({ names: ['client.test'] })
  const mutual = { requestCert: true, rejectUnauthorized: true, ca: authority.certificate }
  await using server = await TestServer.start(relay, undefined, mutual)
  const met = once(server.tls, 'secureConnection')
  await dial(server.endpoint, { certificate: client.certificate, key: client.key })
  const [socket] = await met
  expect(socket.getPeerX509Certificate().subject).toBe('CN=client.test')
})

describe('a server is refused', () => {
  const problemOf = async (
    claim: Parameters<Authority['issue']>[0],
    tls?: Partial<TlsOptions>,
    by = authority
  ) => {
    await using server = await TestServer.start(await by.issue(claim))
    const error: unknown = await dial(server.endpoint, tls).catch(error => error)
    expect(error).toBeInstanceOf(IdentityError)
    const { problem, endpoint, message } = error as IdentityError
    expect(endpoint).toBe(server.endpoint)
    expect(message).toContain(server.endpoint)
    return problem
  }

  test('whose certificate nobody has signed who is trusted', async () => {
    expect(await problemOf({ addresses: ['127.0.0.1'] }, {}, stranger)).toBe('UNTRUSTED')
  })

  test('whose certificate is for another name or address', async () => {
    expect(await problemOf({ addresses: ['127.0.0.2'] })).toBe('NAME')
    expect(await problemOf({ names: ['other.test'] }, { serverName: 'relay.test' })).toBe('NAME')
  })

  test('whose certificate has expired, or is not valid yet', async () => {
    expect(await problemOf({ addresses: ['127.0.0.1'], validDays: [-2, -1] })).toBe('EXPIRED')
    expect(await problemOf({ addresses: ['127.0.0.1'], validDays: [1, 2] })).toBe('EXPIRED')
  })

  test('if there is nobody to trust', async () => {
    expect(await problemOf({ addresses: ['127.0.0.1'] }, { roots: [] })).toBe('UNTRUSTED')
    expect(await problemOf({ addresses: ['127.0.0.1'] }, { roots: ['no PEM'] })).toBe('UNTRUSTED')
  })

  test('that has another key than it may have', async () => {
    const { pin: other } = await authority.issue()
    expect(await problemOf({ addresses: ['127.0.0.1'] }, { pins: [other] })).toBe('PIN')
  })

  test('whose key is pinned, but whose name is wrong', async () => {
    const wrong = await authority.issue({ names: ['other.test'] })
    await using server = await TestServer.start(wrong)
    await expect(dial(server.endpoint, { pins: [wrong.pin] })).rejects.toMatchObject({ problem: 'NAME' })
  })
})

describe('pins', () => {
  test('let the present key in, and the next one', async () => {
    const next = await authority.issue({ addresses: ['127.0.0.1'] })
    for (const identity of [relay, next]) {
      await using server = await TestServer.start(identity)
      await expect(dial(server.endpoint, { pins: [relay.pin, next.pin] })).resolves.toBeDefined()
    }
  })

  test('are told in the error: what the server has', async () => {
    await using server = await TestServer.start(relay)
    const { pin: other } = await authority.issue()
    await expect(dial(server.endpoint, { pins: [other] })).rejects.toThrow(`sha256/${relay.pin}`)
  })

  test('refuse another server that shares the keys of its tickets, each time', async () => {
    const ticketKeys = Buffer.alloc(48, 7)
    const other = await authority.issue({ addresses: ['127.0.0.1'] })
    await using server = await TestServer.start(relay, undefined, { ticketKeys })
    const dialer = dialerOf(server.endpoint, { pins: [relay.pin] })
    for (let round = 0; round < 3; round++) {
      server.become(relay, ticketKeys)
      const { socket } = await dialer.dial(never)
      await new Promise(resolve => setTimeout(resolve, 20))
      socket.destroy()
      server.become(other, ticketKeys)
      await expect(dialer.dial(never)).rejects.toMatchObject({ problem: 'PIN' })
    }
  })
})

describe('an endpoint that cannot be connected to', () => {
  test('has nobody there', async () => {
    const { endpoint } = await TestServer.raw(() => {}).then(async server => {
      const was = server.endpoint
      await server[Symbol.asyncDispose]()
      return { endpoint: was }
    })
    await expect(dial(endpoint)).rejects.toMatchObject({
      name: ConnectError.name,
      failure: 'REFUSED',
      endpoint
    })
  })

  test('breaks off in the handshake', async () => {
    await using server = await TestServer.raw(socket => socket.once('data', () => socket.destroy()))
    await expect(dial(server.endpoint)).rejects.toMatchObject({ failure: 'RESET' })
  })

  test('speaks no TLS', async () => {
    await using server = await TestServer.raw(socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await expect(dial(server.endpoint)).rejects.toMatchObject({ failure: 'PROTOCOL' })
  })

  test('speaks TLS 1.2 at most', async () => {
    await using server = await TestServer.start(relay, undefined, {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2'
    })
    await expect(dial(server.endpoint)).rejects.toMatchObject({ failure: 'PROTOCOL' })
  })

  test('says nothing for too long', async () => {
    await using server = await TestServer.raw(() => {})
    const clock = new ManualClock()
    const dialled = dialerOf(server.endpoint, { connectTimeoutMs: 700 }, clock).dial(never)
    const failed = expect(dialled).rejects.toMatchObject({
      failure: 'TIMEOUT',
      message: expect.stringContaining('700 ms')
    })
    clock.advance(699)
    expect(clock.pendingTimers).toBe(1)
    clock.advance(1)
    await failed
    expect(clock.pendingTimers).toBe(0)
    await server.empty()
  })

  test('may be given up at any time', async () => {
    await using server = await TestServer.raw(() => {})
    const clock = new ManualClock()
    const giveUp = new AbortController()
    const dialled = dialerOf(server.endpoint, {}, clock).dial(giveUp.signal)
    await server.connected(1)
    giveUp.abort(new Error('enough'))
    await expect(dialled).rejects.toThrow('enough')
    expect(clock.pendingTimers).toBe(0)
    await server.empty()
    await expect(dialerOf(server.endpoint).dial(giveUp.signal)).rejects.toThrow('enough')
    expect(server.connections).toBe(1)
  })
})

describe('what went wrong', () => {
  const endpoint = parseEndpoint('relay.test:443')
  const of = (code: string): unknown => connectionError(endpoint, Object.assign(new Error('some'), { code }))

  test.for([
    ['ENOTFOUND', 'NOT_FOUND'],
    ['EAI_AGAIN', 'NOT_FOUND'],
    ['EHOSTUNREACH', 'UNREACHABLE'],
    ['ENETUNREACH', 'UNREACHABLE'],
    ['EADDRNOTAVAIL', 'UNREACHABLE'],
    ['ECONNRESET', 'RESET'],
    ['EPIPE', 'RESET'],
    ['ETIMEDOUT', 'TIMEOUT']
  ] as const)('with %s is that it is %s', ([code, failure]) => {
    expect(of(code)).toMatchObject({ name: 'ConnectError', failure, endpoint: endpoint.key, cause: { code } })
  })

  test.for([
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'CLIENT'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'CLIENT'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'UNTRUSTED'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'UNTRUSTED'],
    ['CERT_SIGNATURE_FAILURE', 'UNTRUSTED'],
    ['CERT_REVOKED', 'UNTRUSTED']
  ] as const)('with %s is who it is: %s', ([code, problem]) => {
    expect(of(code)).toMatchObject({ name: 'IdentityError', problem, cause: { code } })
  })

  test('is not known of other codes, nor of what is no error', () => {
    for (const code of ['EMFILE', 'toString']) expect(of(code)).toBe(undefined)
    for (const error of [undefined, null, 'ECONNRESET', new Error('ECONNRESET')])
      expect(connectionError(endpoint, error)).toBe(undefined)
  })
})
