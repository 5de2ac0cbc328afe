import { afterAll, beforeAll, expect, test } from 'vitest'
import { BcoinNode, COINBASE_MATURITY } from './support/bcoin-node.ts'
import { doubleSpend, spendReward } from './support/transactions.ts'

const stack = new AsyncDisposableStack()
let first: BcoinNode
let second: BcoinNode

beforeAll(async () => {
  first = stack.use(await BcoinNode.start())
  second = stack.use(await BcoinNode.start({ connectTo: [first] }))
  await first.mine(COINBASE_MATURITY + 5)
})

afterAll(() => stack.disposeAsync())

test('a node has the blocks of the one it is connected to, also when it was started again', async () => {
  const { pid } = second
  await second.reaches(await first.height())
  await second.restart()
  expect(second.pid).not.toBe(pid)
  await second.reaches(await first.height())
  const best = await first.call('getbestblockhash')
  expect(await second.call('getbestblockhash')).toBe(best)
})

test('a transaction may be sent twice, and is in the mempool once', async () => {
  const { txid, hex } = await spendReward(first, 1)
  expect(await first.call('sendrawtransaction', hex)).toBe(txid)
  await first.accepts(txid)
  expect(await first.call('sendrawtransaction', hex)).toBe(txid)
  expect(await first.mempool()).toEqual([txid])
  await first.mine(1)
  expect(await first.mempool()).toEqual([])
})

test('bcoin says yes to both of a double spend, and accepts one', async () => {
  const [one, other] = await doubleSpend(first, 2)
  expect(await first.call('sendrawtransaction', one.hex)).toBe(one.txid)
  await first.accepts(one.txid)
  expect(await first.call('sendrawtransaction', other.hex)).toBe(other.txid)
  expect(one.txid).not.toBe(other.txid)
  expect(await first.mempool()).toEqual([one.txid])
  const [hash] = await first.mine(1)
  const { tx } = await first.call<{ tx: string[] }>('getblock', hash)
  expect(tx.slice(1)).toEqual([one.txid])
})
