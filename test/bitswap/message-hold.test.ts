import { ConnectionClosedError, type Stream } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { DeferredStream } from '../../src/bitswap/deferred-stream.ts'
import { BITSWAP } from '../../src/bitswap/protocols.ts'
import { CircuitOpenError } from '../../src/core/index.ts'
import { createGate, OPEN_TIMEOUT_MS, OPEN_WAIT_MS } from './support/gate.ts'
import { blockOf, blocks, cidOf, wants } from './support/messages.ts'
import { FakeConnection, type Opening } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { reader, settle } from './support/streams.ts'

const MAX_OPENING = 32
const MAX_HELD = 1_024

/** A gate to a peer that is suspect, and of which one stream is being opened. */
async function createSuspect() {
  const created = createGate()
  const { attempt, advance, status } = created
  await attempt(BITSWAP)
  await advance(OPEN_WAIT_MS)
  expect(status()?.isSuspect).toBe(true)
  return { ...created, ...sender(created) }
}

/** A gate to a peer of which as many streams are being opened as may be. */
async function createCrowded() {
  const created = createGate()
  for (let number = 0; number < MAX_OPENING; number++) await created.attempt(BITSWAP)
  expect(created.connection.openings).toHaveLength(MAX_OPENING)
  return { ...created, ...sender(created) }
}

function sender({ attempt }: Pick<ReturnType<typeof createGate>, 'attempt'>) {
  return {
    /** Sends a message the way Helia does. */
    send: async (bytes: Uint8Array, on?: FakeConnection): Promise<Stream> => {
      const { stream, error } = await attempt(BITSWAP, undefined, on)
      expect(error).toBe(undefined)
      await stream!.closeRead()
      stream!.send(bytes)
      await stream!.close()
      return stream!
    }
  }
}

async function open(opening: Opening) {
  const { theirs } = await opening.open()
  const received = reader(theirs)
  await settle()
  return { theirs, received }
}

const messages = [1, 2, 3].map(number => wants([cidOf(number)]))

describe('messages to a suspect', () => {
  test('are sent once it responds, over one stream, in order', async () => {
    const { connection, send, links, peer, status } = await createSuspect()
    for (const message of messages) await send(message)
    expect(connection.openings).toHaveLength(1)
    await open(connection.openings[0]!)
    expect(connection.openings).toHaveLength(2)
    const { theirs, received } = await open(connection.opening)
    expect(received.bytes).toEqual(Uint8Array.from(Buffer.concat(messages)))
    expect(theirs.remoteWriteStatus).toBe('closed')
    const { wants: asked, held } = links.find(peer.toString())!
    expect([asked.size, held.size]).toEqual([3, 0])
    expect(status()).toMatchObject({ isSuspect: false, circuitState: 'CLOSED' })
  })

  test('count as taken, and are closed for whoever wrote them', async () => {
    const { connection, send } = await createSuspect()
    const stream = await send(messages[0]!)
    await open(connection.openings[0]!)
    expect(stream).toMatchObject({ status: 'closed', readStatus: 'closed', writeStatus: 'closed' })
  })

  test('that are not complete yet get streams of their own', async () => {
    const { connection, attempt, send } = await createSuspect()
    const half = await attempt(BITSWAP)
    await half.stream!.closeRead()
    half.stream!.send(messages[0]!.subarray(0, 3))
    await send(messages[1]!)
    await open(connection.openings[0]!)
    expect(connection.openings).toHaveLength(3)
    const whole = await open(connection.openings[1]!)
    const rest = await open(connection.openings[2]!)
    half.stream!.send(messages[0]!.subarray(3))
    await settle()
    expect(whole.received.bytes).toEqual(messages[1])
    expect(rest.received.bytes).toEqual(messages[0])
  })

  test('whose sender waits for an answer get streams of their own', async () => {
    const { connection, attempt } = await createSuspect()
    const { stream } = await attempt(BITSWAP)
    stream!.send(messages[0]!)
    await stream!.close()
    const answers = reader(stream!)
    await open(connection.openings[0]!)
    const { theirs } = await open(connection.opening)
    theirs.send(messages[1]!)
    await settle()
    expect(answers.bytes).toEqual(messages[1])
  })

  test('that were aborted meanwhile are not sent', async () => {
    const { connection, attempt } = await createSuspect()
    const { stream } = await attempt(BITSWAP)
    stream!.send(messages[0]!)
    stream!.abort(new Error('not needed any more'))
    await open(connection.openings[0]!)
    expect(connection.openings).toHaveLength(1)
  })

  test('that were complete, and aborted all the same, are not sent', async () => {
    const { connection, send } = await createSuspect()
    const stream = await send(messages[0]!)
    stream.abort(new Error('not needed any more'))
    await open(connection.openings[0]!)
    expect(connection.openings).toHaveLength(1)
  })

  test('count as asked for, though nothing has been sent', async () => {
    const { protection, attempt, key, watch } = createGate()
    protection.suspect(key)
    expect(watch.isStockAsking).toBe(false)
    expect((await attempt(BITSWAP)).stream).toBeInstanceOf(DeferredStream)
    expect(watch.isStockAsking).toBe(true)
  })

  test('that are late count as asked for when their sender goes on', async () => {
    const { watch } = await createSuspect()
    expect(watch.isStockAsking).toBe(true)
  })

  test('are lost, and owed to it, if their own stream does not open', async () => {
    const { connection, send, lost, links, peer } = await createSuspect()
    await send(messages[0]!)
    await open(connection.openings[0]!)
    connection.opening.reject(new Error('something of ours'))
    await settle()
    expect(lost).toEqual([links.find(peer.toString())])
  })

  test('are lost, and owed to it, if it does not respond', async () => {
    const { connection, attempt, send, advanceAlive, heldBack, links, peer, status } = await createSuspect()
    await send(messages[0]!)
    const { stream } = await attempt(BITSWAP)
    await advanceAlive(OPEN_TIMEOUT_MS)
    expect(status()).toMatchObject({ circuitState: 'OPEN', isSuspect: false })
    expect(connection.openings).toHaveLength(1)
    expect(heldBack.map(({ reason }) => reason)).toEqual(['OPEN', 'OPEN'])
    expect(stream!.status).toBe('aborted')
    expect(links.find(peer.toString())?.held.size).toBe(0)
  })

  test('are lost, and owed to it, when it is gone', async () => {
    const { connection, send, lost, links, peer } = await createSuspect()
    const link = links.find(peer.toString())!
    await send(messages[0]!)
    connection.lose()
    await settle()
    expect(lost).toEqual([link])
    expect(link.held.size).toBe(0)
  })

  test('go over the connection there is by then', async () => {
    const { connection, node, peer, send, status } = await createSuspect()
    await send(messages[0]!)
    const newer = node.connect(peer)
    connection.lose()
    connection.openings[0]!.reject(new ConnectionClosedError())
    await settle()
    expect(status()?.isSuspect).toBe(false)
    const { received } = await open(newer.opening)
    expect(received.bytes).toEqual(messages[0])
  })

  test(`are ${MAX_HELD} at most, and others are refused`, async () => {
    const { attempt, heldBack } = await createSuspect()
    for (let number = 0; number < MAX_HELD; number++) expect((await attempt(BITSWAP)).error).toBe(undefined)
    expect((await attempt(BITSWAP)).error).toMatchObject({ reason: 'SUSPECT' })
    expect(heldBack).toHaveLength(1)
  })

  test('that answer it do not wait', async () => {
    const { connection, attempt, links, peer } = await createSuspect()
    const message = { wantlist: new Map(), blocks: new Map([['a', {}]]), blockPresences: new Map() }
    await attempt(BITSWAP, { message })
    expect(connection.openings).toHaveLength(2)
    links.find(peer.toString())!.peerWants = 1
    await attempt(BITSWAP)
    expect(connection.openings).toHaveLength(3)
    const { ours } = await connection.opening.open()
    const block = await blockOf(1)
    expect(() => ours.send(blocks(block))).not.toThrow()
  })

  test('do not wait in mode observe', async () => {
    const { connection, attempt, protection, key } = createGate({ mode: 'observe' })
    await attempt(BITSWAP)
    protection.suspect(key)
    await attempt(BITSWAP)
    expect(connection.openings).toHaveLength(2)
  })

  test('that were let through before it was dialled do not wait', async () => {
    const { node, follow, protection } = createGate()
    const id = peerOf(2)
    follow(node.connectionManager.openStream(id, BITSWAP))
    protection.suspect(id.toString())
    const connection = node.answer(node.connectionManager.dials[0]!, id)
    await settle()
    expect(connection.openings.map(({ protocols }) => protocols)).toEqual([[BITSWAP]])
  })

  test('over a relay wait only where its sender allows relays', async () => {
    const { node, attempt, protection } = createGate()
    const limited = new FakeConnection(peerOf(3), { bytes: 1_000n })
    node.add(limited)
    protection.suspect(peerOf(3).toString())
    expect((await attempt(BITSWAP, undefined, limited)).error).toMatchObject({ reason: 'SUSPECT' })
    const { stream } = await attempt(BITSWAP, { runOnLimitedConnection: true }, limited)
    expect(stream).toBeInstanceOf(DeferredStream)
  })

  test('are sent when nobody looks after streams any longer', async () => {
    const { connection, send, gate } = await createSuspect()
    await send(messages[0]!)
    gate.stop()
    const { received } = await open(connection.opening)
    expect(connection.openings).toHaveLength(2)
    expect(received.bytes).toEqual(messages[0])
  })
})

describe('messages while enough streams are being opened', () => {
  test('are sent as soon as there is room, over one stream', async () => {
    const { connection, send } = await createCrowded()
    for (const message of messages) await send(message)
    expect(connection.openings).toHaveLength(MAX_OPENING)
    await open(connection.openings[0]!)
    expect(connection.openings).toHaveLength(MAX_OPENING + 1)
    const { received } = await open(connection.opening)
    expect(received.bytes).toEqual(Uint8Array.from(Buffer.concat(messages)))
  })

  test('are sent as soon as one of them has failed', async () => {
    const { connection, send } = await createCrowded()
    await send(messages[0]!)
    connection.openings[0]!.reject(new Error('something of ours'))
    await settle()
    expect(connection.openings).toHaveLength(MAX_OPENING + 1)
  })

  test('do not overtake those before them', async () => {
    const { connection, attempt, send } = await createCrowded()
    const first = await attempt(BITSWAP)
    const second = await attempt(BITSWAP)
    await open(connection.openings[0]!)
    // The first is being opened; the second still waits, and so does what is sent now.
    expect(connection.openings).toHaveLength(MAX_OPENING + 1)
    await send(messages[0]!)
    expect(connection.openings).toHaveLength(MAX_OPENING + 1)
    first.stream!.abort(new Error('not needed any more'))
    second.stream!.abort(new Error('not needed any more'))
    await open(connection.openings[1]!)
    const { received } = await open(connection.opening)
    expect(received.bytes).toEqual(messages[0])
  })

  test('are refused if its circuit has opened by then', async () => {
    const { connection, attempt, heldBack, protection, key } = await createCrowded()
    const { stream } = await attempt(BITSWAP)
    protection.trip(key)
    await open(connection.openings[0]!)
    expect(stream!.status).toBe('aborted')
    expect(heldBack).toEqual([expect.any(CircuitOpenError)])
  })
})
