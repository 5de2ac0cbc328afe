import { describe, expect, test } from 'vitest'
import { broadcastTo, summed } from '../../../src/relay/nodes/broadcasting.ts'
import type { NodeClient } from '../../../src/relay/nodes/node-client.ts'
import { NotAllowedError, RpcError, type RpcRequest } from '../../../src/relay/protocols/rpc.ts'

const RAW = '0200'
const TXID = 'aa'
const signal = new AbortController().signal

/** A client whose node answers with what is there, and refuses the rest as unknown. */
function client(answers: Record<string, unknown>) {
  const asked: RpcRequest[] = []
  const call = async (request: RpcRequest): Promise<unknown> => {
    asked.push(request)
    const answer = answers[request.method]
    if (answer instanceof Error) throw answer
    if (answer === undefined) throw refusal(-32_601, 'Method not found')
    return answer
  }
  return { asked, client: { endpoint: 'a:1', call } as unknown as NodeClient }
}

function refusal(code: number, message: string): RpcError {
  return new RpcError('a:1', 'any', code, message)
}

describe('over JSON-RPC', () => {
  test('a transaction is sent, and looked for where it was sent', async () => {
    const { client: node, asked } = client({ sendrawtransaction: TXID, getmempoolentry: { size: 1 } })
    expect(await broadcastTo(node, 'http', RAW, signal)).toEqual({
      txid: TXID,
      endpoint: 'a:1',
      isInMempool: true
    })
    expect(asked).toEqual([
      { method: 'sendrawtransaction', params: [RAW] },
      { method: 'getmempoolentry', params: [TXID] }
    ])
  })

  test('a node that says it took one it does not have is not believed', async () => {
    const { client: node } = client({
      sendrawtransaction: TXID,
      getmempoolentry: refusal(-5, 'Transaction not in mempool')
    })
    expect(await broadcastTo(node, 'http', RAW, signal)).toMatchObject({ txid: TXID, isInMempool: false })
  })

  test.each([
    [[TXID], true],
    [['bb'], false]
  ])('a node without entries is asked for its whole pool: %j', async (pool, isInMempool) => {
    const { client: node } = client({ sendrawtransaction: TXID, getrawmempool: pool })
    expect(await broadcastTo(node, 'http', RAW, signal)).toMatchObject({ isInMempool })
  })

  test('one that was sent is sent, also if we may not look for it', async () => {
    const notAllowed = new NotAllowedError('a:1', 'that')
    const { client: node, asked } = client({
      sendrawtransaction: TXID,
      getmempoolentry: notAllowed,
      getrawmempool: notAllowed
    })
    expect(await broadcastTo(node, 'http', RAW, signal)).toMatchObject({ txid: TXID, isInMempool: false })
    expect(asked.map(({ method }) => method)).toEqual([
      'sendrawtransaction',
      'getmempoolentry',
      'getrawmempool'
    ])
  })

  test.each([
    [-27, 'Transaction already in block chain'],
    [-27, 'Transaction outputs already in utxo set'],
    [-26, 'txn-already-in-mempool'],
    [-25, 'already have transaction aa']
  ])('one that the node had already is as good as sent: %i %s', async (code, message) => {
    const { client: node } = client({
      sendrawtransaction: refusal(code, message),
      decoderawtransaction: { txid: TXID },
      getmempoolentry: {}
    })
    expect(await broadcastTo(node, 'http', RAW, signal)).toMatchObject({ txid: TXID, isInMempool: true })
  })

  test.each([
    [-26, 'min relay fee not met'],
    [-25, 'bad-txns-inputs-missingorspent'],
    [-22, 'TX decode failed: already known']
  ])('one that the node does not want is refused: %i %s', async (code, message) => {
    const { client: node } = client({
      sendrawtransaction: refusal(code, message),
      decoderawtransaction: { txid: TXID }
    })
    await expect(broadcastTo(node, 'http', RAW, signal)).rejects.toMatchObject({ code })
  })
})

describe('over Electrum’s protocol', () => {
  test('a transaction is sent, and looked for', async () => {
    const { client: node, asked } = client({
      'blockchain.transaction.broadcast': TXID,
      'blockchain.transaction.get': RAW
    })
    expect(await broadcastTo(node, 'electrum', RAW, signal)).toEqual({
      txid: TXID,
      endpoint: 'a:1',
      isInMempool: true
    })
    expect(asked.map(({ method }) => method)).toEqual([
      'blockchain.transaction.broadcast',
      'blockchain.transaction.get'
    ])
  })

  test('a server that does not have it then is not believed', async () => {
    const { client: node } = client({
      'blockchain.transaction.broadcast': TXID,
      'blockchain.transaction.get': refusal(2, 'daemon error: No such mempool transaction')
    })
    expect(await broadcastTo(node, 'electrum', RAW, signal)).toMatchObject({ isInMempool: false })
  })
})

test('what several nodes made of one is told together', () => {
  const of = (endpoint: string, isInMempool: boolean) => ({ txid: TXID, endpoint, isInMempool })
  expect(summed([of('a:1', true), of('b:1', false)])).toEqual({
    txid: TXID,
    endpoints: ['a:1', 'b:1'],
    inMempoolOf: ['a:1']
  })
})
