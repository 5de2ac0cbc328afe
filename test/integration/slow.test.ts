import { expect, test, vi } from 'vitest'
import { Client, type Reachable } from './support/client.ts'
import { TestSwarm } from './support/test-swarm.ts'
import { until } from './support/waiting.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const CONCURRENCY = 6

const near = ['a', 'b', 'c', 'd']

/** Delays one way, in ms. */
const far = { far: 400, farther: 800 }

const swarm = new TestSwarm([
  ...near.map(name => ({ name })),
  ...Object.entries(far).map(([name, delayMs]) => ({ name, delayMs }))
])

/** How long each peer has been suspect at most without a break, in ms. */
class SuspicionWatch implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>
  readonly #since = new Map<string, number>()
  readonly #longestMs = new Map<string, number>()

  constructor(client: Client) {
    this.#timer = setInterval(() => {
      for (const { key, isSuspect } of client.protection.peers()) this.#note(key, isSuspect)
    }, 10)
  }

  longestMs({ peerId }: Reachable): number {
    return this.#longestMs.get(peerId) ?? 0
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #note(key: string, isSuspect: boolean): void {
    if (!isSuspect) {
      this.#since.delete(key)
      return
    }
    const since = this.#since.get(key) ?? performance.now()
    this.#since.set(key, since)
    this.#longestMs.set(key, Math.max(this.#longestMs.get(key) ?? 0, performance.now() - since))
  }
}

/** How many gets took as long as one way to the nearer of the two. To wait for either would take more than twice that. */
function delayed(elapsed: readonly number[]): number {
  return elapsed.filter(ms => ms > far.far).length
}

function expectUnblamed(client: Client, watch: SuspicionWatch): void {
  for (const [name, delayMs] of Object.entries(far)) {
    const peer = swarm.peer(name)
    expect(client.events(peer)).not.toContain('circuit:open')
    expect(client.status(peer)).toMatchObject({
      circuitState: 'CLOSED',
      isSuspect: false,
      trips: 0,
      counts: { totalFailures: 0 }
    })
    // To learn how slow it is takes a round trip; the second one is for a busy machine.
    expect(watch.longestMs(peer)).toBeLessThan(4 * delayMs)
  }
}

test.concurrent('honest peers far away hold up nobody but the first, are not blamed, and deliver', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers())
  using watch = new SuspicionWatch(client)
  const elapsed = await client.getAll(await swarm.addBlocks(60, swarm.peers(...near)), CONCURRENCY)
  expect(delayed(elapsed)).toBeLessThanOrEqual(CONCURRENCY)
  await Promise.all(
    swarm.peers(...Object.keys(far)).map(async peer => {
      await client.getAll(await swarm.addBlocks(CONCURRENCY, [peer]), CONCURRENCY)
      expect(client.status(peer).counts.totalSuccesses).toBeGreaterThanOrEqual(CONCURRENCY)
    })
  )
  const again = await client.getAll(await swarm.addBlocks(60, swarm.peers(...near)), CONCURRENCY)
  expect(delayed(again)).toBe(0)
  expectUnblamed(client, watch)
})

test.concurrent('the same, when they join while blocks are being fetched', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers(...near))
  using watch = new SuspicionWatch(client)
  const connected = client.connect(...swarm.peers(...Object.keys(far)))
  let isConnected = false
  connected.then(
    () => {
      isConnected = true
    },
    () => {}
  )
  const elapsed: number[] = []
  const own = await swarm.addBlocks(1, swarm.peers(...Object.keys(far)))
  const gotOwn = client.getAll(own, 1)
  while (!isConnected || elapsed.length < 60) {
    const blocks = await swarm.addBlocks(CONCURRENCY, swarm.peers(...near))
    elapsed.push(...(await client.getAll(blocks, CONCURRENCY)))
  }
  await connected
  await gotOwn
  expect(delayed(elapsed)).toBeLessThanOrEqual(CONCURRENCY)
  expectUnblamed(client, watch)
})

test.concurrent('peers whose speed is not known are suspected until it is, not longer and not again', async () => {
  await using client = await Client.start()
  await client.connect(...swarm.peers())
  // What was learned by the connections' identify is gone with that.
  client.protection.stop()
  client.protection.start()
  using watch = new SuspicionWatch(client)
  const elapsed = await client.getAll(await swarm.addBlocks(60, swarm.peers(...near)), CONCURRENCY)
  expect(delayed(elapsed)).toBeLessThanOrEqual(CONCURRENCY)
  const farPeers = swarm.peers(...Object.keys(far))
  await until(() => farPeers.every(peer => watch.longestMs(peer) > 0), 'they are suspected')
  await until(() => !farPeers.some(peer => client.isSuspect(peer)), 'they have responded')
  expectUnblamed(client, watch)

  using later = new SuspicionWatch(client)
  const own = await swarm.addBlocks(1, farPeers)
  await Promise.all([
    client.getAll(own, 1),
    client.getAll(await swarm.addBlocks(60, swarm.peers(...near)), CONCURRENCY)
  ])
  for (const peer of farPeers) expect(later.longestMs(peer)).toBe(0)
  expectUnblamed(client, later)
})
