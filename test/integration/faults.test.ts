import { expect, test, vi } from 'vitest'
import { BITSWAP, Client } from './support/client.ts'
import { TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** Nobody waits this long for a block somebody has, in ms: a fifth of what stock Helia may take for one. */
const SOON_MS = 2_000

/** So long that nobody's silence is held against him before he is killed, in ms. */
const PATIENT_MS = 30_000

const healthy = ['a', 'b', 'c']

const swarm = new TestSwarm([
  ...healthy.map(name => ({ name })),
  { name: 'mute', fault: 'mute' },
  { name: 'reset', fault: 'reset' },
  { name: 'reset-once' },
  { name: 'partial' },
  // They take wants, and are killed before they answer.
  { name: 'killed', answerDelayMs: 600_000 },
  { name: 'killed-unread', answerDelayMs: 600_000 }
])

/** Gets blocks of the healthy peers, one after the other, and has all others asked for them as well. */
async function getCommon(client: Client, count: number): Promise<void> {
  const elapsed = await client.getAll(await swarm.addBlocks(count, swarm.peers(...healthy)), 1)
  expect(Math.max(...elapsed)).toBeLessThan(SOON_MS)
}

async function isFoundOut(client: Client, name: string): Promise<void> {
  await until(() => client.events(swarm.peer(name)).includes('circuit:open'), `${name} is found out`)
  expect(client.status(swarm.peer(name))).toMatchObject({ circuitState: 'OPEN', isSuspect: false, trips: 1 })
}

function expectSteady(client: Client, ...names: readonly string[]): void {
  for (const peer of swarm.peers(...names)) {
    expect(client.status(peer)).toMatchObject({ circuitState: 'CLOSED', isSuspect: false, trips: 0 })
  }
}

test('a mute peer is opened', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers(...healthy, 'mute'))
  const mute = swarm.peer('mute')
  // Silence is held against nobody while all are silent, so others go on answering.
  await until(async () => {
    await getCommon(client, 1)
    return client.events(mute).includes('circuit:open')
  }, 'the mute peer is found out')
  expect(client.status(mute)).toMatchObject({ circuitState: 'OPEN', healthStatus: 'UNHEALTHY' })
  expect(client.status(mute).lastTrip).toMatchObject({
    reason: 'FAILURES',
    counts: { totalSuccesses: 0, consecutiveFailures: 5 }
  })
  const { remotePeer } = client.connection(mute)
  expect(await client.libp2p.services.ping.ping(remotePeer)).toBeGreaterThanOrEqual(0)
  await expect(client.libp2p.dialProtocol(remotePeer, BITSWAP)).rejects.toMatchObject({
    name: 'CircuitOpenError'
  })
  expectSteady(client, ...healthy)
  await getCommon(client, 5)
})

test('a peer that resets each stream is opened, and gets what it missed once it does not', async () => {
  await using client = await Client.start({ protection: { breaker: { timeoutMs: 2_000, timeoutGrowth: 1 } } })
  await client.connect(...swarm.peers(...healthy, 'reset'))
  const peer = swarm.peer('reset')
  const [own] = await swarm.addBlocks(1, [peer])
  const got = client.get(own!.cid)
  await getCommon(client, 10)
  await until(() => client.events(peer).includes('circuit:open'), 'it is found out')
  expect(client.status(peer)).toMatchObject({ circuitState: 'OPEN', isSuspect: false, trips: 1 })
  expect(client.status(peer).lastTrip).toMatchObject({
    reason: 'FAILURES',
    counts: { totalSuccesses: 0, consecutiveFailures: 5 }
  })
  expectSteady(client, ...healthy)
  await peer.setFault('none')
  expect(Buffer.compare(await got, own!.bytes)).toBe(0)
})

test('a peer that resets one stream is not opened', async () => {
  await using client = await Client.start()
  const peer = swarm.peer('reset-once')
  await peer.setFault('reset-once')
  await client.connect(...swarm.peers(...healthy, 'reset-once'))
  await getCommon(client, 1)
  await until(() => client.status(peer).counts.totalFailures === 1, 'the reset is noticed')
  await getCommon(client, 10)
  await client.getAll(await swarm.addBlocks(5, [peer]), 1)
  expectSteady(client, ...healthy, 'reset-once')
  expect(client.status(peer).counts.totalFailures).toBe(1)
  expect(client.events(peer)).not.toContain('circuit:open')
})

test('a peer that has some of the blocks it is asked for is not blamed', async () => {
  await using client = await Client.start({ protection: { wantTimeoutMs: 500 } })
  const partial = swarm.peer('partial')
  await client.connect(...swarm.peers(...healthy, 'partial'))
  const others = swarm.peers(...healthy)
  // Blocks come before what it lacks, whatever was asked for first.
  const lacking = await swarm.addBlocks(6, others)
  const blocks = await swarm.addBlocks(6, [...others, partial])
  await client.getAll([...lacking, ...blocks], lacking.length + blocks.length)
  await until(() => client.status(partial).pendingWants === 0, 'nothing more is expected of it')
  expectSteady(client, ...healthy, 'partial')
  expect(client.status(partial).counts).toMatchObject({
    totalSuccesses: lacking.length + blocks.length,
    totalFailures: 0
  })
})

test('a peer killed while it owes answers is opened', async () => {
  await using client = await Client.start({ protection: { wantTimeoutMs: PATIENT_MS } })
  await client.connect(...swarm.peers(...healthy, 'killed'))
  const killed = swarm.peer('killed')
  await getCommon(client, 2)
  await until(() => client.status(killed).pendingWants > 0, 'it owes answers')
  await killed.kill()
  await getCommon(client, 5)
  await isFoundOut(client, 'killed')
  expect(client.status(killed).lastTrip).toMatchObject({ reason: 'UNRESPONSIVE' })
  expectSteady(client, ...healthy)
})

test('a peer killed while it owes answers and has not read all is opened', async () => {
  await using client = await Client.start({ protection: { wantTimeoutMs: PATIENT_MS } })
  await client.connect(...swarm.peers(...healthy, 'killed-unread'))
  const killed = swarm.peer('killed-unread')
  await getCommon(client, 2)
  await until(() => client.status(killed).pendingWants > 0, 'it owes answers')
  // Its operating system then resets the connection, instead of closing it.
  killed.freeze()
  const { remotePeer } = client.connection(killed)
  const pings: Array<Promise<unknown>> = []
  await until(() => {
    pings.push(client.libp2p.services.ping.ping(remotePeer).catch(() => {}))
    return pings.length === 10
  }, 'something lies there unread')
  await killed.kill()
  await Promise.all(pings)
  await getCommon(client, 5)
  await isFoundOut(client, 'killed-unread')
  expect(client.status(killed).lastTrip).toMatchObject({ reason: 'UNRESPONSIVE' })
  expectSteady(client, ...healthy)
})
