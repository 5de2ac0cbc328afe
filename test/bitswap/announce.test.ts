import { describe, expect, test } from 'vitest'
import { announce } from '../../src/bitswap/announce.ts'
import { type PeerLink, PeerLinks } from '../../src/bitswap/peer-link.ts'
import { BITSWAP, BITSWAP_PROTOCOLS, PING } from '../../src/bitswap/protocols.ts'
import { FakeConnection, FakeNode } from './support/node.ts'
import { peerOf } from './support/peers.ts'
import { settle } from './support/streams.ts'

const LIMITS = { seconds: 60 }

function create(...connections: FakeConnection[]) {
  const node = new FakeNode()
  const link: PeerLink = new PeerLinks().claim(peerOf(1))
  for (const connection of connections) link.connections.add(connection)
  link.isOwed = true
  return { node, link, announce: () => announce(node.registrar, link) }
}

const direct = (): FakeConnection => new FakeConnection(peerOf(1))
const limited = (): FakeConnection => new FakeConnection(peerOf(1), LIMITS)

test('tells whoever speaks Bitswap, of any version, and nobody else', async () => {
  const connection = direct()
  const { node, link, announce } = create(connection)
  const told = BITSWAP_PROTOCOLS.map(protocol => node.follow([protocol]))
  const other = node.follow([PING])
  await announce()
  for (const one of told) expect(one).toEqual([[link.peer, connection]])
  expect(other).toEqual([])
})

test('tells one who speaks several versions once', async () => {
  const { node, announce } = create(direct())
  const told = node.follow(BITSWAP_PROTOCOLS)
  await announce()
  expect(told).toHaveLength(1)
})

test('then owes the peer nothing', async () => {
  const { link, announce } = create(direct())
  await announce()
  expect(link.isOwed).toBe(false)
})

test('tells nobody of a peer that is not connected, to whom it owes the same as before', async () => {
  const { node, link, announce } = create()
  const told = node.follow()
  await announce()
  expect(told).toEqual([])
  expect(link.isOwed).toBe(true)
})

test('may be told to one who does not care', async () => {
  const { node, announce } = create(direct())
  node.registrar.topologies.set(BITSWAP, [{}])
  await expect(announce()).resolves.toBe(undefined)
})

describe('a limited connection', () => {
  test('is told of to those who want to know of such', async () => {
    const connection = limited()
    const { node, link, announce } = create(connection)
    const told = node.follow([BITSWAP], { notifyOnLimitedConnection: true })
    await announce()
    expect(told).toEqual([[link.peer, connection]])
  })

  test.each([{}, { notifyOnLimitedConnection: false }])('is not told of to others: %o', async topology => {
    const { node, announce } = create(limited())
    const told = node.follow([BITSWAP], topology)
    await announce()
    expect(told).toEqual([])
  })

  test('does not hide a direct one that came after it', async () => {
    const connection = direct()
    const { node, link, announce } = create(limited(), connection)
    const told = node.follow()
    await announce()
    expect(told).toEqual([[link.peer, connection]])
  })
})

describe('one that is told', () => {
  test('and fails does not keep it from others', async () => {
    const { node, announce } = create(direct())
    node.follow([BITSWAP], { onConnect: () => Promise.reject(new Error('no')) })
    const told = node.follow()
    await announce().catch(() => {})
    expect(told).toHaveLength(1)
  })

  test('and throws does not keep it from others', async () => {
    const { node, announce } = create(direct())
    node.follow([BITSWAP], {
      onConnect: () => {
        throw new Error('no')
      }
    })
    const told = node.follow()
    await announce().catch(() => {})
    expect(told).toHaveLength(1)
  })

  test('and takes forever does not keep it from others', async () => {
    const { node, announce } = create(direct())
    node.follow([BITSWAP], { onConnect: () => new Promise(() => {}) })
    const told = node.follow()
    void announce()
    await settle()
    expect(told).toHaveLength(1)
  })

  test('and fails is told of, after all others were', async () => {
    const failures = [new Error('no'), new Error('not me')]
    const { node, announce } = create(direct())
    for (const failure of failures) node.follow([BITSWAP], { onConnect: () => Promise.reject(failure) })
    await expect(announce()).rejects.toMatchObject({ name: 'AggregateError', errors: failures })
  })
})
