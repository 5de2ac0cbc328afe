import { beforeAll, expect, test } from 'vitest'
import type { SecureChannelPool } from '../../../src/relay/index.ts'
import { Authority, type Identity } from '../../relay/support/certificates.ts'
import { BcoinNode } from './support/bcoin-node.ts'
import { failoverBaseline } from './support/failover-baseline.ts'
import { HaProxy } from './support/haproxy.ts'
import { heightOver, poolTo } from './support/pools.ts'

/** What it may take, in ms: two checks in vain, and what the requests before that are waited for. */
const FAILOVER_WITHIN_MS = 5_000

/** Blocks by which the nodes are told apart. */
const OF_PRIMARY = 1
const OF_BACKUP = 2

let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

test.each([
  ['dead', (node: BcoinNode) => node.kill()],
  ['silent', async (node: BcoinNode) => node.stop()]
])('HAProxy has the backup answer when the primary is %s', async (_, away) => {
  await using primary = await BcoinNode.start()
  await using backup = await BcoinNode.start()
  await primary.mine(OF_PRIMARY)
  await backup.mine(OF_BACKUP)
  await using haproxy = await HaProxy.start({
    relay: { identity, lines: failoverBaseline(primary, backup) }
  })
  await using pool = poolTo(haproxy.endpoint('relay'), {
    tls: { roots: [authority.certificate] },
    operationTimeoutMs: FAILOVER_WITHIN_MS
  })
  expect(await ask(pool, primary)).toBe(OF_PRIMARY)
  await away(primary)
  await expect.poll(() => ask(pool, primary).catch(String), { timeout: FAILOVER_WITHIN_MS }).toBe(OF_BACKUP)
})

/** Both nodes have the same credentials. */
async function ask(pool: SecureChannelPool, node: BcoinNode): Promise<number> {
  await using channel = await pool.getConnection()
  return await heightOver(channel, node)
}
