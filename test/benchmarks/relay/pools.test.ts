import { expect, test } from 'vitest'
import { genericPool, lightningPool, type MakePool, ourPool, tarn } from '../../../benchmarks/relay/pools.ts'
import { Authority } from '../../relay/support/certificates.ts'
import { echo, TestServer } from '../../relay/support/tls-server.ts'

const SIZE = 3

async function worksAsSaid(make: MakePool): Promise<void> {
  const pool = await make(SIZE)
  expect(pool.idle).toBe(SIZE)
  const first = pool.use(false)
  await Promise.resolve()
  const others = [pool.use(false), pool.use(false), pool.use(false)]
  await first
  await Promise.all(others)
  await pool.use(true)
  expect(pool.idle).toBe(SIZE)
  await pool.close()
}

test.each([
  ['generic-pool', genericPool],
  ['tarn', tarn],
  ['lightning-pool', lightningPool]
])('the resources of %s are all ready, and come back', (_, make) => worksAsSaid(make))

test('so are channels', async () => {
  const authority = await Authority.create()
  await using server = await TestServer.start(await authority.issue({ addresses: ['127.0.0.1'] }), echo)
  await worksAsSaid(ourPool(server.endpoint, authority.certificate))
  expect(server.connections).toBe(SIZE)
})
