import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test, vi } from 'vitest'
import type { SwarmPeer } from '../../src/cli/swarm/swarm-peer.ts'
import { Client, type Reachable } from './support/client.ts'
import { Relay } from './support/relay.ts'
import { frozen, TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** What stock Helia takes for each block while a peer it is connected to is frozen, in ms. */
const STOCK_MS = 10_000

const healthy = ['a', 'b']

const swarm = new TestSwarm([
  ...healthy.map(name => ({ name })),
  // So slow that there is time for a connection to end.
  { name: 'slow', answerDelayMs: 400 },
  { name: 'frozen' },
  { name: 'frozen-broken' }
])

/** Connects twice to a peer, by these ways. Messages go over the newer of the two, as long as it stands. */
async function connectTwice(client: Client, older: Relay, newer: Relay): Promise<void> {
  await client.connect(older)
  const before = client.introductions(newer)
  await client.libp2p.dial(multiaddr(newer.multiaddr), { force: true })
  // Of somebody who has just come Bitswap demands no answer.
  await until(() => client.introductions(newer) > before, 'Bitswap is told of the second connection')
  expect(connections(client, older)).toHaveLength(2)
}

function connections(client: Client, { peerId }: Reachable): Connection[] {
  return client.libp2p.getConnections().filter(({ remotePeer }) => remotePeer.toString() === peerId)
}

const endings: ReadonlyArray<readonly [how: string, end: (connection: Connection, way: Relay) => unknown]> = [
  ['closed here', connection => connection.close()],
  ['closed there', (_, way) => way.close()],
  ['broken', (_, way) => way.cut()]
]

const losses = endings.flatMap(([how, end]) => [
  ['older', how, 0, end] as const,
  ['newer', how, 1, end] as const
])

test.each(losses)('nobody is blamed when the %s of two connections is %s', async (_, _how, index, end) => {
  const peer = swarm.peer('slow')
  await using older = await Relay.start(peer)
  await using newer = await Relay.start(peer)
  await using client = await Client.start()
  await client.connect(...swarm.peers(...healthy))
  await connectTwice(client, older, newer)
  const [asked, wanted] = await swarm.addBlocks(2, [peer])
  const { wants } = await peer.stats()
  const got = client.get(asked!.cid)
  await until(async () => (await peer.stats()).wants > wants, 'the peer is asked')
  expect(client.status(peer).pendingWants).toBe(1)
  await end(connections(client, peer)[index]!, [older, newer][index]!)
  await until(() => connections(client, peer).length === 1, 'one connection is left')
  expect(Buffer.compare(await got, asked!.bytes)).toBe(0)
  expect(Buffer.compare(await client.get(wanted!.cid), wanted!.bytes)).toBe(0)
  expect(client.status(peer)).toMatchObject({
    circuitState: 'CLOSED',
    isSuspect: false,
    consecutiveErrors: 0,
    trips: 0,
    counts: { totalFailures: 0 }
  })
})

// Side by side, as each waits most of its time.
describe.concurrent('a peer frozen with two connections', () => {
  test('is found out, and delays nobody', async () => {
    await using client = await Client.start()
    const peer = swarm.peer('frozen')
    await using older = await Relay.start(peer)
    await using newer = await Relay.start(peer)
    await client.connect(...swarm.peers(...healthy))
    await connectTwice(client, older, newer)
    await expectFoundOut(client, peer, () => {})
  })

  test('is found out although the one that is tried breaks', async () => {
    await using client = await Client.start()
    const peer = swarm.peer('frozen-broken')
    await using older = await Relay.start(peer)
    await using newer = await Relay.start(peer)
    await client.connect(...swarm.peers(...healthy))
    await connectTwice(client, older, newer)
    await expectFoundOut(client, peer, async () => {
      newer.cut()
      await until(() => connections(client, peer).length === 1, 'one connection is left')
    })
  })
})

/** @param meanwhile - what is done while the peer is suspect */
async function expectFoundOut(client: Client, peer: SwarmPeer, meanwhile: () => unknown): Promise<void> {
  const blocks = await swarm.addBlocks(40, swarm.peers(...healthy))
  using _ = frozen(peer)
  const startedAt = performance.now()
  await client.getAll(blocks.slice(0, 20), 2)
  expect(client.isSuspect(peer)).toBe(true)
  await meanwhile()
  await client.getAll(blocks.slice(20), 2)
  // Half of what a single block takes without protection.
  expect(performance.now() - startedAt).toBeLessThan(STOCK_MS / 2)
  await until(() => client.events(peer).includes('circuit:open'), 'the frozen peer is found out')
  expect(client.status(peer)).toMatchObject({ circuitState: 'OPEN', trips: 1 })
  expect(client.status(peer).lastTrip).toMatchObject({ reason: 'UNRESPONSIVE' })
  for (const other of swarm.peers(...healthy)) {
    expect(client.status(other)).toMatchObject({ circuitState: 'CLOSED', isSuspect: false, trips: 0 })
  }
}
