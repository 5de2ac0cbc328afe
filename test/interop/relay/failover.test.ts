import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { COINBASE_MATURITY } from './support/bcoin-node.ts'
import { Readers } from './support/readers.ts'
import { spendReward } from './support/transactions.ts'
import { TwoNodes } from './support/two-nodes.ts'

/** Heights by which nodes are told apart: the backup has more blocks, but not so many that the other one lags. */
const OF_PRIMARY = 1
const OF_BACKUP = 2

/** What nobody should have to wait for, in ms; beside other tests, on a machine with little to spare. */
const STALL_LIMIT_MS = 1_000

interface Fault {
  readonly begin: (nodes: TwoNodes) => Promise<void> | void
  readonly end: (nodes: TwoNodes) => Promise<void> | void
}

const faults: Readonly<Record<string, Fault>> = {
  'is killed': { begin: ({ primary }) => primary.kill(), end: ({ primary }) => primary.restart() },
  'is stopped': { begin: ({ primary }) => primary.stop(), end: ({ primary }) => primary.resume() },
  'breaks off all connections': { begin: ({ line }) => line.break(), end: ({ line }) => line.mend() },
  'does not even shake hands': { begin: ({ line }) => line.silence(), end: ({ line }) => line.mend() }
}

describe.each(Object.entries(faults))('when the primary node %s', (_, { begin, end }) => {
  test.each([4, 32])('%i readers lose no read, and it is back within seconds of being well', async count => {
    await using nodes = await TwoNodes.start(false)
    const { primary, backup, channel } = nodes
    await primary.mine(OF_PRIMARY)
    await backup.mine(OF_BACKUP)
    await channel.start()
    const before = new Readers(channel, count)
    await sleep(500)
    expect(before.last).toBe(OF_PRIMARY)
    await begin(nodes)
    await sleep(2_500)
    expect(before.last).toBe(OF_BACKUP)
    const during = await before.stop()
    expect(during.errors).toEqual([])
    expect(during.longestMs).toBeLessThan(STALL_LIMIT_MS)
    expect(channel.getStatus()).toMatchObject({ isFailedOver: true, totalErrors: 0 })

    await end(nodes)
    const after = new Readers(channel, count)
    // One that was killed has lost its blocks.
    await expect.poll(() => after.last, { timeout: 5_000, interval: 5 }).toBeOneOf([0, OF_PRIMARY])
    expect((await after.stop()).errors).toEqual([])
    expect(channel.getStatus()).toMatchObject({
      isFailedOver: false,
      nodes: [{ state: 'up' }, { state: 'up' }]
    })
  })
})

test('a planned failover loses no transaction', async () => {
  await using nodes = await TwoNodes.start(true)
  const { primary, backup, channel } = nodes
  const SENT = 40
  await primary.mine(COINBASE_MATURITY + SENT)
  await backup.reaches(COINBASE_MATURITY + SENT)
  const transactions = []
  for (let height = 1; height <= SENT; height++) transactions.push(await spendReward(primary, height))
  await channel.start()

  const sending = []
  for (const { hex } of transactions) {
    sending.push(channel.broadcast(hex))
    if (sending.length === SENT / 2) void channel.isolate(nodes.line.endpoint)
    await sleep(2)
  }
  await channel.isolate(nodes.line.endpoint)
  await primary.kill()
  const sent = await Promise.all(sending)

  expect(sent.map(({ txid }) => txid)).toEqual(transactions.map(({ txid }) => txid))
  for (const { txid } of transactions) await backup.accepts(txid)
  expect(new Set(await backup.mempool())).toEqual(new Set(transactions.map(({ txid }) => txid)))
})

test('a transaction in flight when a node is killed without warning is on the other one', async () => {
  await using nodes = await TwoNodes.start(true)
  const { primary, backup, channel } = nodes
  const SENT = 20
  await primary.mine(COINBASE_MATURITY + SENT)
  await backup.reaches(COINBASE_MATURITY + SENT)
  const transactions = []
  for (let height = 1; height <= SENT; height++) transactions.push(await spendReward(primary, height))
  await channel.start()
  const sending = transactions.map(({ hex }) => channel.broadcast(hex))
  await primary.kill()
  await Promise.all(sending)
  for (const { txid } of transactions) await backup.accepts(txid)
})

test('a node that takes a transaction it does not have is not believed', async () => {
  await using nodes = await TwoNodes.start(true)
  const { primary, backup, channel } = nodes
  await primary.mine(COINBASE_MATURITY + 1)
  await backup.reaches(COINBASE_MATURITY + 1)
  const first = await spendReward(primary, 1)
  const second = await spendReward(primary, 1, 2)
  await channel.start()
  await channel.broadcast(first.hex)
  await backup.accepts(first.txid)
  await primary.accepts(first.txid)
  // bcoin answers with its id as if it had taken it.
  expect(await channel.broadcast(second.hex)).toMatchObject({ txid: second.txid, inMempoolOf: [] })
})
