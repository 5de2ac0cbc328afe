import {
  AbortError,
  StreamResetError,
  TooManyOutboundProtocolStreamsError,
  UnsupportedProtocolError
} from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { DeferredStream } from '../../src/bitswap/deferred-stream.ts'
import { BITSWAP, BITSWAP_PROTOCOLS, PING } from '../../src/bitswap/protocols.ts'
import {
  CircuitOpenError,
  SuspectError,
  TooManyInFlightError,
  TooManyRequestsError
} from '../../src/core/index.ts'
import { TIMEOUT_MS } from '../support/deterministic-protection.ts'
import { createGate, OPEN_TIMEOUT_MS, OPEN_WAIT_MS, WANT_TIMEOUT_MS } from './support/gate.ts'
import { blockOf, blocks, cidOf, have, wants } from './support/messages.ts'
import { FakeConnection } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { reader, settle } from './support/streams.ts'

const TICK_MS = 25
const MIN_LATE_MS = 100
const SLOW_OPEN_MS = 50
const MAX_OPENING = 32

const OLDER = '/ipfs/bitswap/1.1.0'

/** A time limit of the caller's looks like one of libp2p. */
const timedOut = new DOMException('The operation was aborted due to timeout', 'TimeoutError')

/** A message as Helia hands it along with the options for its stream. */
function message({ wants = 0, blocks = 0, presences = 0 }) {
  const map = (size: number) => new Map(Array.from({ length: size }, (_, index) => [`${index}`, {}]))
  return {
    full: false,
    pendingBytes: 0,
    wantlist: map(wants),
    blocks: map(blocks),
    blockPresences: map(presences)
  }
}

describe('a peer whose circuit is closed', () => {
  test('gets its stream', async () => {
    const { connection, attempt, heldBack, openedAfter } = createGate()
    const opened = await attempt(BITSWAP)
    expect(opened).toEqual({ stream: undefined, error: undefined })
    const { ours } = await connection.opening.open()
    await settle()
    expect(opened.stream).toBe(ours)
    expect(heldBack).toEqual([])
    expect(openedAfter).toEqual([0])
  })

  test.each(BITSWAP_PROTOCOLS)('gets one of %s', async protocol => {
    const { connection, attempt, link } = createGate()
    const opened = await attempt(protocol)
    const { ours } = await connection.opening.open(protocol)
    await settle()
    expect(opened.stream).toBe(ours)
    expect(link().protocol).toBe(protocol)
  })

  test('is asked with the options of the caller, but for the time it may take', async () => {
    const { connection, attempt } = createGate()
    const { signal } = new AbortController()
    await attempt(BITSWAP, { maxOutboundStreams: 7, runOnLimitedConnection: true, signal })
    const { options, protocols } = connection.opening
    expect([protocols].flat()).toEqual([BITSWAP])
    expect(options).toMatchObject({ maxOutboundStreams: 7, runOnLimitedConnection: true })
    expect(options?.signal).not.toBe(signal)
  })

  test('is a call in flight until what it is for is known', async () => {
    const { connection, attempt, status } = createGate()
    const opened = await attempt(BITSWAP)
    const { theirs } = await connection.opening.open()
    await settle()
    expect(status()).toMatchObject({ inFlight: 1, counts: { requests: 1 } })
    opened.stream!.send(wants([cidOf(1)]))
    // The want has taken the place of the stream.
    expect(status()).toMatchObject({ inFlight: 1, counts: { requests: 2, totalExclusions: 1 } })
    await opened.stream!.close()
    await theirs.close()
    await settle()
    expect(status()?.inFlight).toBe(1)
  })

  test('asked for again by way of the connection manager, is decided on once', async () => {
    const { node, peer, follow, status } = createGate()
    const options = { maxOutboundStreams: 7 }
    follow(node.connectionManager.openStream(peer, BITSWAP, options))
    await settle()
    expect(node.connectionManager.calls).toEqual([[peer, BITSWAP, options]])
    expect(node.connectionManager.calls[0]![2]).toBe(options)
    expect(status()?.counts.requests).toBe(1)
  })

  test('may be asked for more on the same stream', async () => {
    const { connection, attempt, link, judge } = createGate()
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1)]))
    judge.toldPresence(link(), cidOf(1).bytes)
    opened.stream!.send(wants([cidOf(2)]))
    expect(link().wants.size).toBe(1)
    expect(link().wants.takeOldest()?.mustAnswer).toBe(true)
  })

  test('is nobody’s fault if a stream is closed without a want', async () => {
    const { connection, attempt, status } = createGate()
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    await opened.stream!.close()
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalExclusions: 1, totalFailures: 0 } })
  })

  test('fails once if it resets a stream on which nothing was asked yet', async () => {
    const { connection, attempt, status } = createGate()
    await attempt(BITSWAP)
    const { theirs } = await connection.opening.open()
    theirs.abort(new Error('go away'))
    await settle()
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalFailures: 1 } })
  })

  test('fails once if it resets a stream on which several blocks were asked for', async () => {
    const { connection, attempt, status } = createGate()
    const opened = await attempt(BITSWAP)
    const { theirs } = await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1), cidOf(2), cidOf(3)]))
    theirs.abort(new Error('go away'))
    await settle()
    expect(status()).toMatchObject({ inFlight: 0, circuitState: 'CLOSED', counts: { totalFailures: 1 } })
  })

  test('fails once if it had reset the stream before anybody could look', async () => {
    const { connection, attempt, status } = createGate()
    await attempt(BITSWAP)
    const [opening] = connection.openings
    const other = new FakeConnection(peerOf(5))
    const pending = other.newStream(BITSWAP)
    const { ours, theirs } = await other.opening.open()
    theirs.abort(new Error('no room'))
    await settle()
    expect(await pending).toBe(ours)
    opening!.resolve(ours)
    await settle()
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalFailures: 1 } })
  })

  test('fails if it resets the stream while that is negotiated', async () => {
    const { connection, attempt, status } = createGate()
    const opened = await attempt(BITSWAP)
    const reset = new StreamResetError()
    connection.opening.reject(reset)
    await settle()
    expect(opened.error).toBe(reset)
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalFailures: 1 } })
  })

  test.each([
    ['what it does not offer', new UnsupportedProtocolError()],
    ['a limit of ours', new TooManyOutboundProtocolStreamsError()]
  ])('does not fail by %s', async (_what, error) => {
    const { connection, attempt, status } = createGate()
    const opened = await attempt(BITSWAP)
    connection.opening.reject(error)
    await settle()
    expect(opened.error).toBe(error)
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalFailures: 0 } })
  })
})

describe('a peer whose circuit is open', () => {
  test('gets no stream: the caller is told at once, and why', async () => {
    const { protection, key, connection, attempt, heldBack } = createGate()
    protection.trip(key)
    const { error } = await attempt(BITSWAP)
    expect(error).toBeInstanceOf(CircuitOpenError)
    expect(error).toMatchObject({ name: 'CircuitOpenError', key, reason: 'OPEN', state: 'OPEN' })
    expect((error as CircuitOpenError).retryAfterMs).toBe(TIMEOUT_MS + 1)
    expect(connection.openings).toEqual([])
    expect(heldBack).toEqual([error])
  })

  test('gets none by way of the connection manager either', async () => {
    const { protection, key, peer, node, connection, follow } = createGate()
    protection.trip(key)
    const opened = follow(node.connectionManager.openStream(peer, BITSWAP))
    await settle()
    expect(opened.error).toBeInstanceOf(CircuitOpenError)
    expect(connection.openings).toEqual([])
  })

  test.each([
    ['its peer id', (id: string) => multiaddr(`/ip4/10.0.0.1/tcp/4001/p2p/${id}`)],
    [
      'several addresses',
      (id: string) => [multiaddr(`/ip4/10.0.0.1/tcp/1/p2p/${id}`), multiaddr(`/p2p/${id}`)]
    ],
    [
      'a relay on the way',
      (id: string) => multiaddr(`/ip4/10.0.0.1/tcp/4001/p2p/${peerOf(7)}/p2p-circuit/p2p/${id}`)
    ]
  ])('is not dialled, known by %s', async (_what, address) => {
    const { protection, node, follow } = createGate()
    const stranger = peerOf(2)
    protection.trip(stranger.toString())
    const byId = follow(node.connectionManager.openStream(stranger, BITSWAP))
    const byAddress = follow(node.connectionManager.openStream(address(stranger.toString()), [BITSWAP]))
    await settle()
    expect(byId.error).toBeInstanceOf(CircuitOpenError)
    expect(byAddress.error).toBeInstanceOf(CircuitOpenError)
    expect(node.connectionManager.dials).toEqual([])
  })

  test('is dialled by an address that does not say whose it is', async () => {
    const { protection, node, follow } = createGate()
    const stranger = peerOf(2)
    protection.trip(stranger.toString())
    const opened = follow(node.connectionManager.openStream(multiaddr('/ip4/10.0.0.1/tcp/4001'), BITSWAP))
    await settle()
    const connection = node.answer(node.connectionManager.dials[0]!, stranger)
    await settle()
    expect(opened.error).toBeInstanceOf(CircuitOpenError)
    expect(connection.openings).toEqual([])
  })

  test('leaves nothing behind when it is refused without being connected', async () => {
    const { protection, node, links, follow } = createGate()
    const before = links.size
    for (let number = 100; number < 110; number++) {
      const stranger = peerOf(number)
      protection.trip(stranger.toString())
      follow(node.connectionManager.openStream(stranger, BITSWAP))
    }
    await settle()
    expect(links.size).toBe(before)
  })
})

describe('what is not Bitswap', () => {
  test.each([
    ['ping', PING],
    ['a list', ['/ipfs/id/1.0.0', PING]],
    ['a list with Bitswap in it', [BITSWAP, PING]]
  ])('passes, whatever is held against the peer: %s', async (_what, protocols) => {
    const { protection, key, peer, connection, node, attempt, follow, status } = createGate()
    protection.trip(key)
    await attempt(protocols)
    const opened = follow(node.connectionManager.openStream(peer, protocols))
    await settle()
    expect(connection.openings.map(({ protocols }) => protocols)).toEqual([protocols, protocols])
    const { ours } = await connection.opening.open(PING)
    await settle()
    expect(opened.stream).toBe(ours)
    expect(status()).toMatchObject({ inFlight: 0, counts: { requests: 0 } })
  })

  test('passes unseen: the same arguments, and the promise that was returned', async () => {
    const node = createGate().node
    const connection = new FakeConnection(peerOf(3))
    const returned: unknown[] = []
    const { newStream } = connection
    connection.newStream = (...args) => {
      const promise = newStream(...args)
      returned.push(promise)
      return promise
    }
    node.add(connection)
    const options = { maxOutboundStreams: 1 }
    const promises = [connection.newStream(PING), connection.newStream([PING], options)]
    expect(connection.openings.map(({ args }) => args)).toEqual([[PING], [[PING], options]])
    expect(connection.openings[1]!.options).toBe(options)
    expect(promises.map((promise, index) => promise === returned[index])).toEqual([true, true])
  })

  test('passes unseen through the connection manager', async () => {
    const { node, peer } = createGate()
    const options = { maxOutboundStreams: 1 }
    void node.connectionManager.openStream(peer, PING, options)
    void node.connectionManager.openStream(peer, PING)
    expect(node.connectionManager.calls).toEqual([
      [peer, PING, options],
      [peer, PING]
    ])
    expect(node.connectionManager.calls[0]![2]).toBe(options)
  })

  test('is not judged, late or failed', async () => {
    const { connection, attempt, advance, status } = createGate()
    await attempt(PING)
    await advance(OPEN_TIMEOUT_MS)
    connection.opening.reject(new StreamResetError())
    await settle()
    expect(status()).toBe(undefined)
  })
})

describe('a stream that is late', () => {
  test('is waited for as long as nothing is known of the peer: 400 ms', async () => {
    const { attempt, advance, status } = createGate()
    const opened = await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS - TICK_MS)
    expect(opened.stream).toBe(undefined)
    expect(status()?.isSuspect).toBe(false)
    await advance(TICK_MS)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
    expect(opened.stream?.protocol).toBe(BITSWAP)
    expect(status()?.isSuspect).toBe(true)
  })

  test('is waited for a little longer than it usually takes', async () => {
    const { attempt, advance, link, status } = createGate()
    link().openTime.sample(40)
    // Mean 40, deviation 20.
    const opened = await attempt(BITSWAP)
    await advance(125 - TICK_MS)
    expect(opened.stream).toBe(undefined)
    await advance(TICK_MS)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
    expect(status()?.isSuspect).toBe(true)
  })

  test('is not late within 100 ms, however quick the peer usually is', async () => {
    const { attempt, advance, teach, status } = createGate()
    teach(1)
    const opened = await attempt(BITSWAP)
    await advance(MIN_LATE_MS - TICK_MS)
    expect(opened.stream).toBe(undefined)
    await advance(TICK_MS)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
    expect(status()?.isSuspect).toBe(true)
  })

  test('is not waited for longer than is allowed, though it may take longer before it is late', async () => {
    const { attempt, advance, link, status } = createGate()
    const { openTime } = link()
    // Slow once, and quick ever since: the mean forgets that sooner than the deviation.
    openTime.sample(2000)
    for (let sample = 0; sample < 28; sample++) openTime.sample(1)
    expect(openTime.meanMs).toBeLessThan(SLOW_OPEN_MS)
    const opened = await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS - TICK_MS)
    expect(opened.stream).toBe(undefined)
    await advance(TICK_MS)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
    expect(status()?.isSuspect).toBe(false)
    await advance(TICK_MS)
    expect(openTime.usualMs).toBeGreaterThan(OPEN_WAIT_MS + TICK_MS)
    expect(status()?.isSuspect).toBe(false)
    await advance(TICK_MS)
    expect(status()?.isSuspect).toBe(true)
  })

  test('makes its peer suspect: others wait without their senders, and one stream is enough to find out', async () => {
    const { connection, attempt, advance, heldBack, protection } = createGate()
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    for (let number = 0; number < 5; number++)
      expect((await attempt(BITSWAP)).stream).toBeInstanceOf(DeferredStream)
    await advance(3000)
    expect(connection.openings).toHaveLength(1)
    expect(heldBack).toEqual([])
    expect(protection.getOverallStatus().rejections.SUSPECT).toBe(0)
  })

  test('makes its peer suspect: others that nothing can stand for are refused', async () => {
    const { connection, attempt, advance, heldBack } = createGate()
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    const { error } = await attempt(BITSWAP_PROTOCOLS.slice(1))
    expect(error).toBeInstanceOf(SuspectError)
    expect(error).toMatchObject({ reason: 'SUSPECT', retryAfterMs: 0 })
    expect(connection.openings).toHaveLength(1)
    expect(heldBack).toEqual([error])
  })

  test('still delivers the message, and clears the peer', async () => {
    const { connection, attempt, advance, link, status, cleared, openedAfter } = createGate()
    const opened = await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    await opened.stream!.closeRead()
    opened.stream!.send(wants([cidOf(1)]))
    await opened.stream!.close()
    await advance(400)
    expect(status()?.counts.requests).toBe(1)
    const { theirs } = await connection.opening.open()
    const received = reader(theirs)
    await settle()
    expect(received.bytes).toEqual(wants([cidOf(1)]))
    expect(theirs.remoteWriteStatus).toBe('closed')
    expect(status()).toMatchObject({ isSuspect: false, circuitState: 'CLOSED', inFlight: 1 })
    expect(status()?.counts).toMatchObject({ totalFailures: 0, requests: 2 })
    expect(link().wants.size).toBe(1)
    expect(cleared).toEqual([link()])
    expect(openedAfter).toEqual([800])
  })

  test('teaches how slow the peer is: the next is not late', async () => {
    const { connection, attempt, advance, link, status } = createGate()
    await attempt(BITSWAP)
    await advance(800)
    await connection.opening.open()
    await settle()
    expect(link().openTime.usualMs).toBe(800 + 4 * 400)
    await attempt(BITSWAP)
    await advance(2300)
    expect(status()?.isSuspect).toBe(false)
    await advance(100)
    expect(status()?.isSuspect).toBe(true)
  })

  test('of several at once, suspects once, and the first to open clears', async () => {
    const { connection, attempt, advance, cleared, status } = createGate()
    for (let number = 0; number < 3; number++) await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS + 100)
    expect(connection.openings).toHaveLength(3)
    await connection.openings[1]!.open()
    await settle()
    expect(cleared).toHaveLength(1)
    expect(status()?.isSuspect).toBe(false)
  })

  test('that opens right before the limit is handed over as it is', async () => {
    const { connection, attempt, advance, status } = createGate()
    const opened = await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS - TICK_MS)
    const { ours } = await connection.opening.open()
    await advance(OPEN_WAIT_MS)
    expect(opened.stream).toBe(ours)
    expect(status()?.isSuspect).toBe(false)
  })

  test('is not late while this process is held up', async () => {
    const { clock, attempt, status } = createGate()
    const opened = await attempt(BITSWAP)
    const { now } = clock
    clock.now = () => now.call(clock) + 5000
    clock.advance(TICK_MS)
    await settle()
    expect(opened.stream).toBe(undefined)
    expect(status()?.isSuspect).toBe(false)
  })
})

describe('a last resort', () => {
  async function createLastResort() {
    const created = createGate({ maxEjectedShare: 0.01 })
    created.protection.trip(peerOf(50).toString())
    created.protection.trip(created.key)
    expect(created.status()).toMatchObject({ circuitState: 'OPEN', isDemoted: true })
    return created
  }

  test('gets its stream although its circuit is open, and is not waited for', async () => {
    const { connection, attempt } = await createLastResort()
    const opened = await attempt(BITSWAP)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
    expect(connection.openings).toHaveLength(1)
  })

  test('that is late is suspected like any other', async () => {
    const { attempt, advance, connection } = await createLastResort()
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    expect((await attempt(BITSWAP_PROTOCOLS.slice(1))).error).toBeInstanceOf(SuspectError)
    expect(connection.openings).toHaveLength(1)
  })

  test('that does not respond is a last resort again, and suspect no more', async () => {
    const { attempt, advanceAlive, status } = await createLastResort()
    await attempt(BITSWAP)
    await advanceAlive(OPEN_TIMEOUT_MS)
    // The circuit may have become half-open meanwhile, in which case it opened again.
    expect(status()).toMatchObject({ isSuspect: false, circuitState: 'OPEN' })
  })
})

describe('a peer that is known to be slow', () => {
  test('is not waited for at all', async () => {
    const { connection, attempt, teach, status } = createGate()
    teach(800)
    const opened = await attempt(BITSWAP)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
    opened.stream!.send(wants([cidOf(1)]))
    await opened.stream!.close()
    const { theirs } = await connection.opening.open()
    const received = reader(theirs)
    await settle()
    expect(received.bytes).toEqual(wants([cidOf(1)]))
    expect(connection.openings).toHaveLength(1)
    expect(status()?.isSuspect).toBe(false)
  })

  test.each([
    [50, false],
    [51, true]
  ])('is one that takes %d ms: %s', async (ms, isSlow) => {
    const { attempt, link } = createGate()
    link().openTime.sample(ms)
    const opened = await attempt(BITSWAP)
    expect(opened.stream !== undefined).toBe(isSlow)
  })

  test('is refused the caller who has given up before', async () => {
    const { attempt, teach } = createGate()
    teach(800)
    const reason = new Error('no longer needed')
    const opened = await attempt(BITSWAP, { signal: AbortSignal.abort(reason) })
    expect(opened.error).toBe(reason)
  })
})

describe('a stream that never opens', () => {
  test('is given up after seven seconds, and who had written to it is told', async () => {
    const { connection, attempt, advance } = createGate()
    const opened = await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    const { closes } = reader(opened.stream!)
    await advance(OPEN_TIMEOUT_MS - OPEN_WAIT_MS - TICK_MS)
    expect(connection.openings[0]!.options?.signal?.aborted).toBe(false)
    await advance(TICK_MS)
    expect(connection.openings[0]!.options?.signal?.reason).toMatchObject({ name: 'TimeoutError' })
    expect(closes.map(({ error }) => error?.name)).toEqual(['TimeoutError'])
  })

  test('opens the circuit at once, if others responded meanwhile', async () => {
    const { attempt, advance, advanceAlive, status, connection, link, lost } = createGate()
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    await advanceAlive(OPEN_TIMEOUT_MS - OPEN_WAIT_MS)
    expect(status()).toMatchObject({
      circuitState: 'OPEN',
      isSuspect: false,
      lastTrip: { reason: 'UNRESPONSIVE' }
    })
    expect(connection.openings).toHaveLength(1)
    expect(link()).toMatchObject({ opening: 0, detached: 0 })
    expect(lost).toEqual([link()])
  })

  test('is nobody’s fault if nobody responded: the peer is asked again, and stays suspect', async () => {
    const { attempt, advance, status, connection } = createGate()
    await attempt(BITSWAP)
    await advance(OPEN_TIMEOUT_MS)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: true, counts: { totalFailures: 0 } })
    expect(connection.openings).toHaveLength(2)
    expect(connection.opening.protocols).toEqual([BITSWAP, PING])
    // And so on, one at a time.
    await advance(OPEN_TIMEOUT_MS)
    expect(connection.openings).toHaveLength(3)
    await advance(OPEN_TIMEOUT_MS - TICK_MS)
    expect(connection.openings).toHaveLength(3)
  })

  test('on one of several connections has the others tried before the circuit opens', async () => {
    const { node, peer, connection, attempt, advance, advanceAlive, status, link } = createGate()
    const [second, third] = [node.connect(peer), node.connect(peer)]
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    await advanceAlive(OPEN_TIMEOUT_MS - OPEN_WAIT_MS)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: true })
    expect([connection, second, third].map(({ openings }) => openings.length)).toEqual([1, 1, 0])
    await advanceAlive(OPEN_TIMEOUT_MS)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: true })
    expect([connection, second, third].map(({ openings }) => openings.length)).toEqual([1, 1, 1])
    await third.opening.open()
    await settle()
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: false })
    expect(link().silentOn.size).toBe(0)
  })

  test('on any of several connections opens the circuit', async () => {
    const { node, peer, attempt, advance, advanceAlive, status } = createGate()
    node.connect(peer)
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    await advanceAlive(OPEN_TIMEOUT_MS - OPEN_WAIT_MS)
    expect(status()?.circuitState).toBe('CLOSED')
    await advanceAlive(OPEN_TIMEOUT_MS)
    expect(status()).toMatchObject({ circuitState: 'OPEN', lastTrip: { reason: 'UNRESPONSIVE' } })
  })

  test('on the only connection that is left opens the circuit', async () => {
    const { node, peer, attempt, advance, advanceAlive, status } = createGate()
    const second = node.connect(peer)
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    second.lose()
    await advanceAlive(OPEN_TIMEOUT_MS - OPEN_WAIT_MS)
    expect(status()).toMatchObject({ circuitState: 'OPEN', lastTrip: { reason: 'UNRESPONSIVE' } })
  })

  test('opens no circuit once another stream to the same peer did open', async () => {
    const { attempt, advance, connection, status } = createGate()
    await attempt(BITSWAP)
    await attempt(BITSWAP)
    await advance(3000)
    await connection.openings[1]!.open()
    await settle()
    await advance(OPEN_TIMEOUT_MS)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: false, counts: { totalFailures: 1 } })
  })
})

describe('a probe', () => {
  async function createProbed() {
    const created = createGate()
    await created.attempt(BITSWAP)
    await created.advance(OPEN_TIMEOUT_MS)
    const { connection } = created
    return { ...created, probe: connection.opening }
  }

  test.each([BITSWAP, PING])('answered with %s clears the peer', async protocol => {
    const { probe, advance, status, cleared, link } = await createProbed()
    await advance(1000)
    await probe.open(protocol)
    await settle()
    expect(status()?.isSuspect).toBe(false)
    expect(cleared).toEqual([link()])
    expect(link().protocol).toBe(protocol === BITSWAP ? BITSWAP : undefined)
  })

  test('leaves no stream behind', async () => {
    const { probe, link } = await createProbed()
    const { ours, theirs } = await probe.open()
    await settle()
    expect(ours.status).toBe('aborted')
    expect(theirs.status).toBe('reset')
    expect(link()).toMatchObject({ opening: 0, detached: 0 })
  })

  test('counts for nothing by itself', async () => {
    const { probe, status } = await createProbed()
    await probe.open()
    await settle()
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalFailures: 0, totalSuccesses: 0 } })
  })

  test('is there only once, however often it is called for', async () => {
    const { gate, connection, link } = await createProbed()
    gate.probe(link())
    gate.probe(link())
    expect(connection.openings).toHaveLength(2)
  })

  test('speaks the version the peer was last found to speak, also over a limited connection', async () => {
    const { gate, connection, link } = createGate()
    link().protocol = OLDER
    gate.probe(link())
    await settle()
    expect(connection.opening.protocols).toEqual([OLDER, PING])
    expect(connection.opening.options).toMatchObject({ runOnLimitedConnection: true })
  })

  test('dials a peer that is gone, and a refusal opens its circuit', async () => {
    const { protection, key, connection, attempt, node, status, judge, link } = createGate()
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1)]))
    judge.heard(link())
    connection.lose(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    await settle()
    expect(protection.isSuspect(key)).toBe(true)
    const [dial] = node.connectionManager.dials
    dial!.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
    await settle()
    expect(status()).toMatchObject({ circuitState: 'OPEN', isSuspect: false })
  })

  test('dials a peer that is gone once, however often it is called for', async () => {
    const { connection, attempt, node, judge, link, gate } = createGate()
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1)]))
    judge.heard(link())
    connection.lose(new StreamResetError())
    gate.probe(link())
    await settle()
    expect(node.connectionManager.dials).toHaveLength(1)
  })

  test('that can dial a peer that was gone clears it', async () => {
    const { connection, attempt, node, status, peer, judge, link } = createGate()
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1)]))
    judge.heard(link())
    connection.lose(new StreamResetError())
    await settle()
    const next = node.answer(node.connectionManager.dials[0]!, peer)
    await settle()
    expect(next.opening.protocols).toEqual([BITSWAP, PING])
    await next.opening.open(PING)
    await settle()
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: false })
  })

  test('is not given up for a peer whose connection broke while a stream was opening', async () => {
    const { connection, attempt, advance, node, status, judge, link } = createGate()
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1)]))
    judge.heard(link())
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    expect(status()?.isSuspect).toBe(true)
    // As libp2p tells of it: the connection first, then whoever waits for something on it.
    connection.lose(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    connection.opening.reject(Object.assign(new Error('closed'), { name: 'MuxerClosedError' }))
    await settle()
    expect(node.connectionManager.dials).toHaveLength(1)
    expect(status()?.isSuspect).toBe(true)
  })
})

describe('a caller who gives up', () => {
  test('is told his own reason, at once', async () => {
    const { attempt, advance } = createGate()
    const controller = new AbortController()
    const opened = await attempt(BITSWAP, { signal: controller.signal })
    await advance(100)
    const reason = new Error('no longer needed')
    controller.abort(reason)
    await settle()
    expect(opened.error).toBe(reason)
  })

  test('blames nobody: the stream goes on, and is aborted when it opens', async () => {
    const { connection, attempt, advance, status, link } = createGate()
    const controller = new AbortController()
    await attempt(BITSWAP, { signal: controller.signal })
    controller.abort(new Error('no longer needed'))
    await settle()
    expect(connection.opening.options?.signal?.aborted).toBe(false)
    await advance(100)
    const { ours, theirs } = await connection.opening.open()
    await settle()
    expect(ours.status).toBe('aborted')
    expect(theirs.status).toBe('reset')
    expect(status()).toMatchObject({ inFlight: 0, isSuspect: false, counts: { totalFailures: 0 } })
    expect(link().openTime.isKnown).toBe(true)
  })

  test('does not hide that the peer is late', async () => {
    const { attempt, advance, status } = createGate()
    const controller = new AbortController()
    await attempt(BITSWAP, { signal: controller.signal })
    controller.abort(new Error('no longer needed'))
    await advance(OPEN_WAIT_MS)
    expect(status()?.isSuspect).toBe(true)
  })

  test('does not save the peer that does not respond, and has lost no message', async () => {
    const { attempt, advance, advanceAlive, status, lost } = createGate()
    const controller = new AbortController()
    await attempt(BITSWAP, { signal: controller.signal })
    controller.abort(new Error('no longer needed'))
    await advance(OPEN_WAIT_MS)
    await advanceAlive(OPEN_TIMEOUT_MS - OPEN_WAIT_MS)
    expect(status()).toMatchObject({ circuitState: 'OPEN', counts: { totalExclusions: 0 } })
    expect(lost).toEqual([])
  })

  test('before he asked is told as well', async () => {
    const { attempt } = createGate()
    const reason = new Error('no longer needed')
    const opened = await attempt(BITSWAP, { signal: AbortSignal.abort(reason) })
    expect(opened.error).toBe(reason)
  })

  test('leaves no listener on his signal', async () => {
    const { connection, attempt } = createGate()
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
    await attempt(BITSWAP, { signal })
    expect(listeners).toBe(1)
    await connection.opening.open()
    await settle()
    expect(listeners).toBe(0)
  })

  test('of a stream that stands in already does not stop it', async () => {
    const { connection, attempt, advance } = createGate()
    const controller = new AbortController()
    const opened = await attempt(BITSWAP, { signal: controller.signal })
    await advance(OPEN_WAIT_MS)
    opened.stream!.send(wants([cidOf(1)]))
    controller.abort()
    const { theirs } = await connection.opening.open()
    const received = reader(theirs)
    await settle()
    expect(received.bytes).toEqual(wants([cidOf(1)]))
  })
})

describe('several versions asked for', () => {
  const versions = [BITSWAP, OLDER]

  test('give the stream that opens in time', async () => {
    const { connection, attempt } = createGate()
    const opened = await attempt(versions)
    expect(connection.opening.protocols).toEqual(versions)
    const { ours } = await connection.opening.open(OLDER)
    await settle()
    expect(opened.stream).toBe(ours)
  })

  test('give a stand-in that speaks the one last found', async () => {
    const { attempt, advance, link } = createGate()
    link().protocol = OLDER
    const opened = await attempt(versions)
    await advance(OPEN_WAIT_MS)
    expect(opened.stream?.protocol).toBe(OLDER)
  })

  test('none of them known, cannot be stood in for: the caller is told, and the stream discarded', async () => {
    const { connection, attempt, advance } = createGate()
    const opened = await attempt(versions)
    await advance(OPEN_WAIT_MS)
    expect(opened.error).toBeInstanceOf(SuspectError)
    const { ours } = await connection.opening.open(OLDER)
    await settle()
    expect(ours.status).toBe('aborted')
  })

  test('another one known than is asked for, it is none', async () => {
    const { attempt, advance, link } = createGate()
    link().protocol = '/ipfs/bitswap'
    const opened = await attempt(versions)
    await advance(OPEN_WAIT_MS)
    expect(opened.error).toBeInstanceOf(SuspectError)
  })

  test('none of them known, of a slow peer, are waited for as long as it usually takes', async () => {
    const { connection, attempt, advance, teach } = createGate()
    teach(800)
    const opened = await attempt(versions)
    await advance(700)
    expect(opened).toEqual({ stream: undefined, error: undefined })
    const { ours } = await connection.opening.open()
    await settle()
    expect(opened.stream).toBe(ours)
  })

  test('none of them known, what was held back is known to be', async () => {
    const { attempt, advance, heldBack } = createGate()
    const opened = await attempt(versions)
    await advance(OPEN_WAIT_MS)
    expect(heldBack).toEqual([opened.error])
  })
})

describe('a stream for an executeRequest under way', () => {
  function createRiding() {
    const created = createGate()
    created.link().executing = 1
    return created
  }

  test('opens whatever is held against the peer, and is no call of its own', async () => {
    const { protection, key, connection, attempt, status } = createRiding()
    protection.trip(key)
    const opened = await attempt(BITSWAP)
    const { ours } = await connection.opening.open()
    await settle()
    expect(opened.stream).toBe(ours)
    expect(status()).toMatchObject({ inFlight: 0, counts: { requests: 0 } })
  })

  test('opens though the peer is suspect', async () => {
    const { protection, key, connection, attempt } = createRiding()
    protection.suspect(key)
    await attempt(BITSWAP)
    expect(connection.openings).toHaveLength(1)
  })

  test('settles nothing: neither its wants nor its reset count', async () => {
    const { connection, attempt, advanceAlive, status, link } = createRiding()
    const opened = await attempt(BITSWAP)
    const { theirs } = await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1)]))
    expect(link().wants.size).toBe(0)
    await advanceAlive(WANT_TIMEOUT_MS)
    theirs.abort(new Error('go away'))
    await settle()
    expect(status()?.counts ?? {}).not.toMatchObject({ totalFailures: 1 })
    expect(status()?.counts.requests ?? 0).toBe(0)
  })

  test('is waited for by its caller alone, on his signal', async () => {
    const { connection, attempt, advance } = createRiding()
    const { signal } = new AbortController()
    const opened = await attempt(BITSWAP, { signal })
    expect(connection.opening.options?.signal).toBe(signal)
    await advance(6000)
    expect(opened).toEqual({ stream: undefined, error: undefined })
  })

  test('that fails is told as it is, and counts for nothing', async () => {
    const { connection, attempt, status } = createRiding()
    const opened = await attempt(BITSWAP)
    const error = new StreamResetError()
    connection.opening.reject(error)
    await settle()
    expect(opened.error).toBe(error)
    expect(status()?.counts.totalFailures ?? 0).toBe(0)
  })

  test('that is late makes the peer suspect all the same, and it is probed beside', async () => {
    const { connection, attempt, advance, protection, key } = createRiding()
    await attempt(BITSWAP)
    await advance(OPEN_WAIT_MS)
    expect(protection.isSuspect(key)).toBe(true)
    expect(connection.openings.map(({ protocols }) => protocols)).toEqual([[BITSWAP], [BITSWAP, PING]])
  })

  test('once it is over is one like any other', async () => {
    const { protection, key, attempt, link } = createRiding()
    protection.trip(key)
    link().executing = 0
    expect((await attempt(BITSWAP)).error).toBeInstanceOf(CircuitOpenError)
  })
})

describe('an answer to the peer', () => {
  function createOpen() {
    const created = createGate()
    created.protection.trip(created.key)
    return created
  }

  test.each([
    ['a block', message({ blocks: 1 })],
    ['word of a block', message({ presences: 1 })],
    ['both', message({ blocks: 2, presences: 3 })]
  ])('goes out although its circuit is open: %s', async (_what, message) => {
    const { connection, attempt, status, heldBack } = createOpen()
    const opened = await attempt(BITSWAP, { message } as object)
    expect(connection.opening.options).toMatchObject({ message })
    const { ours } = await connection.opening.open()
    await settle()
    expect(opened.stream).toBe(ours)
    expect(status()?.inFlight).toBe(0)
    expect(heldBack).toEqual([])
  })

  test.each([
    ['a want', message({ wants: 1 })],
    ['a want and a block', message({ wants: 1, blocks: 1 })],
    ['nothing', message({})],
    ['something else', { blocks: [1] }],
    ['a text', 'blocks']
  ])('is not %s', async (_what, message) => {
    const { attempt } = createOpen()
    const { error } = await attempt(BITSWAP, { message } as object)
    expect(error).toBeInstanceOf(CircuitOpenError)
  })

  test('of unknown content may go out to one who waits for answers', async () => {
    const { connection, attempt, link } = createOpen()
    link().peerWants = 2
    const opened = await attempt(BITSWAP)
    const { theirs } = await connection.opening.open()
    const received = reader(theirs)
    await settle()
    opened.stream!.send(blocks(await blockOf(1)))
    opened.stream!.send(have(cidOf(2)))
    await settle()
    expect(received.bytes.length).toBeGreaterThan(0)
    expect(link().peerWants).toBe(0)
    // Nobody waits for anything any more.
    expect((await attempt(BITSWAP)).error).toBeInstanceOf(CircuitOpenError)
  })

  test('is nothing known to hold wants, also for one who waits for answers', async () => {
    const { attempt, link, connection } = createOpen()
    link().peerWants = 1
    const { error } = await attempt(BITSWAP, { message: message({ wants: 1 }) } as object)
    expect(error).toBeInstanceOf(CircuitOpenError)
    expect(connection.openings).toEqual([])
  })

  test('of unknown content is stopped at the first want in it', async () => {
    const { connection, attempt, link, status } = createOpen()
    link().peerWants = 1
    const opened = await attempt(BITSWAP)
    const { theirs } = await connection.opening.open()
    const received = reader(theirs)
    await settle()
    expect(() => opened.stream!.send(wants([cidOf(1)]))).toThrow(CircuitOpenError)
    expect(() => opened.stream!.send(have(cidOf(2)))).toThrow(CircuitOpenError)
    await settle()
    expect(received.bytes).toHaveLength(0)
    expect(link().wants.size).toBe(0)
    expect(status()?.inFlight).toBe(0)
  })

  test('is given up by whoever sends it, and nobody is blamed', async () => {
    const { attempt, advanceAlive, status, judge, link } = createGate()
    judge.openIsLate(link())
    const controller = new AbortController()
    await attempt(BITSWAP, { signal: controller.signal, message: message({ blocks: 1 }) } as object)
    await advanceAlive(1000)
    controller.abort(timedOut)
    await settle()
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: true, counts: { totalFailures: 0 } })
  })

  test('of unknown content may take a want back', async () => {
    const { connection, attempt, link } = createOpen()
    link().peerWants = 1
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    expect(opened.stream!.send(wants([cidOf(1)], { cancel: true }))).toBe(true)
  })

  test('of unknown content, if it turned out to be a want, is known to be held back', async () => {
    const { connection, attempt, link, heldBack } = createOpen()
    link().peerWants = 1
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    expect(() => opened.stream!.send(wants([cidOf(1)]))).toThrow(CircuitOpenError)
    expect(heldBack.map(({ reason }) => reason)).toEqual(['OPEN'])
  })

  test('is waited for by whoever sends it, on his signal', async () => {
    const { connection, attempt, advance } = createGate()
    const { signal } = new AbortController()
    const options = { signal, message: message({ blocks: 1 }) } as object
    const opened = await attempt(BITSWAP, options)
    await advance(6000)
    expect(opened).toEqual({ stream: undefined, error: undefined })
    expect(connection.openings[0]!.options?.signal).toBe(signal)
  })
})

describe('streams being opened at once', () => {
  test(`are ${MAX_OPENING} for one peer`, async () => {
    const { connection, attempt, heldBack } = createGate()
    for (let number = 0; number < MAX_OPENING; number++) await attempt(BITSWAP)
    const { error } = await attempt(BITSWAP_PROTOCOLS.slice(1))
    expect(error).toBeInstanceOf(TooManyInFlightError)
    expect(error).toMatchObject({ reason: 'IN_FLIGHT_FULL', state: 'CLOSED' })
    expect(connection.openings).toHaveLength(MAX_OPENING)
    expect(heldBack).toEqual([error])
    await connection.openings[0]!.open()
    await settle()
    expect((await attempt(BITSWAP_PROTOCOLS.slice(1))).error).toBe(undefined)
  })

  test('do not limit other peers', async () => {
    const { node, attempt } = createGate()
    for (let number = 0; number < MAX_OPENING; number++) await attempt(BITSWAP)
    const other = node.connect(peerOf(2))
    expect((await attempt(BITSWAP, undefined, other)).error).toBe(undefined)
  })

  test('beyond the limit say in which state the circuit is', async () => {
    const { protection, key, advance, attempt, link } = createGate({ breaker: { maxRequests: 100 } })
    protection.trip(key)
    await advance(TIMEOUT_MS + 1)
    for (let number = 0; number < MAX_OPENING; number++) await attempt(BITSWAP)
    expect(link().opening).toBe(MAX_OPENING)
    const { error } = await attempt(BITSWAP_PROTOCOLS.slice(1))
    expect(error).toMatchObject({ reason: 'IN_FLIGHT_FULL', state: 'HALF_OPEN' })
  })
})

describe('a peer that is on probation', () => {
  async function createHalfOpen() {
    const created = createGate()
    created.protection.trip(created.key)
    await created.advance(TIMEOUT_MS + 1)
    expect(created.status()?.circuitState).toBe('HALF_OPEN')
    return created
  }

  test('is not waited for', async () => {
    const { attempt, teach } = await createHalfOpen()
    teach(5)
    const opened = await attempt(BITSWAP)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
  })

  test('gets no more streams at once than probes are allowed', async () => {
    const { attempt, connection } = await createHalfOpen()
    await attempt(BITSWAP)
    expect((await attempt(BITSWAP)).error).toBeInstanceOf(TooManyRequestsError)
    expect(connection.openings).toHaveLength(1)
  })

  test('is probed by the want, which takes the place of its stream', async () => {
    const { attempt, connection, status, judge, link } = await createHalfOpen()
    const opened = await attempt(BITSWAP)
    opened.stream!.send(wants([cidOf(1)]))
    await connection.opening.open()
    await settle()
    expect((await attempt(BITSWAP)).error).toBeInstanceOf(TooManyRequestsError)
    judge.toldPresence(link(), cidOf(1).bytes)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isRecovering: true })
  })

  test('is opened again if the want is not answered', async () => {
    const { attempt, connection, advanceAlive, status } = await createHalfOpen()
    const opened = await attempt(BITSWAP)
    opened.stream!.send(wants([cidOf(1)]))
    await connection.opening.open()
    await settle()
    await advanceAlive(WANT_TIMEOUT_MS)
    expect(status()?.circuitState).toBe('OPEN')
  })

  test('may be probed again if the stream was used for nothing', async () => {
    const { attempt, connection } = await createHalfOpen()
    const opened = await attempt(BITSWAP)
    await opened.stream!.close()
    await connection.opening.open()
    await settle()
    expect((await attempt(BITSWAP)).error).toBe(undefined)
  })

  test('is opened again if its stream does not open', async () => {
    const { attempt, advanceAlive, status } = await createHalfOpen()
    await attempt(BITSWAP)
    await advanceAlive(OPEN_TIMEOUT_MS)
    expect(status()?.circuitState).toBe('OPEN')
  })
})

describe('in mode observe', () => {
  function createObserving() {
    return createGate({ mode: 'observe' })
  }

  test('a peer gets its stream although its circuit is open', async () => {
    const { protection, key, connection, attempt, status } = createObserving()
    protection.trip(key)
    const opened = await attempt(BITSWAP)
    const { ours } = await connection.opening.open()
    await settle()
    expect(opened.stream).toBe(ours)
    expect(status()?.circuitState).toBe('OPEN')
  })

  test('a caller waits as long as he would without', async () => {
    const { connection, attempt, advance, link } = createObserving()
    const { signal } = new AbortController()
    const opened = await attempt(BITSWAP, { signal })
    expect(connection.opening.options?.signal).toBe(signal)
    await advance(6000)
    expect(opened).toEqual({ stream: undefined, error: undefined })
    link()
    const { ours } = await connection.openings[0]!.open()
    await settle()
    expect(opened.stream).toBe(ours)
  })

  test('an error is told as it is', async () => {
    const { connection, attempt } = createObserving()
    const opened = await attempt(BITSWAP)
    const error = new UnsupportedProtocolError()
    connection.opening.reject(error)
    await settle()
    expect(opened.error).toBe(error)
  })

  test('a time limit of the caller’s is nobody’s fault', async () => {
    const { attempt, advanceAlive, status } = createObserving()
    const controller = new AbortController()
    const opened = await attempt(BITSWAP, { signal: controller.signal })
    await advanceAlive(1000)
    controller.abort(timedOut)
    await settle()
    expect(opened.error).toBe(timedOut)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', counts: { totalFailures: 0 } })
  })

  test('what would have been refused is counted', async () => {
    const { protection, key, attempt } = createObserving()
    protection.trip(key)
    await attempt(BITSWAP)
    expect(protection.getOverallStatus().rejections.OPEN).toBe(1)
  })

  test('any number of streams may be being opened', async () => {
    const { connection, attempt } = createObserving()
    for (let number = 0; number <= MAX_OPENING; number++) {
      expect((await attempt(BITSWAP)).error).toBe(undefined)
    }
    expect(connection.openings).toHaveLength(MAX_OPENING + 1)
  })

  test('wants are followed', async () => {
    const { connection, attempt, link } = createObserving()
    const opened = await attempt(BITSWAP)
    await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(1)]))
    expect(link().wants.size).toBe(1)
  })
})

describe('in mode off', () => {
  test('nothing is seen', async () => {
    const { protection, peer, connection, node, attempt, follow, status, streams } = createGate({
      mode: 'off'
    })
    const options = { maxOutboundStreams: 1 }
    const opened = await attempt(BITSWAP, options)
    follow(node.connectionManager.openStream(peer, BITSWAP))
    await settle()
    expect(connection.openings[0]!.options).toBe(options)
    const { ours } = await connection.openings[0]!.open()
    await settle()
    expect(opened.stream).toBe(ours)
    expect(streams).toEqual([])
    expect(status()).toBe(undefined)
    expect(protection.getOverallStatus().totalPeers).toBe(0)
  })

  test('no time is kept', async () => {
    const { clock, attempt } = createGate({ mode: 'off' })
    const before = clock.pendingTimers
    await attempt(BITSWAP)
    expect(clock.pendingTimers).toBe(before)
  })
})

describe('a peer that is dialled first', () => {
  function createDialling() {
    const created = createGate()
    const stranger = peerOf(2)
    const { node, follow, protection } = created
    const controller = new AbortController()
    const opened = follow(
      node.connectionManager.openStream(stranger, BITSWAP, { signal: controller.signal, priority: 3 })
    )
    return {
      ...created,
      stranger,
      opened,
      controller,
      dial: () => node.connectionManager.dials[0]!,
      status: () => protection.getPeerStatus(stranger.toString())
    }
  }

  test('is admitted once, for dial and stream together', async () => {
    const { node, dial, stranger, opened, status, advance } = createDialling()
    await advance(2000)
    expect(status()).toMatchObject({ isSuspect: false, inFlight: 1 })
    const connection = node.answer(dial(), stranger)
    await settle()
    expect(status()).toMatchObject({ inFlight: 1, counts: { requests: 1 } })
    const { ours } = await connection.opening.open()
    await settle()
    expect(opened.stream).toBe(ours)
    expect(status()?.counts.requests).toBe(1)
  })

  test('has its time for a stream counted from when the connection stands', async () => {
    const { node, dial, stranger, opened, status, advance } = createDialling()
    await advance(3000)
    node.answer(dial(), stranger)
    await settle()
    await advance(OPEN_WAIT_MS - TICK_MS)
    expect(status()?.isSuspect).toBe(false)
    await advance(TICK_MS)
    expect(status()?.isSuspect).toBe(true)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
  })

  test('fails if it refuses', async () => {
    const { dial, opened, status } = createDialling()
    await settle()
    const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    dial().reject(error)
    await settle()
    expect(opened.error).toBe(error)
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalFailures: 1 } })
  })

  test.each([
    ['a gater denies it', Object.assign(new Error('denied'), { name: 'DialDeniedError' })],
    ['it has no address', Object.assign(new Error('none'), { name: 'NoValidAddressesError' })]
  ])('does not fail because %s', async (_what, error) => {
    const { dial, opened, status } = createDialling()
    await settle()
    dial().reject(error)
    await settle()
    expect(opened.error).toBe(error)
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalFailures: 0, totalExclusions: 1 } })
  })

  test('does not fail because the caller gives up', async () => {
    const { controller, opened, status, advanceAlive } = createDialling()
    await advanceAlive(1000)
    controller.abort(timedOut)
    await settle()
    expect(opened.error).toBe(timedOut)
    expect(status()).toMatchObject({ inFlight: 0, counts: { totalFailures: 0 } })
  })

  test('is not dialled for a caller who has given up before', async () => {
    const { node, follow, links, protection } = createGate()
    const reason = new Error('no longer needed')
    const opened = follow(
      node.connectionManager.openStream(peerOf(3), BITSWAP, { signal: AbortSignal.abort(reason) })
    )
    await settle()
    expect(opened.error).toBe(reason)
    expect(node.connectionManager.dials).toEqual([])
    expect(protection.getPeerStatus(peerOf(3).toString())).toBe(undefined)
    expect(links.size).toBe(1)
  })

  test('keeps the caller’s options', async () => {
    const { node } = createDialling()
    expect(node.connectionManager.calls[0]![2]).toMatchObject({ priority: 3 })
  })

  test('leaves nothing behind when it cannot be reached', async () => {
    const { links, dial } = createDialling()
    await settle()
    dial().reject(new AbortError())
    await settle()
    expect(links.size).toBe(1)
  })

  test('leaves nothing behind when it is gone again', async () => {
    const { links, node, dial, stranger } = createDialling()
    const connection = node.answer(dial(), stranger)
    await settle()
    const { theirs } = await connection.opening.open()
    connection.lose()
    theirs.abort(new Error('gone'))
    await settle()
    expect(links.size).toBe(1)
  })
})

describe('what identify took', () => {
  test('gives a first idea: it is twice the opening of a stream', async () => {
    const { node, connection, advance, link } = createGate()
    await advance(60)
    node.identify(connection)
    expect(link().openTime.meanMs).toBe(30)
  })

  test('is capped: this node may have been busy', async () => {
    const { node, connection, advance, link } = createGate()
    await advance(100_000)
    node.identify(connection)
    expect(link().openTime.meanMs).toBe(2000)
  })

  test('tells nothing new of a peer that is known', async () => {
    const { node, connection, advance, link } = createGate()
    link().openTime.sample(5)
    await advance(1000)
    node.identify(connection)
    expect(link().openTime.meanMs).toBe(5)
  })

  test('tells nothing of a connection that is not guarded', async () => {
    const { node, links } = createGate()
    const before = links.size
    node.identify(new FakeConnection(peerOf(2)))
    expect(links.size).toBe(before)
  })
})

describe('connections', () => {
  test('that stand when the gate starts are guarded', async () => {
    const { gate, node, protection, attempt } = createGate()
    gate.stop()
    const other = node.connect(peerOf(2))
    gate.start()
    protection.trip(peerOf(2).toString())
    expect((await attempt(BITSWAP, undefined, other)).error).toBeInstanceOf(CircuitOpenError)
  })

  test('that are told of twice are guarded once', async () => {
    const { node, connection, attempt, status } = createGate()
    node.events.dispatchEvent(new CustomEvent('connection:open', { detail: connection }))
    await attempt(BITSWAP)
    expect(status()?.counts.requests).toBe(1)
  })

  test('that are closing already are left alone', async () => {
    const { node, links } = createGate()
    const closing = new FakeConnection(peerOf(2))
    closing.status = 'closing'
    const { newStream } = closing
    node.add(closing)
    expect(closing.newStream).toBe(newStream)
    expect(links.size).toBe(1)
  })

  test('that are gone are as they were, and forgotten', async () => {
    const { node, links } = createGate()
    const other = new FakeConnection(peerOf(2))
    const before = Object.getOwnPropertyDescriptor(other, 'newStream')
    node.add(other)
    expect(other.newStream).not.toBe(before?.value)
    other.lose()
    expect(Object.getOwnPropertyDescriptor(other, 'newStream')).toEqual(before)
    expect(other.listenerCount('close')).toBe(1)
    expect(links.size).toBe(1)
  })

  test('of one peer share what is known of it', async () => {
    const { node, peer, protection, key, attempt, links } = createGate()
    const second = node.connect(peer)
    expect(links.size).toBe(1)
    protection.trip(key)
    expect((await attempt(BITSWAP, undefined, second)).error).toBeInstanceOf(CircuitOpenError)
  })

  test('that come and go ten thousand times leave nothing', async () => {
    const { node, links, connection, clock, deadlines } = createGate()
    for (let number = 0; number < 10_000; number++) node.connect(peerOf(2 + (number % 200))).lose()
    connection.lose()
    await settle()
    expect(links.size).toBe(0)
    expect(deadlines.size).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('stopped', () => {
  test('leaves node and connections as they were', () => {
    const { gate, node, connection } = createGate()
    gate.stop()
    expect(Object.hasOwn(node.connectionManager, 'openStream')).toBe(false)
    const fresh = new FakeConnection(peerOf(2))
    expect(connection.newStream.toString()).toBe(fresh.newStream.toString())
    expect(node.events.listenerCount('connection:open')).toBe(0)
    expect(node.events.listenerCount('peer:identify')).toBe(0)
    // That of the node itself.
    expect(connection.listenerCount('close')).toBe(1)
  })

  test('guards no new connection', () => {
    const { gate, node } = createGate()
    gate.stop()
    const other = new FakeConnection(peerOf(2))
    const { newStream } = other
    node.add(other)
    expect(other.newStream).toBe(newStream)
  })
})

test('what is asked of a peer is known', async () => {
  const { connection, attempt, link, deadlines } = createGate()
  deadlines.add(1_000_000, () => {})
  const opened = await attempt(BITSWAP)
  await connection.opening.open()
  await settle()
  opened.stream!.send(wants([cidOf(1), cidOf(2)]))
  expect(link().wants.size).toBe(2)
})
