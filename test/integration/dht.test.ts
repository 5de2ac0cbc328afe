import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PeerId, PeerInfo } from '@libp2p/interface'
import { type KadDHT, kadDHT, type PeerResponseEvent, type QueryEvent } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { askUntilOpen, newBlocks } from './support/asking.ts'
import { BITSWAP, Client } from './support/client.ts'
import { DhtPeer, localDht } from './support/dht-peer.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let peer: DhtPeer
/** One of whom the node under test can only learn from the peer. */
let other: DhtPeer

beforeAll(async () => {
  peer = await DhtPeer.start({ isResetting: true })
  other = await DhtPeer.start({ neighbours: [peer.multiaddr] })
})

afterAll(async () => {
  await other?.[Symbol.asyncDispose]()
  await peer?.[Symbol.asyncDispose]()
})

/** A client that takes part in the DHT. It listens, since who cannot be reached cannot be a provider. */
async function start(): Promise<Client> {
  const client = await Client.start({
    // Ping, which it needs, the type of a plan does not promise.
    after: { dht: kadDHT(localDht) as (components: object) => KadDHT },
    libp2p: { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] } }
  })
  await client.connect(peer)
  const isSettled = async () => {
    const [told] = await answers(dhtOf(client).getClosestPeers(idOf(other).toMultihash().bytes))
    return told !== undefined && names(told.closer).includes(other.peerId)
  }
  await until(isSettled, 'the peer tells of the other')
  return client
}

const dhtOf = (client: Client): KadDHT => (client.libp2p.services as unknown as { dht: KadDHT }).dht

const idOf = ({ peerId }: DhtPeer): PeerId => peerIdFromString(peerId)

const names = (peers: readonly PeerInfo[]): string[] => peers.map(({ id }) => id.toString())

/** Runs a query to its end, of which nothing may fail. Returns what the peer, and nobody else, had to say. */
async function answers(query: AsyncIterable<QueryEvent>): Promise<PeerResponseEvent[]> {
  const found: PeerResponseEvent[] = []
  for await (const event of query) {
    if (event.name === 'QUERY_ERROR') throw event.error
    if (event.name === 'PEER_RESPONSE' && event.from.toString() === peer.peerId) found.push(event)
  }
  return found
}

/** The peer does all that a server of the DHT is there for. */
async function expectServed(client: Client): Promise<void> {
  const dht = dhtOf(client)
  const self = client.libp2p.peerId
  const [block] = await newBlocks(1)
  const { cid } = block!

  const [whereabouts] = await answers(dht.findPeer(idOf(other), { useCache: false }))
  const found = whereabouts?.closer.find(({ id }) => id.equals(idOf(other)))
  expect(found?.multiaddrs.map(address => `${address}/p2p/${other.peerId}`)).toContain(other.multiaddr)

  const [closest] = await answers(dht.getClosestPeers(cid.multihash.bytes))
  expect(names(closest?.closer ?? [])).toContain(other.peerId)

  // Nothing but public keys is kept without a validator.
  const key = Buffer.concat([Buffer.from('/pk/'), self.toMultihash().bytes])
  const value = publicKeyToProtobuf(self.publicKey!)
  await answers(dht.put(key, value))
  const [kept] = await answers(dht.get(key))
  expect(Buffer.compare(kept!.record!.value, value)).toBe(0)

  // When it has made a note of a provider it does not say.
  await answers(dht.provide(cid))
  await until(async () => {
    const [told] = await answers(dht.findProviders(cid))
    return names(told?.providers ?? []).includes(self.toString())
  }, 'the peer tells of the provider')
}

async function expectRefusal(client: Client, name: string): Promise<void> {
  const opening = client.libp2p.dialProtocol(idOf(peer), BITSWAP)
  await expect(opening).rejects.toMatchObject({ name, key: peer.peerId })
}

test('a peer whose circuit is OPEN serves the DHT', async () => {
  await using client = await start()
  await askUntilOpen(client, peer)
  const { counts } = client.status(peer)
  await expectRefusal(client, 'CircuitOpenError')
  await expectServed(client)
  await expectRefusal(client, 'CircuitOpenError')
  expect(client.status(peer)).toMatchObject({ circuitState: 'OPEN', trips: 1, counts })
})

test('a peer whose circuit is OPEN is dialled for the DHT', async () => {
  await using client = await start()
  await askUntilOpen(client, peer)
  await client.libp2p.hangUp(idOf(peer))
  await expectRefusal(client, 'CircuitOpenError')
  await expectServed(client)
  expect(client.status(peer)).toMatchObject({ circuitState: 'OPEN', isConnected: true })
  await expectRefusal(client, 'CircuitOpenError')
})

test('a peer that is isolated serves the DHT', async () => {
  await using client = await start()
  client.protection.isolate(idOf(peer))
  await expectRefusal(client, 'IsolatedError')
  await expectServed(client)
  await expectRefusal(client, 'IsolatedError')
})
