import { setTimeout as sleep } from 'node:timers/promises'
import type { PeerId } from '@libp2p/interface'
import { describe, expect, test, vi } from 'vitest'
import { BITSWAP, Client } from './support/client.ts'
import { frozen, TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** What stock Helia takes for each block while a peer it is connected to is frozen, in ms. */
const STOCK_MS = 10_000

const CONCURRENCY = 6

const healthy = ['a', 'b', 'c', 'd', 'e']

const swarm = new TestSwarm([...healthy, 'frozen', 'observed'].map(name => ({ name })))

// Side by side, as each takes a while, most of which it waits.
describe.concurrent('a frozen bystander', () => {
  test('delays the first blocks at most', async () => {
    await using client = await Client.start()
    await client.connect(...swarm.peers(...healthy, 'frozen'))
    const peer = swarm.peer('frozen')
    const usual = await client.getAll(await swarm.addBlocks(30, swarm.peers(...healthy)), CONCURRENCY)
    const blocks = await swarm.addBlocks(60, swarm.peers(...healthy, 'frozen'))
    const { requests } = client.status(peer).counts
    using _ = frozen(peer)
    const startedAt = performance.now()
    const elapsed = await client.getAll(blocks, CONCURRENCY)
    const totalMs = performance.now() - startedAt
    // Half of what a single block takes without protection.
    expect(totalMs).toBeLessThan(STOCK_MS / 2)
    const delayed = elapsed.filter(ms => ms > 250 + 3 * Math.max(...usual))
    expect(delayed.length).toBeLessThanOrEqual(CONCURRENCY)
    expect(client.status(peer)).toMatchObject({ isSuspect: true, circuitState: 'CLOSED' })

    await until(() => client.events(peer).includes('circuit:open'), 'the frozen peer is found out')
    const status = client.status(peer)
    expect(status).toMatchObject({ circuitState: 'OPEN', isSuspect: false, trips: 1 })
    expect(status.lastTrip).toMatchObject({ reason: 'UNRESPONSIVE' })
    // One message was tried on it; all others waited, and nobody with them.
    expect(status.lastTrip!.counts.requests - requests).toBeLessThanOrEqual(CONCURRENCY)
    expect(client.rejections).toMatchObject({ SUSPECT: 0, IN_FLIGHT_FULL: 0 })
    for (const other of swarm.peers(...healthy)) {
      expect(client.status(other)).toMatchObject({ circuitState: 'CLOSED', isSuspect: false, trips: 0 })
    }
  })

  test('holds all up in mode observe, where it is counted what would have been rejected', async () => {
    await using client = await Client.start({
      protection: { mode: 'observe' },
      libp2p: { connectionMonitor: { enabled: false } }
    })
    await client.connect(...swarm.peers('a', 'observed'))
    const peer = swarm.peer('observed')
    const { remotePeer } = client.connection(peer)
    const [block] = await swarm.addBlocks(1, swarm.peers('a'))
    using _ = frozen(peer)
    const startedAt = performance.now()
    const got = client.get(block!.cid)
    await until(() => client.isSuspect(peer), 'the frozen peer is suspected')
    await expectUnhindered(client, remotePeer)
    expect(client.rejections.SUSPECT).toBe(1)
    // Nobody is found guilty unless somebody else gives a sign of life meanwhile.
    await until(async () => {
      const stream = await client.connection(swarm.peer('a')).newStream(BITSWAP)
      stream.abort(new Error('only to see that it opens'))
      return client.events(peer).includes('circuit:open')
    }, 'the frozen peer is found out')
    expect(client.status(peer)).toMatchObject({ circuitState: 'OPEN', lastTrip: { reason: 'UNRESPONSIVE' } })
    await expectUnhindered(client, remotePeer)
    expect(client.rejections.OPEN).toBe(1)
    expect(Buffer.compare(await got, block!.bytes)).toBe(0)
    expect(performance.now() - startedAt).toBeGreaterThan(0.9 * STOCK_MS)
  })
})

test('an abort is heeded although a bystander is frozen, and nobody is blamed for it', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers(...healthy, 'frozen'))
  const peer = swarm.peer('frozen')
  const [missing] = await swarm.addBlocks(1, [])
  using _ = frozen(peer)
  const startedAt = performance.now()
  await expect(client.get(missing!.cid, AbortSignal.timeout(500))).rejects.toThrow()
  const elapsedMs = performance.now() - startedAt
  expect(elapsedMs).toBeGreaterThan(450)
  // 700 on a machine that has nothing else to do.
  expect(elapsedMs).toBeLessThan(2_000)
  for (const each of swarm.peers(...healthy, 'frozen')) {
    expect(client.status(each)).toMatchObject({
      circuitState: 'CLOSED',
      consecutiveErrors: 0,
      counts: { totalFailures: 0 }
    })
  }
  peer.thaw()
  await until(() => !client.isSuspect(peer), 'the suspicion is over once the peer responds')
  expect(client.events()).not.toContain('circuit:open')
})

test('a block wanted of a suspect arrives once it responds, without another being asked for', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers('a', 'frozen'))
  const peer = swarm.peer('frozen')
  const [asked, askedThen] = await swarm.addBlocks(2, [peer])
  using _ = frozen(peer)
  const first = client.get(asked!.cid)
  await until(() => client.isSuspect(peer), 'the frozen peer is suspected')
  const second = client.get(askedThen!.cid)
  await sleep(100)
  peer.thaw()
  expect(Buffer.compare(await first, asked!.bytes)).toBe(0)
  expect(Buffer.compare(await second, askedThen!.bytes)).toBe(0)
  expect(client.events(peer)).not.toContain('circuit:open')
  expect(client.introductions(peer)).toBe(1)
})

test('a block wanted of a peer whose circuit is OPEN arrives once it responds again', async () => {
  await using client = await Client.start({
    protection: { openTimeoutMs: 1_000, breaker: { timeoutMs: 1_000, timeoutGrowth: 1 } }
  })
  await client.connect(...swarm.peers('a', 'frozen'))
  const peer = swarm.peer('frozen')
  const [common] = await swarm.addBlocks(1, swarm.peers('a'))
  const [wanted] = await swarm.addBlocks(1, [peer])
  using _ = frozen(peer)
  // Any want leads to the frozen peer's being found out; somebody else has this block.
  await client.get(common!.cid)
  await until(() => client.events(peer).includes('circuit:open'), 'the frozen peer is found out')
  const got = client.get(wanted!.cid)
  await until(() => client.rejections.OPEN > 0, 'the want is held back')
  peer.thaw()
  expect(Buffer.compare(await got, wanted!.bytes)).toBe(0)
  expect((await peer.stats()).blocksSent).toBeGreaterThan(0)
})

test('a message of somebody who speaks several versions is made good, too', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers('a', 'frozen'))
  const peer = swarm.peer('frozen')
  const connection = client.connection(peer)
  using _ = frozen(peer)
  // Which version the peer will choose is not known, so nothing can stand for its stream.
  const opening = connection.newStream([BITSWAP, '/ipfs/bitswap/1.1.0'])
  await expect(opening).rejects.toMatchObject({ name: 'SuspectError' })
  peer.thaw()
  await until(() => client.introductions(peer) > 1, 'the peer is announced again')
})

test('in mode off nothing is seen', async () => {
  await using client = await Client.start({ protection: { mode: 'off' } })
  await client.connect(...swarm.peers('a', 'frozen'))
  const peer = swarm.peer('frozen')
  await client.getAll(await swarm.addBlocks(3, swarm.peers('a')), 1)
  using _ = frozen(peer)
  await expectUnhindered(client, client.connection(peer).remotePeer)
  expect([...client.protection.peers()]).toEqual([])
  expect(client.events()).toEqual([])
})

/** A stream to a frozen peer is held back by nothing: whoever opens it waits for as long as he likes. */
async function expectUnhindered(client: Client, peer: PeerId): Promise<void> {
  const signal = AbortSignal.timeout(700)
  await expect(client.libp2p.dialProtocol(peer, BITSWAP, { signal })).rejects.toMatchObject({
    name: 'TimeoutError'
  })
}
