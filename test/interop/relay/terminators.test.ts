import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeHeader, encodeMessage, HEADER_BYTES } from '../../../src/relay/protocols/bitcoin-message.ts'
import { Authority, type Identity } from '../../relay/support/certificates.ts'
import { BcoinNode } from './support/bcoin-node.ts'
import { HaProxy, toPort } from './support/haproxy.ts'
import { heightOver, poolTo } from './support/pools.ts'
import { Stunnel } from './support/stunnel.ts'
import type { Terminator } from './support/terminator.ts'

const BLOCKS = 3

type Name = 'rpc' | 'mutual' | 'p2p'

const stack = new AsyncDisposableStack()
let authority: Authority
let node: BcoinNode
let terminators: { stunnel: Terminator<Name>; haproxy: Terminator<Name> }
/** Signed by whom terminators trust. */
let friend: Identity
let stranger: Identity

beforeAll(async () => {
  authority = await Authority.create()
  const clients = await Authority.create('Authority of Clients')
  friend = await clients.issue({ names: ['a friend'] })
  stranger = await authority.issue({ names: ['a stranger'] })
  node = stack.use(await BcoinNode.start())
  await node.mine(BLOCKS)
  const identity = await authority.issue({ addresses: ['127.0.0.1'] })
  const to = { rpc: node.rpcPort, mutual: node.rpcPort, p2p: node.p2pPort }
  const mutual = { identity, clients: clients.certificate }
  const stunnel = stack.use(
    await Stunnel.start({
      rpc: { identity, to: to.rpc },
      mutual: { ...mutual, to: to.mutual },
      p2p: { identity, to: to.p2p }
    })
  )
  const haproxy = stack.use(
    await HaProxy.start({
      rpc: { identity, lines: toPort(to.rpc) },
      mutual: { ...mutual, lines: toPort(to.mutual) },
      p2p: { identity, lines: toPort(to.p2p) }
    })
  )
  terminators = { stunnel, haproxy }
})

afterAll(() => stack.disposeAsync())

describe.each(['stunnel', 'haproxy'] as const)('behind %s', terminator => {
  const endpoint = (name: Name): string => terminators[terminator].endpoint(name)
  const tls = (own?: Identity) => ({
    roots: [authority.certificate],
    ...(own && { certificate: own.certificate, key: own.key })
  })

  test('a node is asked again and again over one channel', async () => {
    await using pool = poolTo(endpoint('rpc'), { tls: tls() })
    const ids = new Set<string>()
    for (let turn = 0; turn < 3; turn++) {
      await using channel = await pool.getConnection()
      expect(await heightOver(channel, node)).toBe(BLOCKS)
      ids.add(channel.id)
    }
    expect(ids.size).toBe(1)
  })

  test('a node speaks the protocol between nodes', async () => {
    await using pool = poolTo(endpoint('p2p'), { tls: tls() })
    await using channel = await pool.getConnection()
    await channel.writeAll(encodeMessage('regtest', { command: 'version', payload: version() }))
    const { command, size } = decodeHeader('regtest', await channel.readExact(HEADER_BYTES))
    expect(command).toBe('version')
    expect(new TextDecoder('latin1').decode(await channel.readExact(size))).toContain('/bcoin:v1.0.2/')
  })

  test('who has the right certificate is let in', async () => {
    await using pool = poolTo(endpoint('mutual'), { tls: tls(friend) })
    await using channel = await pool.getConnection()
    expect(await heightOver(channel, node)).toBe(BLOCKS)
  })

  test.each([
    ['none', () => undefined],
    ['one of another authority', () => stranger]
  ])('who has %s is not: TLS stands, but the probe fails', async (_, own) => {
    await using blind = poolTo(endpoint('mutual'), { tls: tls(own()) })
    await using channel = await blind.getConnection()
    await expect(heightOver(channel, node)).rejects.toMatchObject({ problem: 'CLIENT' })
    await using pool = poolTo(endpoint('mutual'), {
      tls: tls(own()),
      probe: probed => heightOver(probed, node)
    })
    await expect(pool.getConnection()).rejects.toMatchObject({ name: 'IdentityError', problem: 'CLIENT' })
  })
})

/** What a node says first (en.bitcoin.it/wiki/Protocol_documentation#version): here, of nobody in particular. */
function version(): Uint8Array {
  const payload = Buffer.alloc(86)
  payload.writeInt32LE(70_015, 0)
  payload.writeBigInt64LE(BigInt(Math.floor(Date.now() / 1_000)), 12)
  payload.writeUInt32LE(1, 72)
  return payload
}
