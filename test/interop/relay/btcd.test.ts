import { expect, test } from 'vitest'
import { Authority } from '../../relay/support/certificates.ts'
import { Btcd } from './support/btcd.ts'
import { poolTo } from './support/pools.ts'
import { askOver } from './support/raw-rpc.ts'

test('btcd is asked over TLS of its own, and ends each channel with its answer', async () => {
  const authority = await Authority.create()
  const identity = await authority.issue({ addresses: ['127.0.0.1'] })
  await using node = await Btcd.start(identity)
  await node.mine(4)
  await using pool = poolTo(node.endpoint, { tls: { roots: [authority.certificate], pins: [identity.pin] } })
  const ids = new Set<string>()
  for (let turn = 0; turn < 3; turn++) {
    await using channel = await pool.getConnection()
    expect(await askOver(channel, node.credentials, 'getblockcount')).toBe(4)
    ids.add(channel.id)
  }
  expect(ids.size).toBe(3)
  expect(pool.getStatus()).toMatchObject({ activeConnections: 0, totalErrors: 0 })
})
