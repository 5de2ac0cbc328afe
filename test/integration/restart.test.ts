import { expect, test, vi } from 'vitest'
import { Client } from './support/client.ts'
import { ClientChild, lasting } from './support/client-child.ts'
import { CountingClock } from './support/counting-clock.ts'
import { frozen, TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** Each of a thousand repetitions may leave this many bytes: less than any object worth the name. */
const MAX_GROWTH_BYTES = 1_000 * 2_000

const swarm = new TestSwarm(['a', 'frozen'].map(name => ({ name })))

/** A client in a process of its own, connected to a peer of the swarm, and something to get one of its blocks with. */
async function startChild(): Promise<{
  client: ClientChild
  reconnect(): Promise<void>
  get(): Promise<void>
}> {
  const client = new ClientChild()
  await client.call('start', {})
  const { peerId, multiaddr } = swarm.peer('a')
  const reconnect = () => client.call('connect', { peerId, multiaddr })
  await reconnect()
  const blocks = await swarm.addBlocks(20, swarm.peers('a'))
  const get = async () => {
    const { cid, bytes } = blocks.pop()!
    expect(await client.call('get', cid.toString(), 5_000)).toBe(bytes.length)
  }
  return { client, reconnect, get }
}

test('1,000 stops and starts of the service leave nothing behind', async () => {
  const { client, get } = await startChild()
  await using _ = client
  await get()
  await client.call('restartService', 100)
  await get()
  const before = await client.call('traces')
  await client.call('restartService', 900)
  const after = await client.call('traces')
  expect(lasting(after)).toEqual(lasting(before))
  // Some come and go with the node itself.
  expect(after.resources.length - before.resources.length).toBeLessThan(10)
  const { links, overrides, readers } = await client.call('census')
  expect(links).toBeLessThan(10)
  expect(overrides).toBeLessThan(10)
  expect(readers).toBeLessThan(50)
  expect(after.heapBytes - before.heapBytes).toBeLessThan(MAX_GROWTH_BYTES)
  await get()

  await client.call('stopService')
  const stopped = await client.call('traces')
  expect(stopped.timers).toBe(0)
  expect(stopped.ownMethods.connectionManager).not.toHaveProperty('openStream')
  expect(stopped.ownMethods.registrar).not.toHaveProperty('getHandler')
  expect(stopped.listeners['connection:open']).toBe(after.listeners['connection:open']! - 1)
  expect(stopped.listeners['peer:identify']).toBe(after.listeners['peer:identify']! - 1)
  expect(stopped.connectionListeners).toEqual(after.connectionListeners.map(count => count - 1))
  // It is an own property of each connection anyway; libp2p's is named after it.
  expect(after.ownMethods.connections).not.toMatchObject([{ newStream: 'newStream' }])
  expect(stopped.ownMethods.connections).toMatchObject([{ newStream: 'newStream' }])
  await get()
})

test('a node that is stopped and started again is protected as before, and nothing piles up', async () => {
  const { client, reconnect, get } = await startChild()
  await using _ = client
  await get()
  const before = await client.call('traces')
  for (let round = 0; round < 5; round++) {
    await client.call('stopNode')
    const stopped = await client.call('traces')
    expect(stopped.timers).toBe(0)
    expect(stopped.ownMethods.connectionManager).not.toHaveProperty('openStream')
    expect(stopped.ownMethods.registrar).not.toHaveProperty('getHandler')
    await client.call('startNode')
    await reconnect()
    const { peerId, multiaddr } = swarm.peer('a')
    const { counts } = await client.call('status', { peerId, multiaddr })
    await get()
    const status = await client.call('status', { peerId, multiaddr })
    expect(status).toMatchObject({ isConnected: true, circuitState: 'CLOSED' })
    expect(status.counts.totalSuccesses).toBe(counts.totalSuccesses + 1)
  }
  const after = await client.call('traces')
  expect(lasting(after)).toEqual(lasting(before))
})

test('a stop while a stream is being opened leaves no timer running', async () => {
  const clock = new CountingClock()
  await using client = await Client.start({ core: { clock } })
  await client.connect(...swarm.peers())
  const peer = swarm.peer('frozen')
  const { remotePeer } = client.connection(peer)
  const [block] = await swarm.addBlocks(1, swarm.peers('a'))
  using _ = frozen(peer)
  await client.get(block!.cid)
  await until(() => client.isSuspect(peer), 'the frozen peer is suspected')
  client.protection.stop()
  expect(clock.waiting).toBe(0)
  peer.thaw()
  await client.libp2p.services.ping.ping(remotePeer)
  expect(clock.waiting).toBe(0)
})

test('what was on its way to a peer when the service was stopped still arrives', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers())
  const peer = swarm.peer('frozen')
  const [block] = await swarm.addBlocks(1, [peer])
  using _ = frozen(peer)
  const got = client.get(block!.cid, AbortSignal.timeout(10_000))
  await until(() => client.isSuspect(peer), 'the frozen peer is suspected')
  client.protection.stop()
  peer.thaw()
  expect(Buffer.compare(await got, block!.bytes)).toBe(0)
})

test('a service stopped and started while a stream is being opened still knows the peer', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers())
  const peer = swarm.peer('frozen')
  const { remotePeer } = client.connection(peer)
  const [common] = await swarm.addBlocks(1, swarm.peers('a'))
  const [own] = await swarm.addBlocks(1, [peer])
  {
    using _ = frozen(peer)
    await client.get(common!.cid)
    await until(() => client.isSuspect(peer), 'the frozen peer is suspected')
    client.protection.stop()
    client.protection.start()
  }
  await client.libp2p.services.ping.ping(remotePeer)
  expect(client.status(peer).isConnected).toBe(true)
  const { totalSuccesses } = client.status(peer).counts
  expect(Buffer.compare(await client.get(own!.cid), own!.bytes)).toBe(0)
  expect(client.status(peer).counts.totalSuccesses).toBeGreaterThan(totalSuccesses)
})

test('what waits for a recovering peer still gets its turn after the service was stopped and started', async () => {
  await using client = await Client.start({
    protection: {
      openTimeoutMs: 1_000,
      breaker: { timeoutMs: 500, timeoutGrowth: 1 },
      recovery: { strategy: 'LINEAR', initialRecoveryRate: 0.1, recoveryIntervalMs: 60_000 }
    },
    libp2p: { connectionMonitor: { enabled: false } }
  })
  await client.connect(...swarm.peers())
  const peer = swarm.peer('frozen')
  const common = await swarm.addBlocks(3, swarm.peers('a'))
  const own = await swarm.addBlocks(8, [peer])
  {
    using _ = frozen(peer)
    await client.get(common[0]!.cid)
    await until(() => client.isSuspect(peer), 'the frozen peer is suspected')
    const { remotePeer } = client.connection(peer)
    // Held back, so that it is looked at again soon; until then the service is another.
    const versions = ['/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.0.0']
    await expect(client.libp2p.dialProtocol(remotePeer, versions)).rejects.toMatchObject({
      name: 'SuspectError'
    })
    client.protection.stop()
    client.protection.start()
    await client.get(common[1]!.cid)
    await until(() => client.events(peer).includes('circuit:open'), 'the frozen peer is found out')
  }
  await client.getAll(own.slice(0, 3), 3)
  expect(client.events(peer)).toContain('recovery:start')
  // Nothing but the want itself ever asks for these.
  await client.getAll(own.slice(3), 1)
  expect(client.status(peer)).toMatchObject({ isRecovering: true })
})
