import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Client } from './support/client.ts'
import { frozen, TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** While something held back from a recovering peer waits, its ramp is looked at this often. */
const SWEEP_MS = 50

// The tests run side by side, as they wait most of their time; each has a patient of its own.
const swarm = new TestSwarm(['a', 'b', 'frozen-briefly', 'frozen-for-long', 'ramped'].map(name => ({ name })))

test.concurrent('a peer frozen for 8 s comes back on the same connection', async () => {
  await using client = await Client.start({
    protection: {
      breaker: { timeoutMs: 1_500, timeoutGrowth: 1 },
      recovery: {
        strategy: 'LINEAR',
        initialRecoveryRate: 0.5,
        recoveryIncrement: 0.5,
        recoveryIntervalMs: 200,
        successThreshold: 5
      }
    },
    // It would end the connection of a peer that does not answer for so long.
    libp2p: { connectionMonitor: { enabled: false } }
  })
  await client.connect(...swarm.peers('a', 'b', 'frozen-briefly'))
  const peer = swarm.peer('frozen-briefly')
  const common = await swarm.addBlocks(3, swarm.peers('a', 'b'))
  const own = await swarm.addBlocks(12, [peer])
  const { id } = client.connection(peer)
  using _ = frozen(peer)
  const thawed = sleep(8_000).then(() => peer.thaw())
  const wantedWhileUp = client.get(own[0]!.cid)
  await client.getAll(common, 1)
  await until(() => client.events(peer).includes('circuit:open'), 'the frozen peer is found out')
  const wantedWhileOpen = client.get(own[1]!.cid)
  await thawed
  expect(Buffer.compare(await wantedWhileUp, own[0]!.bytes)).toBe(0)
  expect(Buffer.compare(await wantedWhileOpen, own[1]!.bytes)).toBe(0)
  await client.getAll(own.slice(2), 1)
  // The last step has to last its time, and a call to end it.
  await until(async () => {
    const [block] = await swarm.addBlocks(1, [peer])
    await client.get(block!.cid)
    return client.events(peer).includes('recovery:complete')
  }, 'the recovery is complete')
  const changes = client.events(peer).filter(type => type !== 'health:change')
  // Once more round if the thaw came late.
  expect(changes.join(' ')).toMatch(
    /^(circuit:open circuit:half-open )+circuit:close recovery:start recovery:complete$/
  )
  expect(client.connection(peer).id).toBe(id)
  expect(client.status(peer)).toMatchObject({ circuitState: 'CLOSED', isRecovering: false, recoveryRate: 1 })
  expect((await peer.stats()).connections).toBe(1)
})

test.concurrent('a peer frozen until its connection drops is known when it is dialled again, and comes back', async () => {
  await using client = await Client.start({
    protection: { breaker: { timeoutMs: 1_500, timeoutGrowth: 1 } },
    libp2p: { connectionMonitor: { pingInterval: 1_000, pingTimeout: { minTimeout: 3_000 } } }
  })
  await client.connect(...swarm.peers('a', 'b', 'frozen-for-long'))
  const peer = swarm.peer('frozen-for-long')
  const common = await swarm.addBlocks(60, swarm.peers('a', 'b'))
  const own = await swarm.addBlocks(5, [peer])
  const { id, remotePeer } = client.connection(peer)
  using _ = frozen(peer)
  // Others go on answering all the while.
  const others = (async () => {
    for (const block of common) {
      await client.get(block.cid)
      await sleep(100)
    }
  })()
  await until(() => client.libp2p.getConnections(remotePeer).length === 0, 'the connection drops')
  await until(() => client.events(peer).includes('circuit:open'), 'the frozen peer is found out')
  expect(client.status(peer)).toMatchObject({
    isConnected: false,
    trips: 1,
    lastTrip: { reason: 'UNRESPONSIVE' }
  })
  const wanted = client.get(own[0]!.cid)
  peer.thaw()
  await client.connect(peer)
  expect(client.connection(peer).id).not.toBe(id)
  expect(client.status(peer)).toMatchObject({ isConnected: true, trips: 1 })
  expect(client.status(peer).circuitState).not.toBe('CLOSED')
  expect(Buffer.compare(await wanted, own[0]!.bytes)).toBe(0)
  await client.getAll(own.slice(1), 1)
  expect(client.status(peer).circuitState).toBe('CLOSED')
  const changes = client.events(peer).filter(type => type !== 'health:change')
  expect(changes.slice(-2)).toEqual(['circuit:close', 'recovery:start'])
  await others
})

test.concurrent('who alone has the blocks is not starved while it is ramped up', async () => {
  const initialRecoveryRate = 0.1
  await using client = await Client.start({
    protection: {
      openTimeoutMs: 1_000,
      breaker: { timeoutMs: 500, timeoutGrowth: 1 },
      // The first step lasts for the whole test.
      recovery: {
        strategy: 'LINEAR',
        initialRecoveryRate,
        recoveryIncrement: 0.1,
        recoveryIntervalMs: 60_000
      }
    },
    libp2p: { connectionMonitor: { enabled: false } }
  })
  await client.connect(...swarm.peers('a', 'b', 'ramped'))
  const peer = swarm.peer('ramped')
  const [common] = await swarm.addBlocks(1, swarm.peers('a'))
  const probes = await swarm.addBlocks(3, [peer])
  const own = await swarm.addBlocks(30, [peer])
  const single = await swarm.addBlocks(5, [peer])
  {
    using _ = frozen(peer)
    await client.get(common!.cid)
    await until(() => client.events(peer).includes('circuit:open'), 'the frozen peer is found out')
  }
  await client.getAll(probes, probes.length)
  expect(client.events(peer)).toContain('recovery:start')
  const before = { ...client.rejections, ...(await peer.stats()) }
  const startedAt = performance.now()
  const gets: Array<Promise<Uint8Array>> = []
  for (const { cid } of own) {
    gets.push(client.get(cid))
    // Each of them in a message of its own.
    await sleep(25)
  }
  const got = await Promise.all(gets)
  // Nothing but the want itself ever asks for these.
  await client.getAll(single, 1)
  const elapsedMs = performance.now() - startedAt
  expect(got.map(bytes => bytes.length)).toEqual(own.map(({ bytes }) => bytes.length))
  expect(elapsedMs).toBeLessThan(15_000)
  expect(client.status(peer)).toMatchObject({ isRecovering: true, recoveryRate: initialRecoveryRate })
  const admitted = (await peer.stats()).inboundStreams - before.inboundStreams
  const rejected = client.rejections.RECOVERING - before.RECOVERING
  // Each message offered earns its share, and so does each look at what waits.
  const offered = admitted + rejected + elapsedMs / SWEEP_MS
  expect(admitted).toBeLessThanOrEqual(2 + initialRecoveryRate * offered)
  expect(rejected).toBeGreaterThan(own.length / 2)
})
