import { expect, test, vi } from 'vitest'
import { Client } from './support/client.ts'
import { frozen, TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const PREFIX = '/bitswap-protection/'
const KEY = `${PREFIX}v1/records`
const TIMEOUT_MS = 4_000

/** Wall time and loop time are apart by as long as a turn of the event loop takes, on a busy machine. */
const TOLERANCE_MS = 500

const swarm = new TestSwarm(['a', 'frozen'].map(name => ({ name })))

type Datastore = Client['helia']['datastore']

/** A client that finds out soon who does not respond, with a datastore of its own or that of another. */
function startClient(datastore?: Datastore): Promise<Client> {
  return Client.start({
    protection: { openTimeoutMs: 1_000, breaker: { timeoutMs: TIMEOUT_MS, timeoutGrowth: 1 } },
    ...(datastore && { datastore })
  })
}

/** The same datastore, but for what it is asked for below our keys, which it never answers. */
function hanging(datastore: Datastore): Datastore {
  const methods = new Set<PropertyKey>(['get', 'put', 'delete'])
  return new Proxy(datastore, {
    get(target, name) {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) =>
        methods.has(name) && String(args[0]).startsWith(PREFIX)
          ? new Promise(() => {})
          : method.apply(target, args)
    }
  })
}

test('a peer whose circuit is OPEN when a node stops is so for the next one, until it is probed and comes back', async () => {
  const peer = swarm.peer('frozen')
  const common = await swarm.addBlocks(1, swarm.peers('a'))
  const own = await swarm.addBlocks(3, [peer])
  let retryAt = 0
  let datastore: Datastore
  let peerId: string
  {
    await using first = await startClient()
    datastore = first.helia.datastore
    peerId = first.libp2p.peerId.toString()
    await first.connect(...swarm.peers('a', 'frozen'))
    using _ = frozen(peer)
    await first.get(common[0]!.cid)
    await until(() => first.events(peer).includes('circuit:open'), 'the frozen peer is found out')
    retryAt = first.status(peer).nextRetryAt!
    peer.thaw()
  }

  await using second = await startClient(datastore)
  // It is the same node to others, too.
  expect(second.libp2p.peerId.toString()).toBe(peerId)
  expect(second.status(peer)).toMatchObject({
    circuitState: 'OPEN',
    trips: 1,
    isConnected: false,
    lastTrip: { reason: 'UNRESPONSIVE' }
  })
  expect(Math.abs(second.status(peer).nextRetryAt! - retryAt)).toBeLessThan(TOLERANCE_MS)
  expect([...second.protection.peers()].map(({ key }) => key)).toEqual([peer.peerId])

  await second.connect(...swarm.peers('a', 'frozen'))
  const got = second.get(own[0]!.cid)
  await until(() => second.rejections.OPEN > 0, 'the want is held back')
  expect(Buffer.compare(await got, own[0]!.bytes)).toBe(0)
  expect(Date.now()).toBeGreaterThan(retryAt - TOLERANCE_MS)
  await second.getAll(own.slice(1), 1)
  await until(() => second.events(peer).includes('recovery:start'), 'the peer is back')
  expect(second.events(peer).slice(0, 1)).toEqual(['circuit:half-open'])
  expect(second.events(peer)).not.toContain('circuit:open')
  expect(second.status(peer)).toMatchObject({ circuitState: 'CLOSED', isRecovering: true })
})

test('a datastore that does not answer delays neither start nor stop for long', async () => {
  await using other = await startClient()
  const startedAt = performance.now()
  const client = await startClient(hanging(other.helia.datastore))
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  await client.connect(...swarm.peers('a'))
  const [block] = await swarm.addBlocks(1, swarm.peers('a'))
  expect(Buffer.compare(await client.get(block!.cid), block!.bytes)).toBe(0)
  client.protection.isolate(client.libp2p.peerId)
  const stoppedAt = performance.now()
  await client.helia.stop()
  expect(performance.now() - stoppedAt).toBeLessThan(5_000)
})

test('what cannot be read there is set aside', async () => {
  const first = await startClient()
  const { datastore } = first.helia
  expect(await keysIn(datastore)).toEqual([])
  first.protection.isolate(first.libp2p.peerId)
  await first.helia.stop()
  expect(await keysIn(datastore)).toEqual([KEY])
  for await (const { key, value } of datastore.query({ prefix: PREFIX }))
    await datastore.put(key, value.subarray(0, -3))
  await using second = await startClient(datastore)
  expect([...second.protection.peers()]).toEqual([])
  expect(await keysIn(datastore)).toEqual([`${PREFIX}v1/set-aside`])
})

async function keysIn(datastore: Datastore): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of datastore.query({ prefix: PREFIX })) keys.push(key.toString())
  return keys
}
