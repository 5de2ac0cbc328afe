import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TlsOptions } from '../../../src/relay/index.ts'
import { Authority } from '../../relay/support/certificates.ts'
import { BcoinNode } from './support/bcoin-node.ts'
import { HaProxy, toPort } from './support/haproxy.ts'
import { heightOver, poolTo } from './support/pools.ts'
import { Stunnel } from './support/stunnel.ts'

const stack = new AsyncDisposableStack()
let authority: Authority
let node: BcoinNode
let stunnel: Stunnel<'right' | 'otherName' | 'expired'>
let haproxy: HaProxy<'old'>
const pins = { right: '', other: '' }

beforeAll(async () => {
  authority = await Authority.create()
  const right = await authority.issue({ addresses: ['127.0.0.1'], names: ['relay.test'] })
  const otherName = await authority.issue({ names: ['other.test'] })
  const expired = await authority.issue({ addresses: ['127.0.0.1'], validDays: [-10, -1] })
  pins.right = `sha256/${right.pin}`
  pins.other = `sha256/${otherName.pin}`
  node = stack.use(await BcoinNode.start())
  const to = node.rpcPort
  stunnel = stack.use(
    await Stunnel.start({
      right: { identity: right, to },
      otherName: { identity: otherName, to },
      expired: { identity: expired, to }
    })
  )
  haproxy = stack.use(await HaProxy.start({ old: { identity: right, tls: 'TLSv1.2', lines: toPort(to) } }))
})

afterAll(() => stack.disposeAsync())

/** Asks a node for its height. */
async function ask(endpoint: string, tls: Partial<TlsOptions> = {}): Promise<number> {
  await using pool = poolTo(endpoint, { tls: { roots: [authority.certificate], ...tls } })
  await using channel = await pool.getConnection()
  return await heightOver(channel, node)
}

test('a server that is who it should be is talked to', async () => {
  const tls = { pins: [pins.other, pins.right], serverName: 'relay.test' }
  expect(await ask(stunnel.endpoint('right'), tls)).toBe(0)
})

test.each([
  ['has another key than pinned', 'PIN', () => ask(stunnel.endpoint('right'), { pins: [pins.other] })],
  ['has another name', 'NAME', () => ask(stunnel.endpoint('otherName'))],
  ['has another name than asked for', 'NAME', () => ask(stunnel.endpoint('right'), { serverName: 'x.test' })],
  ['has a certificate that has expired', 'EXPIRED', () => ask(stunnel.endpoint('expired'))],
  ['was signed by who knows whom', 'UNTRUSTED', () => ask(stunnel.endpoint('right'), { roots: 'system' })]
])('a server that %s is not', async (_, problem, asked) => {
  await expect(asked()).rejects.toMatchObject({ name: 'IdentityError', problem })
})

test.each([
  ['TLS 1.2', () => haproxy.endpoint('old')],
  ['no TLS', () => `127.0.0.1:${node.rpcPort}`]
])('a server that speaks %s is not', async (_, endpoint) => {
  await expect(ask(endpoint())).rejects.toMatchObject({ name: 'ConnectError', failure: 'PROTOCOL' })
})
