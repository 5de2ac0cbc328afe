import { expect, test } from 'vitest'
import { Authority } from '../../relay/support/certificates.ts'
import { BcoinNode } from './support/bcoin-node.ts'
import { ElectrumX } from './support/electrumx.ts'
import { LineJson } from './support/line-json.ts'
import { poolTo } from './support/pools.ts'

/** ElectrumX looks for blocks five times a second, and needs a moment for one, in ms. */
const NOTIFIED_WITHIN_MS = 10_000

test('ElectrumX answers, and tells of new blocks by itself', async () => {
  const authority = await Authority.create()
  await using node = await BcoinNode.start()
  await node.mine(5)
  await using server = await ElectrumX.start(node, await authority.issue({ addresses: ['127.0.0.1'] }))
  await using pool = poolTo(server.endpoint, {
    tls: { roots: [authority.certificate] },
    operationTimeoutMs: NOTIFIED_WITHIN_MS
  })
  await using channel = await pool.getConnection()
  const electrum = new LineJson(channel)
  expect(await electrum.call('server.version', ['a test', '1.4'])).toEqual([
    expect.stringContaining('ElectrumX'),
    '1.4'
  ])
  expect(await electrum.call('blockchain.headers.subscribe')).toMatchObject({ height: 5 })
  await node.mine(1)
  expect(await electrum.next()).toMatchObject({
    method: 'blockchain.headers.subscribe',
    params: [{ height: 6 }]
  })
})
