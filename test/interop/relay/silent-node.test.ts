import { beforeAll, describe, expect, test } from 'vitest'
import type { PoolOptions } from '../../../src/relay/index.ts'
import { Authority, type Identity } from '../../relay/support/certificates.ts'
import { BcoinNode } from './support/bcoin-node.ts'
import { HaProxy, toPort } from './support/haproxy.ts'
import { heightOver, poolTo } from './support/pools.ts'
import { Stunnel } from './support/stunnel.ts'
import type { Terminator } from './support/terminator.ts'

/** Much more than a node that is well takes, in ms. */
const OPERATION_TIMEOUT_MS = 300

let authority: Authority
let identity: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
})

/** A kind of terminator, and how a dead node behind it shows. */
interface Kind {
  readonly name: string
  readonly whenDead: string
  readonly start: (to: number) => Promise<Terminator<'rpc'>>
}

const kinds: readonly Kind[] = [
  {
    name: 'stunnel',
    whenDead: 'ChannelClosedError',
    start: to => Stunnel.start({ rpc: { identity, to } })
  },
  {
    // It tries for some seconds by itself to connect to a node that refuses.
    name: 'HAProxy',
    whenDead: 'ChannelTimeoutError',
    start: to => HaProxy.start({ rpc: { identity, lines: toPort(to) } })
  }
]

/** A node behind a terminator, and two pools to it: one that tries out its channels, and one that does not. */
async function create({ start }: Kind) {
  const stack = new AsyncDisposableStack()
  const node = stack.use(await BcoinNode.start())
  const terminator = stack.use(await start(node.rpcPort))
  const options = {
    tls: { roots: [authority.certificate] },
    operationTimeoutMs: OPERATION_TIMEOUT_MS,
    minIdle: 2
  }
  const endpoint = terminator.endpoint('rpc')
  // At once: a test that has failed may not have given all back.
  const opened = (own: Partial<PoolOptions>) =>
    stack.adopt(poolTo(endpoint, { ...options, ...own }), pool => pool.close())
  const pool = opened({ probe: channel => heightOver(channel, node) })
  const blind = opened({})
  return { node, pool, blind, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

describe.each(kinds)('behind $name', kind => {
  test('a node that hangs has no channel, though TLS stands', async () => {
    await using made = await create(kind)
    const { node, pool, blind } = made
    node.stop()
    const channel = await blind.getConnection()
    await expect(heightOver(channel, node)).rejects.toMatchObject({ name: 'ChannelTimeoutError' })
    await expect(pool.getConnection()).rejects.toMatchObject({
      name: 'ChannelTimeoutError',
      timeoutMs: OPERATION_TIMEOUT_MS
    })
    node.resume()
    await using again = await pool.getConnection()
    expect(await heightOver(again, node)).toBe(0)
  })

  test('a node that is dead has no channel, though TLS stands', async () => {
    await using made = await create(kind)
    const { node, pool, blind } = made
    await node.kill()
    const channel = await blind.getConnection()
    await expect(heightOver(channel, node)).rejects.toMatchObject({ name: kind.whenDead })
    await expect(pool.getConnection()).rejects.toMatchObject({ name: kind.whenDead })
    await node.restart()
    await using again = await pool.getConnection()
    expect(await heightOver(again, node)).toBe(0)
  })

  test('a node that is back has its channels again, without anybody asking', async () => {
    await using made = await create(kind)
    const { node, pool } = made
    await node.kill()
    await pool.start()
    expect(pool.getStatus()).toMatchObject({ activeConnections: 0, isHealthy: false })
    await node.restart()
    await expect
      .poll(() => pool.getStatus(), { timeout: 10_000 })
      .toMatchObject({ idleConnections: 2, isHealthy: true })
  })
})
