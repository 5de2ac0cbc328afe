import {
  type Connection,
  type PeerId,
  serviceCapabilities,
  UnsupportedProtocolError
} from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { DeferredStream } from '../../src/bitswap/deferred-stream.ts'
import {
  BitswapProtectionManager,
  bitswapProtection,
  defaultBitswapProtectionOptions
} from '../../src/bitswap/index.ts'
import { BITSWAP, BITSWAP_PROTOCOLS, PING } from '../../src/bitswap/protocols.ts'
import {
  CircuitOpenError,
  InvalidOptionError,
  IsolatedError,
  type Mode,
  ProtectionClosedError,
  RecoverySheddingError,
  SuspectError,
  tripAt
} from '../../src/core/index.ts'
import { STEP_MS, TIMEOUT_MS } from '../support/deterministic-protection.ts'
import { createManager, eventTypes } from './support/manager.ts'
import { blockOf, blocks, cidOf, dontHave, have, wants } from './support/messages.ts'
import { FakeConnection, FakeNode, FakeRegistrar } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { counted, type openPair, reader, settle } from './support/streams.ts'

const OPEN_WAIT_MS = 400
const OPEN_TIMEOUT_MS = 7000
const WANT_TIMEOUT_MS = 2000

const other = peerOf(2)
const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

const severalVersions = ['/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.0.0']

/** A service that is started, with a peer that is connected and speaks Bitswap. */
async function createStarted(init?: Parameters<typeof createManager>[0]) {
  const created = createManager(init)
  const { manager, node, follow, connectKnown, handle } = created
  manager.start()
  await handle()
  const connection = await connectKnown()
  return {
    ...created,
    connection,
    attempt: async (on: FakeConnection = connection, protocols: string | string[] = BITSWAP) => {
      const attempt = follow(on.newStream(protocols))
      await settle()
      return attempt
    },
    /** The peer answers on a stream of its own. */
    answer: async (bytes: Uint8Array, from: FakeConnection = connection) => {
      const { theirs } = await node.receive(from)
      theirs.send(bytes)
      await theirs.close()
      await settle()
    },
    /** Another peer gives a sign of life. */
    live: async () => {
      const { theirs } = await node.receive(
        node.connectionManager.getConnections(other)[0] ?? node.connect(other)
      )
      theirs.send(have(cidOf(12345)))
      await settle()
    }
  }
}

describe('options', () => {
  const create = (init: object) => () => new BitswapProtectionManager(new FakeNode(), init)

  test.each([
    ['openWaitMs', 0],
    ['openWaitMs', '400'],
    ['openTimeoutMs', Number.NaN],
    ['wantTimeoutMs', -1],
    ['wantTimeoutMs', Infinity],
    ['gateDials', 'yes'],
    ['mode', 'loud'],
    ['maxTargets', 0],
    ['maxEjectedShare', 2],
    ['breaker', 7],
    ['preset', 'relay'],
    ['timeout', 100]
  ])('that are wrong are named: %s %o', (name, value) => {
    expect(create({ [name]: value })).toThrow(InvalidOptionError)
    expect(create({ [name]: value })).toThrow(`bitswapProtection.${name}`)
  })

  test('of breaker, health and recovery are checked as well', () => {
    expect(create({ breaker: { timeoutMs: -1 } })).toThrow(InvalidOptionError)
    expect(create({ health: { nonsense: 1 } })).toThrow(InvalidOptionError)
    expect(create({ recovery: { strategy: 'JUMP' } })).toThrow(InvalidOptionError)
  })

  test('that are wrong leave the node alone', () => {
    const node = new FakeNode()
    expect(() => new BitswapProtectionManager(node, { openWaitMs: 0 })).toThrow()
    expect(Object.hasOwn(node.connectionManager, 'openStream')).toBe(false)
    expect(node.events.listenerCount('connection:open')).toBe(0)
  })

  test('left undefined are those by default, which cannot be changed', () => {
    expect(create({ openWaitMs: undefined })).not.toThrow()
    expect(Object.isFrozen(defaultBitswapProtectionOptions)).toBe(true)
    expect(defaultBitswapProtectionOptions).toMatchObject({
      openWaitMs: 400,
      openTimeoutMs: 7000,
      wantTimeoutMs: 2000,
      gateDials: false,
      mode: 'enforce'
    })
  })

  test('count: of how long streams are waited for', async () => {
    const { advance, attempt, node } = await createStarted({ openWaitMs: 1000 })
    const connection = node.connect(peerOf(5))
    const opened = await attempt(connection)
    await advance(900)
    expect(opened.stream).toBe(undefined)
    await advance(100)
    expect(opened.stream).toBeInstanceOf(DeferredStream)
  })

  test('count: of how long streams and wants may take', async () => {
    const { connection, ask, advance, live, status, attempt } = await createStarted({
      openTimeoutMs: 1000,
      wantTimeoutMs: 500
    })
    await ask(connection, cidOf(1))
    await advance(100)
    await live()
    await advance(400)
    expect(status()?.counts.totalFailures).toBe(1)
    await attempt()
    await advance(900)
    await live()
    expect(connection.opening.options?.signal?.aborted).toBe(false)
    await advance(100)
    expect(connection.opening.options?.signal?.aborted).toBe(true)
    expect(status()?.circuitState).toBe('OPEN')
  })
})

describe('as a service', () => {
  test('is made by a factory of the node', () => {
    const manager = bitswapProtection({ mode: 'observe' })(new FakeNode())
    expect(manager).toBeInstanceOf(BitswapProtectionManager)
    expect(manager.mode).toBe('observe')
    expect(() => bitswapProtection({ openWaitMs: 0 })(new FakeNode())).toThrow(InvalidOptionError)
  })

  test('says what it is', () => {
    const { manager } = createManager()
    expect(manager[serviceCapabilities]).toEqual(['bitswap-protection'])
    expect(Object.prototype.toString.call(manager)).toBe('[object bitswap-protection]')
  })

  test('does nothing before it is started', async () => {
    const { node, clock, open, follow, peer } = createManager()
    const connection = node.connect(peer)
    await open()
    follow(connection.newStream(BITSWAP))
    expect(connection.openings).toHaveLength(1)
    expect(Object.hasOwn(node.registrar, 'getHandler')).toBe(false)
    expect(clock.pendingTimers).toBeLessThanOrEqual(1)
  })

  test('works from before the node dials, and is started once', async () => {
    const { manager, node, peer, follow, status } = createManager()
    await manager.beforeStart()
    manager.start()
    const connection = node.connect(peer)
    follow(connection.newStream(BITSWAP))
    await settle()
    expect(connection.openings).toHaveLength(1)
    expect(status()?.counts.requests).toBe(1)
    manager.stop()
    expect(Object.hasOwn(node.connectionManager, 'openStream')).toBe(false)
  })
})

describe('stopped', () => {
  test('it leaves the node exactly as it was', async () => {
    const { manager, node, peer, clock } = createManager({ gateDials: true })
    const denyDialPeer = (): boolean => false
    node.connectionGater.denyDialPeer = denyDialPeer
    const connection = new FakeConnection(peer)
    const newStream = Object.getOwnPropertyDescriptor(connection, 'newStream')
    node.add(connection)
    const listeners = connection.listenerCount('close')
    manager.start()
    expect(connection.newStream).not.toBe(newStream?.value)
    expect(node.connectionGater.denyDialPeer).not.toBe(denyDialPeer)
    manager.stop()
    expect(Object.getOwnPropertyDescriptor(connection, 'newStream')).toEqual(newStream)
    expect(connection.listenerCount('close')).toBe(listeners)
    expect(Object.hasOwn(node.connectionManager, 'openStream')).toBe(false)
    expect(Object.hasOwn(node.registrar, 'getHandler')).toBe(false)
    expect(node.registrar.getHandler).toBe(FakeRegistrar.prototype.getHandler)
    expect(node.connectionGater.denyDialPeer).toBe(denyDialPeer)
    expect(node.events.listenerCount('connection:open')).toBe(0)
    expect(node.events.listenerCount('peer:identify')).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  })

  test('in the middle of everything, it has no timer, and blames nobody', async () => {
    const { manager, connection, clock, ask, attempt, advance, status, open } = await createStarted()
    await ask(connection, cidOf(1), cidOf(2))
    await attempt()
    await advance(OPEN_WAIT_MS)
    await open(other)
    expect(status()).toMatchObject({ isSuspect: true, pendingWants: 2 })
    manager.stop()
    await settle()
    expect(clock.pendingTimers).toBe(0)
    expect(status()).toMatchObject({ isSuspect: false, pendingWants: 0, inFlight: 0, isConnected: false })
    expect(status()?.counts.totalFailures).toBe(0)
  })

  test('it forgets what belongs to connections', async () => {
    const { manager, attempt, advance, connection, status } = await createStarted()
    await attempt()
    await advance(80)
    await connection.opening.open()
    await settle()
    expect(status()?.openTimeMs).toBeGreaterThan(0)
    manager.stop()
    expect(status()?.openTimeMs).toBe(0)
  })

  test('it leaves nobody waiting for a stream', async () => {
    const { manager, attempt } = await createStarted()
    const opened = await attempt()
    manager.stop()
    await settle()
    expect(opened.stream).toBeDefined()
  })

  test('it no longer looks at streams that are still open', async () => {
    const { manager, connection, clock, follow } = await createStarted()
    const opened = follow(connection.newStream(BITSWAP))
    await settle()
    const { theirs } = await connection.opening.open()
    await settle()
    manager.stop()
    const received = reader(theirs)
    reader(opened.stream!)
    opened.stream!.send(wants([cidOf(1)]))
    theirs.send(have(cidOf(1)))
    await settle()
    theirs.abort(new Error('go away'))
    await settle()
    expect(received.bytes).toEqual(wants([cidOf(1)]))
    expect(clock.pendingTimers).toBe(0)
  })

  test('it announces nobody', async () => {
    const { manager, node, open, clock } = await createStarted()
    const told = node.follow()
    await open()
    manager.stop()
    clock.advance(TIMEOUT_MS + 1)
    manager.release(peerOf(1))
    manager.getOverallStatus()
    await settle()
    expect(told).toEqual([])
  })

  test('twice it is stopped once', () => {
    const { manager } = createManager()
    manager.stop()
    manager.start()
    manager.stop()
    manager.stop()
    expect(manager.getOverallStatus().totalPeers).toBe(0)
  })

  test('and started a thousand times it leaves nothing behind', async () => {
    const { manager, node, peer, clock } = createManager({ gateDials: true })
    const connection = new FakeConnection(peer)
    const { newStream } = connection
    node.add(connection)
    for (let cycle = 0; cycle < 1000; cycle++) {
      await manager.beforeStart()
      manager.start()
      manager.stop()
    }
    await settle()
    expect(connection.newStream).toBe(newStream)
    expect(connection.listenerCount('close')).toBe(1)
    expect(Object.hasOwn(node.connectionManager, 'openStream')).toBe(false)
    expect(Object.keys(node.connectionGater)).toEqual([])
    expect(node.events.listenerCount('connection:open')).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('started again', () => {
  test('it knows what it knew, and guards what there is', async () => {
    const { manager, open, attempt, status, connection } = await createStarted()
    await open()
    manager.stop()
    expect(status()?.circuitState).toBe('OPEN')
    expect((await attempt()).error).toBe(undefined)
    manager.start()
    expect((await attempt()).error).toBeInstanceOf(CircuitOpenError)
    expect(connection.openings).toHaveLength(1)
    expect(status()?.isConnected).toBe(true)
  })

  test('it looks after what becomes due, without being asked', async () => {
    const { manager, open, advance, events } = await createStarted()
    const told = events()
    await open()
    manager.stop()
    await advance(500)
    manager.start()
    await advance(500 + 1)
    expect(told.map(({ type }) => type)).toContain('circuit:half-open')
  })

  test('it lets what became due happen', async () => {
    const { manager, open, status, advance } = await createStarted()
    await open()
    manager.stop()
    await advance(TIMEOUT_MS + 1)
    manager.start()
    expect(status()?.circuitState).toBe('HALF_OPEN')
  })

  test('it is not confused by a call that began before', async () => {
    const { manager, peer, status, node, open, follow } = await createStarted()
    const { promise, resolve } = Promise.withResolvers<void>()
    const call = manager.executeRequest(peer, () => promise)
    manager.stop()
    manager.start()
    expect(status()?.isConnected).toBe(true)
    resolve()
    await call
    expect(status()?.isConnected).toBe(true)
    // And knows that it need not be dialled.
    await open()
    const opened = follow(node.connectionManager.openStream(peer, BITSWAP))
    await settle()
    expect(opened.error).toBeInstanceOf(CircuitOpenError)
  })

  test('it is not confused by a stream that was being opened before', async () => {
    const { manager, status, attempt } = await createStarted()
    await attempt()
    manager.stop()
    manager.start()
    await settle()
    expect(status()?.isConnected).toBe(true)
  })

  test('while a call goes on, its streams belong to it as before', async () => {
    const { manager, peer, connection, attempt, open } = await createStarted()
    const { promise, resolve } = Promise.withResolvers<void>()
    const call = manager.executeRequest(peer, () => promise)
    manager.stop()
    manager.start()
    await open()
    const opened = await attempt()
    expect(opened.error).toBe(undefined)
    expect(connection.openings).toHaveLength(1)
    resolve()
    await call
  })
})

describe('closed', () => {
  test('it makes no more calls', async () => {
    const { manager, peer, clock } = await createStarted()
    manager.close()
    await expect(manager.executeRequest(peer, () => 1)).rejects.toBeInstanceOf(ProtectionClosedError)
    expect(clock.pendingTimers).toBe(0)
  })

  test('it protects nothing any more', async () => {
    const { manager, open, attempt } = await createStarted()
    await open()
    manager[Symbol.dispose]()
    expect((await attempt()).error).toBe(undefined)
  })

  test('it stands in nobody’s way, also when the node is started again', async () => {
    const { manager, attempt, connection } = await createStarted()
    manager.close()
    await manager.beforeStart()
    manager.start()
    const opened = await attempt()
    expect(opened.error).toBe(undefined)
    expect(connection.openings).toHaveLength(1)
    manager.stop()
  })

  test('twice is no harm, nor before it was started', () => {
    const { manager } = createManager()
    manager.close()
    manager.close()
    expect(manager.getOverallStatus().totalPeers).toBe(0)
  })
})

describe('an executeRequest', () => {
  test('returns what the call returns, and counts', async () => {
    const { manager, peer, status } = createManager()
    expect(await manager.executeRequest(peer, () => 'done')).toBe('done')
    expect(status()?.counts.totalSuccesses).toBe(1)
    const failure = new Error('no')
    await expect(manager.executeRequest(peer, () => Promise.reject(failure))).rejects.toBe(failure)
    expect(status()?.counts.totalFailures).toBe(1)
  })

  test('is rejected while the circuit is open, without calling', async () => {
    const { manager, peer, open } = createManager()
    await open()
    let calls = 0
    const call = manager.executeRequest(peer, () => calls++)
    await expect(call).rejects.toBeInstanceOf(CircuitOpenError)
    expect(calls).toBe(0)
  })

  test('hands on signal and time limit', async () => {
    const { manager, peer, clock } = createManager()
    const signals: AbortSignal[] = []
    const controller = new AbortController()
    const hang = ({ signal }: { signal: AbortSignal }): Promise<never> => {
      signals.push(signal)
      return new Promise(() => {})
    }
    const aborted = manager.executeRequest(peer, hang, { signal: controller.signal })
    const reason = new Error('no longer needed')
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    const late = manager.executeRequest(peer, hang, { timeoutMs: 100 })
    clock.advance(100)
    await expect(late).rejects.toMatchObject({ name: 'CallTimeoutError' })
    expect(signals.map(signal => signal.aborted)).toEqual([true, true])
  })

  test('carries its streams: they are not asked for again, and settle nothing', async () => {
    const { manager, connection, follow, status, advance, live } = await createStarted()
    const { counts } = status()!
    await manager.executeRequest(peerOf(1), async () => {
      const opened = follow(connection.newStream(BITSWAP))
      await settle()
      await connection.opening.open()
      await settle()
      opened.stream!.send(wants([cidOf(1)]))
      expect(status()).toMatchObject({ inFlight: 1, pendingWants: 0 })
    })
    await advance(1000)
    await live()
    await advance(WANT_TIMEOUT_MS)
    expect(status()?.counts).toEqual({
      ...counts,
      requests: counts.requests + 1,
      totalSuccesses: counts.totalSuccesses + 1,
      consecutiveSuccesses: counts.consecutiveSuccesses + 1
    })
  })

  test('carries the probe of a circuit that is half-open', async () => {
    const { manager, connection, follow, open, advance, status } = await createStarted()
    await open()
    await advance(TIMEOUT_MS + 1)
    await manager.executeRequest(peerOf(1), async () => {
      // The one probe there may be is taken, by this very call.
      const opened = follow(connection.newStream(BITSWAP))
      await settle()
      await connection.opening.open()
      await settle()
      expect(opened.error).toBe(undefined)
    })
    expect(status()?.circuitState).toBe('CLOSED')
  })

  test('that is refused by another way carries nothing', async () => {
    const { manager, peer, attempt, open } = await createStarted()
    await open()
    await manager.executeRequest(peer, () => {}).catch(() => {})
    expect((await attempt()).error).toBeInstanceOf(CircuitOpenError)
  })

  test('leaves nothing behind of a peer that is not connected', async () => {
    const { manager } = createManager()
    for (let number = 1; number < 20; number++) await manager.executeRequest(peerOf(number), () => {})
    expect([...manager.peers()].map(({ isConnected }) => isConnected)).not.toContain(true)
  })
})

describe('what a peer sends', () => {
  test('answers what it was asked', async () => {
    const { connection, ask, answer, advance, status } = await createStarted()
    const { cid, prefix, data } = await blockOf(1)
    await ask(connection, cid, cidOf(2), cidOf(3))
    expect(status()?.pendingWants).toBe(3)
    await advance(100)
    await answer(blocks({ prefix, data }))
    await answer(dontHave(cidOf(2)))
    await answer(have(cidOf(3)))
    expect(status()).toMatchObject({ pendingWants: 0, inFlight: 0 })
    expect(status()?.counts.totalSuccesses).toBe(3)
  })

  test('reaches the handler unchanged, also one that reads late', async () => {
    const { node, connection } = await createStarted()
    const handled = await createHandled(node)
    const { theirs } = await node.receive(connection)
    theirs.send(wants([cidOf(1), cidOf(2)]))
    theirs.send(have(cidOf(1)))
    await settle()
    const [stream] = handled
    const read = reader(stream!)
    await settle()
    expect(read.bytes).toEqual(Uint8Array.of(...wants([cidOf(1), cidOf(2)]), ...have(cidOf(1))))
  })

  test('may be garbage, which nobody gets to read and which disturbs nobody', async () => {
    const { node, connection, status } = await createStarted()
    const handled = await createHandled(node)
    const { theirs } = await node.receive(connection)
    const read = reader(handled[0]!)
    theirs.send(new Uint8Array(100).fill(255))
    theirs.send(counted(100_000))
    await settle()
    expect(read.bytes).toHaveLength(0)
    expect(handled[0]!.status).toBe('aborted')
    expect(theirs.status).toBe('reset')
    expect(node.errors).toEqual([])
    expect(status()?.counts.totalFailures ?? 0).toBe(0)
  })

  test('may be garbage, which in mode observe reaches the handler unchanged', async () => {
    const { manager, node, connection } = await createStarted()
    manager.mode = 'observe'
    const handled = await createHandled(node)
    const { theirs } = await node.receive(connection)
    const read = reader(handled[0]!)
    theirs.send(new Uint8Array(100).fill(255))
    theirs.send(counted(100_000))
    await settle()
    expect(read.bytes).toHaveLength(100_100)
    expect(handled[0]!.status).toBe('open')
  })

  test('that is corrupt earns a peer that is distrusted nothing', async () => {
    const { manager, peer, connection, ask, answer, status } = await createStarted()
    const { cid, prefix, data } = await blockOf(1)
    await manager.executeRequest(peer, () => Promise.reject(new Error('no'))).catch(() => {})
    const before = status()!.counts.totalSuccesses
    await ask(connection, cid)
    await answer(blocks({ prefix, data: data.map(byte => byte ^ 1) }))
    expect(status()).toMatchObject({ pendingWants: 1 })
    await answer(blocks({ prefix, data }))
    expect(status()).toMatchObject({ pendingWants: 0 })
    expect(status()!.counts.totalSuccesses).toBe(before + 1)
  })

  test('in mode off is handled as it comes', async () => {
    const { manager, node, connection } = await createStarted({ mode: 'off' })
    const { ours } = await node.receive(connection)
    // Nobody has put a method of his own in front of those of the stream.
    expect(Object.keys(ours)).not.toContain('send')
    expect(Object.keys(ours)).not.toContain('dispatchEvent')
    manager.mode = 'enforce'
    expect(Object.keys((await node.receive(connection)).ours)).toContain('dispatchEvent')
  })

  test('in mode off is not looked at', async () => {
    const { manager, connection, ask, answer, status } = await createStarted()
    await ask(connection, cidOf(1))
    manager.mode = 'off'
    await answer(have(cidOf(1)))
    expect(status()?.pendingWants).toBe(1)
  })

  test('says what it wants, so that it can be answered although its circuit is open', async () => {
    const { connection, attempt, answer, open } = await createStarted()
    await open()
    expect((await attempt()).error).toBeInstanceOf(CircuitOpenError)
    await answer(wants([cidOf(1)]))
    const opened = await attempt()
    await connection.opening.open()
    await settle()
    expect(opened.stream!.send(have(cidOf(1)))).toBe(true)
    expect((await attempt()).error).toBeInstanceOf(CircuitOpenError)
  })

  test('and takes back is not wanted any more', async () => {
    const { attempt, answer, open } = await createStarted()
    await open()
    await answer(wants([cidOf(1)]))
    await answer(wants([cidOf(1)], { cancel: true }))
    expect((await attempt()).error).toBeInstanceOf(CircuitOpenError)
  })

  /** Streams that were handled, of which nobody has read yet. */
  async function createHandled(node: FakeNode) {
    const handled: Array<Awaited<ReturnType<typeof openPair>>[0]> = []
    await node.registrar.handle(BITSWAP, stream => {
      handled.push(stream)
    })
    return handled
  }
})

describe('a peer that does not answer', () => {
  test('is opened, and others are not', async () => {
    const { connection, ask, answer, advance, live, status } = await createStarted()
    for (let number = 0; number < 2; number++) await ask(connection, cidOf(number))
    await advance(1000)
    await live()
    await answer(new Uint8Array())
    await advance(1000)
    expect(status()).toMatchObject({ circuitState: 'OPEN', lastTrip: { reason: 'FAILURES' } })
    expect(status(other)?.circuitState ?? 'CLOSED').toBe('CLOSED')
  })

  test('is not blamed when nobody answers', async () => {
    const { connection, ask, advance, status } = await createStarted()
    await ask(connection, cidOf(1), cidOf(2), cidOf(3))
    await advance(WANT_TIMEOUT_MS)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', pendingWants: 0, counts: { totalFailures: 0 } })
  })
})

describe('a peer that was held back is announced again', () => {
  /** As Bitswap does when it is told of a peer: it sends what is wanted. */
  function sendOn(attempts: unknown[]) {
    return {
      onConnect: async (_peer: PeerId, connection: Connection): Promise<void> => {
        await connection.newStream(BITSWAP).then(
          () => attempts.push('sent'),
          error => attempts.push(error)
        )
      }
    }
  }

  test('when it may be probed: once, to each who speaks Bitswap', async () => {
    const { node, connection, open, advance, peer } = await createStarted()
    const told = [node.follow(BITSWAP_PROTOCOLS), node.follow(['/ipfs/bitswap/1.1.0'])]
    const unrelated = node.follow([PING])
    await open()
    await advance(TIMEOUT_MS)
    expect(told).toEqual([[], []])
    await advance(1)
    expect(told).toEqual([[[peer, connection]], [[peer, connection]]])
    expect(unrelated).toEqual([])
  })

  test('when it may be probed: what is sent then is the probe', async () => {
    const { node, connection, open, advance, status, answer } = await createStarted()
    const sent: unknown[] = []
    node.follow([BITSWAP], sendOn(sent))
    await open()
    await advance(TIMEOUT_MS + 1)
    expect(sent).toEqual(['sent'])
    expect(connection.openings).toHaveLength(1)
    const { ours } = await connection.opening.open()
    await settle()
    ours.send(wants([cidOf(1)]))
    await answer(have(cidOf(1)))
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isRecovering: true })
  })

  test('when its circuit closes', async () => {
    const { manager, node, peer, open, advance } = await createStarted()
    await open()
    await advance(TIMEOUT_MS + 1)
    const told = node.follow()
    await manager.executeRequest(peer, () => {})
    expect(told).toHaveLength(1)
  })

  test('when it is released', async () => {
    const { manager, node, peer, connection, attempt } = await createStarted()
    const told = node.follow()
    manager.isolate(peer)
    expect((await attempt()).error).toBeInstanceOf(IsolatedError)
    expect(told).toEqual([])
    manager.release(peer)
    expect(told).toEqual([[peer, connection]])
  })

  test('when it is released by its id as text', async () => {
    const { manager, node, peer, connection } = await createStarted()
    const id = peer.toString()
    const told = node.follow()
    manager.isolate(id)
    expect(manager.getPeerStatus(id)).toMatchObject({ isIsolated: true })
    expect(manager.explain(id)?.verdict).toContain('Isolated')
    expect(manager.getHealth(id)?.status).toBe('UNKNOWN')
    manager.release(id)
    expect(told).toEqual([[peer, connection]])
    expect(() => manager.isolate('nobody')).toThrow(
      expect.objectContaining({ option: 'peer', value: 'nobody' })
    )
    expect(manager.getPeerStatus('nobody')).toBe(undefined)
  })

  test('when a suspicion turns out to be wrong', async () => {
    const { node, connection, attempt, advance } = await createStarted()
    const told = node.follow()
    await attempt()
    await advance(OPEN_WAIT_MS)
    // Which of them it will be is not known, so nothing can stand for the stream.
    expect((await attempt(connection, severalVersions)).error).toBeInstanceOf(SuspectError)
    await advance(400)
    expect(told).toEqual([])
    await connection.openings[0]!.open()
    await settle()
    expect(told).toHaveLength(1)
  })

  test('not when a suspicion was wrong and all that was held back is sent', async () => {
    const { node, connection, attempt, advance } = await createStarted()
    const told = node.follow()
    await attempt()
    await advance(OPEN_WAIT_MS)
    await attempt()
    await connection.openings[0]!.open()
    await advance(1000)
    expect(connection.openings).toHaveLength(2)
    expect(told).toEqual([])
  })

  test('not when a suspicion was wrong and nothing was held back', async () => {
    const { node, connection, attempt, advance } = await createStarted()
    const told = node.follow()
    await attempt()
    await advance(OPEN_WAIT_MS)
    await connection.opening.open()
    await advance(1000)
    expect(told).toEqual([])
  })

  test('not for what was lost because it does not offer Bitswap any more', async () => {
    const { node, connection, attempt, advance } = await createStarted()
    const told = node.follow()
    await attempt()
    await advance(OPEN_WAIT_MS)
    connection.opening.reject(new UnsupportedProtocolError())
    await advance(5000)
    expect(told).toEqual([])
  })

  test.each([
    ['something on this side', new Error('?')],
    ['a reset, of which one opens no circuit', Object.assign(new Error(''), { name: 'StreamResetError' })]
  ])('when a message taken from its caller was lost, and the peer is well: %s', async (_what, error) => {
    const { node, connection, attempt, advance, status } = await createStarted()
    const told = node.follow()
    const opened = await attempt()
    await advance(OPEN_WAIT_MS)
    opened.stream!.send(wants([cidOf(1)]))
    connection.opening.reject(error)
    // Nothing else would bring it back: whoever sent it takes it for sent.
    await advance(2000)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: false })
    expect(told).toHaveLength(1)
  })

  test('when one of its connections is gone, with wants that went out on it', async () => {
    const { node, peer, connection, ask, advance, status } = await createStarted()
    node.connect(peer)
    const told = node.follow()
    await ask(connection, cidOf(1))
    expect(status()?.pendingWants).toBe(1)
    connection.lose()
    await advance(2000)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: false, pendingWants: 0 })
    expect(told).toHaveLength(1)
  })

  test('not for a message whose caller knows that it was not sent', async () => {
    const { node, connection, attempt, advance } = await createStarted()
    const told = node.follow()
    const opened = await attempt()
    const error = new Error('?')
    connection.opening.reject(error)
    await settle()
    expect(opened.error).toBe(error)
    await advance(5000)
    expect(told).toEqual([])
  })

  test('when it was held back for a limit on this side that is gone', async () => {
    const { manager, node, attempt, advance } = await createStarted({ maxInFlight: 1 })
    const told = node.follow()
    const { promise, resolve } = Promise.withResolvers<void>()
    const call = manager.executeRequest(other, () => promise)
    expect((await attempt()).error).toMatchObject({ reason: 'IN_FLIGHT_FULL' })
    await advance(1000)
    resolve()
    await call
    await advance(1000)
    expect(told).toHaveLength(1)
  })

  test('when it was held back because too many streams were being opened, once they are', async () => {
    const { node, connection, attempt, advance } = await createStarted()
    const told = node.follow()
    for (let number = 0; number < 32; number++) await attempt()
    expect((await attempt(connection, severalVersions)).error).toMatchObject({ reason: 'IN_FLIGHT_FULL' })
    await advance(300)
    expect(told).toEqual([])
    for (const opening of connection.openings) await opening.open()
    await advance(100)
    expect(told).toHaveLength(1)
  })

  test('when all probes were taken, and came to nothing', async () => {
    const { node, connection, attempt, advance, open, status } = await createStarted()
    await open()
    await advance(TIMEOUT_MS + 1)
    const told = node.follow()
    const opened = await attempt()
    expect((await attempt()).error).toMatchObject({ reason: 'HALF_OPEN_FULL' })
    // Looked at while the stream is still being opened, and not late.
    await advance(75)
    // Used for nothing, so nobody learned whether the peer is well.
    await opened.stream!.close()
    await connection.opening.open()
    await advance(1000)
    expect(status()?.circuitState).toBe('HALF_OPEN')
    expect(told.length).toBeGreaterThan(0)
  })

  test('when all probes were taken by wants of which nothing was learned', async () => {
    const { node, connection, attempt, advance, open, status } = await createStarted()
    await open()
    await advance(TIMEOUT_MS + 1)
    const told = node.follow()
    const opened = await attempt()
    await connection.opening.open()
    await settle()
    // Who lacks the block may leave it at that.
    opened.stream!.send(wants([cidOf(1)], { sendDontHave: false }))
    expect((await attempt()).error).toMatchObject({ reason: 'HALF_OPEN_FULL' })
    await advance(1000)
    expect(told).toEqual([])
    await advance(WANT_TIMEOUT_MS)
    expect(status()).toMatchObject({ circuitState: 'HALF_OPEN', pendingWants: 0 })
    expect(told.length).toBeGreaterThan(0)
  })

  test('when a want was refused on a stream that was let through for answers', async () => {
    const { node, connection, attempt, answer, open, advance, manager, peer } = await createStarted({
      recovery: { recoverySteps: [0.1, 1], recoveryIntervalMs: 60_000 }
    })
    await open()
    await advance(TIMEOUT_MS + 1)
    await manager.executeRequest(peer, () => {})
    await manager.executeRequest(peer, () => {})
    await answer(wants([cidOf(1)]))
    const told = node.follow()
    const opened = await attempt()
    await connection.opening.open()
    await settle()
    expect(() => opened.stream!.send(wants([cidOf(2)]))).toThrow(RecoverySheddingError)
    await advance(2000)
    expect(told).toHaveLength(1)
  })

  test('over a limited connection only to who wants to know of such', async () => {
    const { node, open, advance, follow } = await createStarted()
    const peer = peerOf(7)
    const connection = node.connect(peer, { seconds: 60 })
    follow(connection.newStream(BITSWAP, { runOnLimitedConnection: true }))
    await connection.opening.open()
    await settle()
    const told = node.follow()
    const toldAll = node.follow([BITSWAP], { notifyOnLimitedConnection: true })
    await open(peer)
    await advance(TIMEOUT_MS + 1)
    expect(told).toEqual([])
    expect(toldAll).toEqual([[peer, connection]])
  })

  test('and is not looked at while its circuit is open: the end of that is told', async () => {
    const { clock, open, advance, attempt } = await createStarted()
    await open()
    await advance(100)
    const before = clock.pendingTimers
    expect((await attempt()).error).toBeInstanceOf(CircuitOpenError)
    expect(clock.pendingTimers).toBe(before + 1)
    await advance(100)
    expect(clock.pendingTimers).toBe(before)
  })

  test('not without a connection', async () => {
    const { node, connection, open, advance } = await createStarted()
    const told = node.follow()
    await open()
    connection.lose()
    await advance(TIMEOUT_MS + 1)
    expect(told).toEqual([])
  })

  test('not if it was never found to speak Bitswap, and nothing was held back', async () => {
    const { node, open, advance } = await createStarted()
    node.connect(other)
    const told = node.follow()
    await open(other)
    await advance(TIMEOUT_MS + 1)
    expect(told).toEqual([])
  })

  test('not in mode observe, where nothing is held back', async () => {
    const { node, open, advance } = await createStarted({ mode: 'observe' })
    const told = node.follow()
    await open()
    await advance(TIMEOUT_MS + 1)
    expect(told).toEqual([])
  })

  test('whoever is told may fail: that is logged, and no more', async () => {
    const { node, open, advance, attempt } = await createStarted()
    node.follow([BITSWAP], { onConnect: () => Promise.reject(new Error('no')) })
    await open()
    await advance(TIMEOUT_MS + 1)
    expect(node.errors.map(([what]) => what)).toEqual(['could not announce %p - %e'])
    expect((await attempt()).error).toBe(undefined)
  })
})

describe('a sole holder that recovers', () => {
  /** A peer that is let in one time in ten, of which just now it was. */
  async function createRecovering(share = 0.1) {
    const created = await createStarted({
      recovery: { recoverySteps: [share, 1], recoveryIntervalMs: 60_000, successThreshold: 2 }
    })
    const { manager, peer, open, advance, status } = created
    await open()
    await advance(TIMEOUT_MS + 1)
    // The probe, and the first call of the recovery.
    await manager.executeRequest(peer, () => {})
    await manager.executeRequest(peer, () => {})
    expect(status()).toMatchObject({ isRecovering: true, recoveryRate: share })
    return created
  }

  test.each([
    [0.5, 100],
    [0.1, 500],
    [0.02, 2500]
  ])('with a share of %d is announced within %d ms, and let in', async (share, withinMs) => {
    const { node, connection, attempt, advance } = await createRecovering(share)
    const told: string[] = []
    node.follow([BITSWAP], {
      onConnect: async (_peer, on) => {
        told.push(await on.newStream(BITSWAP).then(() => 'let in', String))
      }
    })
    expect((await attempt()).error).toBeInstanceOf(RecoverySheddingError)
    await advance(withinMs)
    expect(told).toEqual(['let in'])
    expect(connection.openings).toHaveLength(1)
  })

  test('is announced once for all that was held back meanwhile', async () => {
    const { node, attempt, advance } = await createRecovering()
    const told = node.follow()
    for (let number = 0; number < 5; number++) await attempt()
    await advance(5000)
    expect(told).toHaveLength(1)
  })

  test('earns no more than its share, however much is held back', async () => {
    const { node, attempt, advance } = await createRecovering(0.02)
    const told = node.follow()
    for (let number = 0; number < 5; number++) await attempt()
    await advance(2000)
    expect(told).toEqual([])
    await advance(500)
    expect(told).toHaveLength(1)
  })

  test('is not looked after once nothing is held back', async () => {
    const { node, attempt, advance, clock } = await createRecovering()
    const before = clock.pendingTimers
    const told = node.follow()
    await attempt()
    expect(clock.pendingTimers).toBe(before + 1)
    await advance(5000)
    expect(told).toHaveLength(1)
    expect(clock.pendingTimers).toBe(before)
  })

  test('is not looked after once it is gone', async () => {
    const { node, connection, attempt, advance, clock } = await createRecovering()
    const before = clock.pendingTimers
    const told = node.follow()
    await attempt()
    connection.lose()
    await advance(5000)
    expect(told).toEqual([])
    expect(clock.pendingTimers).toBe(before)
  })

  test('is not announced while its circuit is open again', async () => {
    const { node, manager, peer, attempt, advance, status } = await createRecovering()
    const told = node.follow()
    await attempt()
    manager.isolate(peer)
    await advance(2000)
    expect(told).toEqual([])
    expect(status()?.isIsolated).toBe(true)
  })
})

describe('events', () => {
  test('tell of each step, with the peer', async () => {
    const { manager, peer, open, advance, events, clock } = await createStarted()
    const told = events()
    await open()
    await advance(TIMEOUT_MS + 1)
    await manager.executeRequest(peer, () => {})
    for (let step = 0; step < 3; step++) {
      await advance(STEP_MS)
      for (let call = 0; call < 4; call++) await manager.executeRequest(peer, () => {}).catch(() => {})
    }
    const types = told.map(({ type }) => type).filter(type => type !== 'health:change')
    expect(types).toEqual([
      'circuit:open',
      'circuit:half-open',
      'circuit:close',
      'recovery:start',
      'recovery:complete'
    ])
    expect(told[0]!.detail).toEqual({
      type: 'circuit:open',
      key: peer.toString(),
      peer,
      from: 'CLOSED',
      to: 'OPEN',
      at: clock.wallTime() - clock.now() + 0
    })
  })

  test('tell of a relapse, of health, and of what is done by hand', async () => {
    const { manager, peer, open, advance, events } = await createStarted({
      health: { minRequests: 1 } as object
    })
    const told = events()
    await open()
    await advance(TIMEOUT_MS + 1)
    await manager.executeRequest(peer, () => {})
    await open()
    await advance(STEP_MS)
    await open()
    manager.isolate(peer)
    manager.release(peer)
    const types = new Set(told.map(({ type }) => type))
    for (const type of ['recovery:relapse', 'health:change', 'isolate', 'release'])
      expect(types).toContain(type)
    for (const { type, detail } of told) {
      expect(detail).toMatchObject({ type, key: peer.toString(), peer })
      expect(eventTypes).toContain(type)
    }
  })

  test('of a peer that is not connected have its id all the same', async () => {
    const { manager, open, events } = createManager()
    manager.start()
    const told = events()
    await open(peerOf(3))
    const { peer } = told[0]!.detail as { peer: PeerId }
    expect(peer.equals(peerOf(3))).toBe(true)
  })

  test('of the record that many peers share are of no peer, and not told', async () => {
    const { manager, open, events } = createManager({ maxTargets: 1 })
    manager.isolate(peerOf(9))
    const told = events()
    await open(peerOf(3))
    await open(peerOf(4))
    // The calls to the second one, for what the first did.
    expect(manager.getOverallStatus().rejections.OPEN).toBe(2)
    expect(told).toEqual([])
  })

  test('are told also while it is stopped, when somebody asks', async () => {
    const { manager, open, advance, events } = await createStarted()
    const told = events()
    await open()
    manager.stop()
    await advance(TIMEOUT_MS + 1)
    manager.getPeerStatus(peerOf(1))
    expect(told.map(({ type }) => type)).toContain('circuit:half-open')
  })

  test('are not told to who has stopped listening', async () => {
    const { manager, open } = createManager()
    const told: unknown[] = []
    const listener = (event: unknown): void => {
      told.push(event)
    }
    manager.addEventListener('circuit:open', listener)
    manager.removeEventListener('circuit:open', listener)
    await open()
    expect(told).toEqual([])
  })
})

describe('the status of a peer', () => {
  test('is unknown as long as nothing happened', () => {
    const { manager, peer, status } = createManager()
    expect(status()).toBe(undefined)
    expect(manager.getHealth(peer)).toBe(undefined)
    expect(manager.explain(peer)).toBe(undefined)
    expect([...manager.peers()]).toEqual([])
    manager.release(peer)
    expect(status()).toBe(undefined)
  })

  test('says how it stands, and whether it is connected', async () => {
    const { connection, manager, peer, ask, advance, attempt, status } = await createStarted()
    await ask(connection, cidOf(1), cidOf(2))
    await attempt()
    await advance(80)
    await connection.opening.open()
    await settle()
    expect(status()).toMatchObject({
      key: peer.toString(),
      circuitState: 'CLOSED',
      isConnected: true,
      pendingWants: 2
    })
    expect(status()!.openTimeMs).toBeGreaterThan(0)
    expect(Object.isFrozen(status())).toBe(true)
    expect([...manager.peers()]).toEqual([status()])
    expect(Array.from(manager.glances(), ({ key }) => key)).toEqual([peer.toString()])
    expect(manager.isConnected(peer)).toBe(true)
    expect(manager.getHealth(peer)).toMatchObject({ status: expect.any(String) })
    expect(manager.explain(peer)).toMatchObject({ key: peer.toString() })
    connection.lose()
    expect(status()).toMatchObject({ isConnected: false, pendingWants: 0 })
    expect(manager.isConnected(peer.toString())).toBe(false)
  })

  test('outlives its connection', async () => {
    const { connection, open, node, attempt, status } = await createStarted()
    await open()
    connection.lose()
    const again = node.connect(peerOf(1))
    expect((await attempt(again)).error).toBeInstanceOf(CircuitOpenError)
    expect(status()).toMatchObject({ circuitState: 'OPEN', isConnected: true })
  })

  test('of all together is that of the protection', async () => {
    const { manager, open } = createManager()
    await open()
    await manager.executeRequest(other, () => {})
    expect(manager.getOverallStatus()).toMatchObject({
      mode: 'enforce',
      totalPeers: 2,
      circuitStates: { OPEN: 1, CLOSED: 1 }
    })
  })
})

describe('the mode', () => {
  test('can be changed at any time', async () => {
    const { manager, open, attempt } = await createStarted()
    await open()
    for (const mode of ['observe', 'off'] as const) {
      manager.mode = mode
      expect(manager.mode).toBe(mode)
      expect((await attempt()).error).toBe(undefined)
    }
    manager.mode = 'enforce'
    expect((await attempt()).error).toBeInstanceOf(CircuitOpenError)
  })

  test('is checked', () => {
    const { manager } = createManager()
    expect(() => {
      manager.mode = 'loud' as Mode
    }).toThrow(InvalidOptionError)
  })

  test('off for a while leaves nobody suspect for good', async () => {
    const { manager, attempt, advance, live, status } = await createStarted()
    await attempt()
    await advance(OPEN_WAIT_MS)
    expect(status()?.isSuspect).toBe(true)
    manager.mode = 'off'
    await live()
    await advance(OPEN_TIMEOUT_MS)
    manager.mode = 'enforce'
    await live()
    await advance(OPEN_TIMEOUT_MS)
    // Found out about or not: nobody is at it any more.
    expect(status()?.isSuspect).toBe(false)
  })
})

describe('dials', () => {
  /** As libp2p asks. */
  async function isDenied(node: FakeNode, peer: PeerId): Promise<boolean> {
    return (await node.connectionGater.denyDialPeer?.(peer)) === true
  }

  test('are not touched unless asked for', async () => {
    const { node, peer, open } = await createStarted()
    await open()
    expect(node.connectionGater.denyDialPeer).toBeUndefined()
    expect(await isDenied(node, peer)).toBe(false)
  })

  test('to a peer whose circuit is open are denied, if asked for', async () => {
    const { node, peer, open, advance } = await createStarted({ gateDials: true })
    expect(await isDenied(node, peer)).toBe(false)
    await open()
    expect(await isDenied(node, peer)).toBe(true)
    expect(await isDenied(node, other)).toBe(false)
    await advance(TIMEOUT_MS + 1)
    expect(await isDenied(node, peer)).toBe(false)
  })
})

describe('metrics', () => {
  test('count what happens, and measure it', async () => {
    const { metrics, connection, ask, answer, advance, live, attempt, open } = await createStarted()
    await ask(connection, cidOf(1), cidOf(2))
    await advance(100)
    await answer(have(cidOf(1)))
    await live()
    await advance(WANT_TIMEOUT_MS)
    const total = (name: string, label: string): number =>
      metrics.count(`bitswap_protection_${name}_total`, label)
    await open()
    const before = total('rejections', 'open')
    await attempt()
    expect(total('wants', 'answered')).toBe(1)
    expect(total('wants', 'failed')).toBe(1)
    expect(total('rejections', 'open')).toBe(before + 1)
    expect(total('events', 'circuit_open')).toBe(1)
    expect(metrics.noted.get('bitswap_protection_answer_seconds')).toEqual([0.1])
    expect(metrics.noted.get('bitswap_protection_stream_open_seconds')!.length).toBeGreaterThan(0)
    expect(metrics.calculate('bitswap_protection_breakers')).toEqual({ closed: 0, open: 1, half_open: 0 })
  })

  test('count calls that were held back as well', async () => {
    const { metrics, manager, peer, open } = createManager()
    await open()
    await manager.executeRequest(peer, () => {}).catch(() => {})
    expect(metrics.count('bitswap_protection_rejections_total', 'open')).toBe(1)
  })

  test('count each want once, whatever came of it', async () => {
    const { metrics, connection, ask, answer, follow, advance } = await createStarted()
    const theirs = await ask(connection, cidOf(1))
    theirs.abort(new Error('go away'))
    await settle()
    await ask(connection, cidOf(2))
    const opened = follow(connection.newStream(BITSWAP))
    await connection.opening.open()
    await settle()
    opened.stream!.send(wants([cidOf(2)], { cancel: true }))
    await ask(connection, cidOf(3))
    await answer(have(cidOf(3)))
    await ask(connection, cidOf(4))
    connection.lose()
    await advance(1000)
    const counted = (metrics.noted.get('bitswap_protection_wants_total') ?? []).length
    expect(counted).toBe(4)
  })

  test('never name a peer', async () => {
    const { metrics, connection, ask, answer, advance, live, attempt, open, peer } = await createStarted()
    await ask(connection, cidOf(1), cidOf(2))
    await answer(have(cidOf(1)))
    await live()
    await advance(WANT_TIMEOUT_MS)
    await open()
    await attempt()
    await advance(TIMEOUT_MS + 1)
    const noted = JSON.stringify([metrics.registered, [...metrics.noted]])
    expect(noted.length).toBeGreaterThan(100)
    for (const id of [peer, other]) expect(noted).not.toContain(id.toString())
  })

  test('are not needed', async () => {
    const { manager, peer } = createManager()
    const { metrics: _metrics, ...components } = { ...new FakeNode(), metrics: undefined }
    const bare = new BitswapProtectionManager(components)
    expect(await bare.executeRequest(peer, () => 1)).toBe(1)
    bare.close()
    manager.close()
  })
})

describe('a peer that is gone while it was expected to answer', () => {
  const broken = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

  test('is dialled to find out, and opened if nobody is there', async () => {
    const { node, connection, ask, status } = await createStarted()
    await ask(connection, cidOf(1))
    connection.lose(broken)
    await settle()
    expect(node.connectionManager.dials).toHaveLength(1)
    node.connectionManager.dials[0]!.reject(refused)
    await settle()
    expect(status()).toMatchObject({ circuitState: 'OPEN', isSuspect: false, isConnected: false })
  })

  test('and comes back is served again', async () => {
    const { node, connection, ask, advance, attempt, status } = await createStarted({
      breaker: { readyToTrip: tripAt({ consecutiveFailures: 5 }) }
    })
    const told = node.follow()
    await ask(connection, cidOf(1))
    connection.lose(broken)
    await settle()
    const again = node.answer(node.connectionManager.dials[0]!, peerOf(1))
    await settle()
    expect((await attempt(again, severalVersions)).error).toBeInstanceOf(SuspectError)
    await again.openings[0]!.open(PING)
    await advance(100)
    expect(status()).toMatchObject({ circuitState: 'CLOSED', isSuspect: false, isConnected: true })
    expect(told).toEqual([[peerOf(1), again]])
    expect((await attempt(again)).error).toBe(undefined)
  })
})

describe('the score of a peer', () => {
  test('is 0 while nothing is held against it, known or not', async () => {
    const { manager, peer } = createManager()
    expect(manager.score(peer)).toBe(0)
    await manager.executeRequest(peer, () => {})
    expect(manager.score(peer)).toBe(0)
    expect(manager.score(peer.toString())).toBe(0)
  })

  test('is lowest while its circuit is open, and low while it is tried', async () => {
    const { manager, peer, open, advance } = createManager()
    await open()
    expect(manager.score(peer)).toBe(-5)
    await advance(TIMEOUT_MS + 100)
    expect(manager.score(peer)).toBe(-1)
  })

  test('is that of an open circuit for one that is isolated', () => {
    const { manager, peer } = createManager()
    manager.isolate(peer)
    expect(manager.score(peer)).toBe(-5)
  })
})
