import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ElectrumNodeClient, RpcError, SecureBuffer, SecureChannel } from '../../../src/relay/index.ts'
import { Authority, type Identity } from '../../relay/support/certificates.ts'
import { BcoinNode } from './support/bcoin-node.ts'
import { Btcd } from './support/btcd.ts'
import { ElectrumX } from './support/electrumx.ts'
import { HaProxy, toPort } from './support/haproxy.ts'
import { Stunnel } from './support/stunnel.ts'

const BLOCKS = 5

const stack = new AsyncDisposableStack()
let authority: Authority
let identity: Identity
let bcoin: BcoinNode
let stunnel: Stunnel<'node'>
let haproxy: HaProxy<'node' | 'friends'>
let friend: Identity

beforeAll(async () => {
  authority = await Authority.create()
  identity = await authority.issue({ addresses: ['127.0.0.1'] })
  friend = await authority.issue({ names: ['a friend'] })
  bcoin = stack.use(await BcoinNode.start())
  await bcoin.mine(BLOCKS)
  stunnel = stack.use(await Stunnel.start({ node: { identity, to: bcoin.rpcPort } }))
  const lines = toPort(bcoin.rpcPort)
  haproxy = stack.use(
    await HaProxy.start({
      node: { identity, lines },
      friends: { identity, lines, clients: authority.certificate }
    })
  )
})

afterAll(() => stack.disposeAsync())

/** A channel that is closed with the scope. */
function open(...args: ConstructorParameters<typeof SecureChannel>) {
  const channel = new SecureChannel(...args)
  return { channel, [Symbol.asyncDispose]: () => channel.close() }
}

function tls() {
  return { roots: [authority.certificate] }
}

describe('bcoin behind stunnel and HAProxy', () => {
  const both = () => {
    const [username, password] = bcoin.credentials.split(':')
    return [stunnel.endpoint('node'), haproxy.endpoint('node')].map(address => ({
      address,
      username,
      password
    }))
  }

  test('is asked for its height, in batches, and by both ways', async () => {
    await using opened = open({ primaryNodes: both(), tls: tls() })
    const { channel } = opened
    await channel.start()
    expect(await channel.getBlockHeight()).toBe(BLOCKS)
    const genesis = await bcoin.call('getblockhash', 0)
    expect(await channel.execute({ method: 'getblockhash', params: [0] }, { agree: 2 })).toBe(genesis)
    expect(
      await channel.executeAll([{ method: 'getblockcount' }, { method: 'getblockhash', params: [0] }])
    ).toEqual([{ result: BLOCKS }, { result: genesis }])
    expect(channel.getStatus()).toMatchObject({
      isHealthy: true,
      height: BLOCKS,
      nodes: [{ state: 'up' }, { state: 'up' }]
    })
  })

  test('refuses what it does not have, and is well', async () => {
    await using opened = open({ primaryNodes: both(), tls: tls() })
    const { channel } = opened
    for (let turn = 0; turn < 10; turn++)
      await expect(channel.execute({ method: 'getblockhash', params: [1_000] })).rejects.toThrow(RpcError)
    await expect(channel.execute({ method: 'getnothing' })).rejects.toMatchObject({ isMethodUnknown: true })
    expect(channel.getStatus()).toMatchObject({ totalErrors: 0, nodes: [{ state: 'up' }, { state: 'up' }] })
  })

  test('does not let anybody in who does not know the password, kept in locked memory', async () => {
    using wrong = await SecureBuffer.from(new TextEncoder().encode('wrong'))
    using right = await SecureBuffer.from(new TextEncoder().encode(bcoin.apiKey))
    const node = (address: string, password: SecureBuffer) => ({ address, username: 'x', password })
    await using opened = open({
      primaryNodes: [node(stunnel.endpoint('node'), wrong)],
      backupNodes: [node(haproxy.endpoint('node'), right)],
      tls: tls()
    })
    const { channel } = opened
    await channel.start()
    expect(await channel.getBlockHeight()).toBe(BLOCKS)
    expect(channel.getStatus().nodes).toMatchObject([
      { state: 'refused', lastError: expect.stringContaining('user name and password') },
      { state: 'up' }
    ])
  })

  test.each([
    ['another key', () => ({ ...tls(), pins: [`sha256/${friend.pin}`] }), 'PIN'],
    ['another name', () => ({ ...tls(), serverName: 'elsewhere.test' }), 'NAME'],
    ['nobody’s signature', () => ({ roots: [] }), 'UNTRUSTED']
  ])('with %s is not asked, and that is a security event', async (_, wrong, problem) => {
    const [first, second] = both()
    const events: unknown[] = []
    await using opened = open({
      primaryNodes: [{ ...first!, tls: wrong() }],
      backupNodes: [{ ...second!, tls: tls() }]
    })
    const { channel } = opened
    channel.onEvent(({ type, error }) =>
      events.push([type, (error as { problem?: string } | undefined)?.problem])
    )
    expect(await channel.getBlockHeight()).toBe(BLOCKS)
    expect(events[0]).toEqual(['node:refused', problem])
  })

  test('that wants to know who we are', async () => {
    const [node] = both()
    const address = haproxy.endpoint('friends')
    await using stranger = open({ primaryNodes: [{ ...node!, address }], tls: tls(), maxRetries: 0 })
    await expect(stranger.channel.getBlockHeight()).rejects.toMatchObject({
      cause: { name: 'IdentityError', problem: 'CLIENT' }
    })
    const { certificate, key } = friend
    await using known = open({ primaryNodes: [{ ...node!, address }], tls: { ...tls(), certificate, key } })
    expect(await known.channel.getBlockHeight()).toBe(BLOCKS)
  })
})

test('btcd, which speaks TLS itself, and ends each connection with its answer', async () => {
  await using btcd = await Btcd.start(identity)
  await btcd.mine(BLOCKS)
  const [username, password] = btcd.credentials.split(':')
  await using opened = open({
    primaryNodes: [{ address: btcd.endpoint, username, password, tls: { pins: [`sha256/${identity.pin}`] } }],
    tls: tls()
  })
  const { channel } = opened
  await channel.start()
  const heights = await Promise.all(Array.from({ length: 50 }, () => channel.getBlockHeight()))
  expect(new Set(heights)).toEqual(new Set([BLOCKS]))
  expect(channel.getStatus()).toMatchObject({ totalErrors: 0, nodes: [{ state: 'up', consecutiveFails: 0 }] })
})

test('ElectrumX', async () => {
  await using electrumx = await ElectrumX.start(bcoin, identity)
  await using opened = open({ primaryNodes: [`ssl://${electrumx.endpoint}`], tls: tls() })
  const { channel } = opened
  await channel.start()
  expect(await channel.getBlockHeight()).toBe(BLOCKS)
  expect(await channel.execute({ method: 'server.banner' })).toEqual(expect.any(String))
  await expect(channel.execute({ method: 'server.nothing' })).rejects.toThrow(RpcError)
  expect(await channel.executeAll([{ method: 'server.ping' }, { method: 'blockchain.relayfee' }])).toEqual([
    { result: null },
    { result: expect.any(Number) }
  ])
  expect(channel.getStatus()).toMatchObject({ totalErrors: 0, nodes: [{ state: 'up', connections: 1 }] })
})

test('ElectrumX tells of a new block', async () => {
  await using electrumx = await ElectrumX.start(bcoin, identity)
  const client = ElectrumNodeClient.to(electrumx.endpoint, tls())
  const heights: unknown[] = []
  try {
    const request = { method: 'blockchain.headers.subscribe' }
    const note = ([header]: readonly unknown[]) => heights.push((header as { height: number }).height)
    await client.subscribe(request, note, AbortSignal.timeout(5_000))
    await bcoin.mine(1)
    // It looks for blocks every 5 s.
    await expect.poll(() => heights, { timeout: 15_000 }).toEqual([BLOCKS, BLOCKS + 1])
  } finally {
    await client.close()
  }
})
