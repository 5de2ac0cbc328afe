import type { ConnectionGater, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test, vi } from 'vitest'
import { askUntilOpen, newBlocks } from './support/asking.ts'
import { BITSWAP, Client } from './support/client.ts'
import { ECHO, LocalPeer } from './support/local-peer.ts'
import { until } from './support/waiting.ts'
import { WrappingPlugin } from './support/wrapping-plugin.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/** Has a peer's circuit opened for a good reason: its Bitswap resets whatever it is sent. */
async function open(client: Client, peer: LocalPeer): Promise<void> {
  peer.isResetting = true
  await askUntilOpen(client, peer)
  peer.isResetting = false
}

/** The name of the error it fails with; 'none' if it does not fail. */
async function errorOf(action: Promise<unknown>): Promise<string> {
  return action.then(
    () => 'none',
    (error: Error) => error.name
  )
}

async function echo(client: Client, peer: PeerId): Promise<string> {
  const stream = await client.libp2p.dialProtocol(peer, ECHO, { signal: AbortSignal.timeout(5_000) })
  const received: Uint8Array[] = []
  stream.send(Buffer.from('hello'))
  await stream.close()
  for await (const bytes of stream) received.push(bytes instanceof Uint8Array ? bytes : bytes.subarray())
  return Buffer.concat(received).toString()
}

test('a peer whose circuit is OPEN can be spoken to in every other way', async () => {
  await using peer = await LocalPeer.start()
  await using client = await Client.start()
  await client.connect(peer)
  await open(client, peer)
  const connection = client.connection(peer)
  const { remotePeer } = connection
  const reached = peer.inboundStreams

  expect(await client.libp2p.services.ping.ping(remotePeer)).toBeGreaterThanOrEqual(0)
  const { protocols } = await client.libp2p.services.identify.identify(connection)
  expect(protocols).toContain(ECHO)
  expect(await echo(client, remotePeer)).toBe('hello')

  const refusal = { name: 'CircuitOpenError', key: peer.peerId, reason: 'OPEN', state: 'OPEN' }
  await expect(client.libp2p.dialProtocol(remotePeer, BITSWAP)).rejects.toMatchObject(refusal)
  await expect(client.libp2p.dialProtocol(remotePeer, [BITSWAP])).rejects.toMatchObject(refusal)
  await expect(client.libp2p.dialProtocol(multiaddr(peer.multiaddr), BITSWAP)).rejects.toMatchObject(refusal)
  await expect(connection.newStream(BITSWAP)).rejects.toMatchObject(refusal)
  expect(peer.inboundStreams).toBe(reached)
  expect(client.status(peer).circuitState).toBe('OPEN')
})

test('a peer whose circuit is OPEN is not dialled for Bitswap, but for everything else', async () => {
  await using peer = await LocalPeer.start()
  await using client = await Client.start()
  await client.connect(peer)
  await open(client, peer)
  const { remotePeer } = client.connection(peer)
  await client.libp2p.hangUp(remotePeer)
  expect(await errorOf(client.libp2p.dialProtocol(remotePeer, BITSWAP))).toBe('CircuitOpenError')
  expect(client.libp2p.getConnections(remotePeer)).toEqual([])
  expect(await echo(client, remotePeer)).toBe('hello')
})

test('a peer whose circuit is OPEN is still given the blocks it wants', async () => {
  await using peer = await LocalPeer.start()
  await using client = await Client.start()
  await client.connect(peer)
  await open(client, peer)
  const blocks = await newBlocks(5)
  for (const { cid, bytes } of blocks) {
    await client.helia.blockstore.put(cid, bytes)
    const parts: Uint8Array[] = []
    const options = { signal: AbortSignal.timeout(5_000) }
    for await (const part of peer.helia.blockstore.get(cid, options)) parts.push(part)
    expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0)
  }
  expect(client.status(peer).circuitState).toBe('OPEN')
  // Wants of ours are still held back.
  const [wanted] = await newBlocks(1)
  const { OPEN } = client.rejections
  await client.get(wanted!.cid, AbortSignal.timeout(100)).catch(() => {})
  expect(client.rejections.OPEN).toBeGreaterThan(OPEN)
})

const gaters: Array<[what: string, gater: () => ConnectionGater]> = [
  ['that denies nothing', () => ({})],
  ['with a hook of its own', () => ({ denyDialPeer: () => false })]
]

test.each(gaters)('two nodes that gate dials share a gater %s', async (_what, makeGater) => {
  await using peer = await LocalPeer.start()
  const connectionGater = makeGater()
  const start = () => Client.start({ protection: { gateDials: true }, libp2p: { connectionGater } })
  await using one = await start()
  await using other = await start()
  const address = multiaddr(peer.multiaddr)
  const { remotePeer } = await one.libp2p.dial(address)
  await one.libp2p.hangUp(remotePeer)
  await other.libp2p.dial(address)
  await other.libp2p.hangUp(remotePeer)

  one.protection.isolate(remotePeer)
  expect(await errorOf(one.libp2p.dial(remotePeer))).toBe('DialDeniedError')
  // Nothing else can be meant by sharing it.
  expect(await errorOf(other.libp2p.dial(remotePeer))).toBe('DialDeniedError')
  other.protection.isolate(remotePeer)
  await one.helia.stop()
  expect(await errorOf(other.libp2p.dial(remotePeer))).toBe('DialDeniedError')
  other.protection.release(remotePeer)
  await other.libp2p.dial(remotePeer)
  await other.libp2p.hangUp(remotePeer)
  other.protection.isolate(remotePeer)
  await other.helia.stop()

  await using third = await Client.start({ libp2p: { connectionGater } })
  await third.libp2p.dial(address)
})

test("a gate for dials leaves the user's own decision alone", async () => {
  await using peer = await LocalPeer.start()
  const asked: string[] = []
  await using client = await Client.start({
    protection: { gateDials: true },
    libp2p: {
      connectionGater: {
        denyDialPeer: async id => {
          asked.push(id.toString())
          return true
        }
      }
    }
  })
  expect(await errorOf(client.libp2p.dial(multiaddr(peer.multiaddr)))).toBe('DialDeniedError')
  expect(asked).toEqual([peer.peerId])
})

test.each(['before', 'after'] as const)(
  'another plugin that wraps the same methods, %s ours',
  async order => {
    await using peer = await LocalPeer.start()
    let plugin: WrappingPlugin | undefined
    await using client = await Client.start({
      [order]: {
        plugin: (components: ConstructorParameters<typeof WrappingPlugin>[0]) => {
          plugin = new WrappingPlugin(components)
          // Ours is put in place before anything starts.
          if (order === 'before') plugin.start()
          return order === 'before' ? {} : plugin
        }
      }
    })
    await client.connect(peer)
    const fetchOne = async (): Promise<void> => {
      const [block] = await newBlocks(1)
      await peer.helia.blockstore.put(block!.cid, block!.bytes)
      const { byPeer, byConnection } = plugin!
      const streams = peer.inboundStreams
      expect(Buffer.compare(await client.get(block!.cid), block!.bytes)).toBe(0)
      // Each stream went once through each wrapper.
      expect(peer.inboundStreams - streams).toBe(1)
      expect(plugin!.byPeer - byPeer).toBe(1)
      expect(plugin!.byConnection - byConnection).toBe(1)
    }
    const { remotePeer } = client.connection(peer)
    const isHeldBack = async (): Promise<boolean> => {
      const streams = peer.inboundStreams
      client.protection.isolate(remotePeer)
      const error = await client.libp2p.dialProtocol(remotePeer, BITSWAP).then(
        stream => stream.abort(new Error('not expected')),
        error => error
      )
      client.protection.release(remotePeer)
      return error?.name === 'IsolatedError' && peer.inboundStreams === streams
    }
    await fetchOne()
    expect(await isHeldBack()).toBe(true)
    const { requests } = client.status(peer).counts
    client.protection.stop()
    await fetchOne()
    expect(client.status(peer).counts.requests).toBe(requests)
    client.protection.start()
    await fetchOne()
    expect(await isHeldBack()).toBe(true)
    // One for the stream and one for its want, so the stream passed the gate once.
    expect(client.status(peer).counts.requests).toBe(requests + 2)
  }
)

test('a stream opened within a call of the protection is part of that call', async () => {
  await using peer = await LocalPeer.start()
  await using client = await Client.start()
  await client.connect(peer)
  const [block] = await newBlocks(1)
  await peer.helia.blockstore.put(block!.cid, block!.bytes)
  const { remotePeer } = client.connection(peer)
  await client.protection.executeRequest(remotePeer, () => client.get(block!.cid))
  await until(() => client.status(peer).inFlight === 0, 'nothing is under way')
  expect(client.status(peer).counts).toMatchObject({ requests: 1, totalSuccesses: 1 })
})
