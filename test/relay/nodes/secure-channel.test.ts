import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { InvalidOptionError } from '../../../src/core/index.ts'
import { parseEndpoint } from '../../../src/relay/endpoint.ts'
import {
  type DisagreementError,
  NoNodeError,
  OutcomeUnknownError,
  type RateLimitError,
  RequestTimeoutError,
  SecureChannelClosedError
} from '../../../src/relay/nodes/secure-channel-error.ts'
import { TooManyPendingError } from '../../../src/relay/protocols/pending-error.ts'
import {
  BadReplyError,
  CredentialsError,
  NotAllowedError,
  RpcError
} from '../../../src/relay/protocols/rpc.ts'
import { IdentityError } from '../../../src/relay/tls/connect-error.ts'
import { create, dead } from './support/channel.ts'

describe('a request', () => {
  test('is answered by a primary node', async () => {
    const { channel, node, ends } = create()
    for (let turn = 0; turn < 20; turn++)
      await ends(channel.execute({ method: 'getblockhash', params: [turn] }))
    expect(node('a').asked.length + node('b').asked.length).toBe(20)
    expect(node('a').asked.length).toBeGreaterThan(3)
    expect(node('b').asked.length).toBeGreaterThan(3)
    expect(node('c').asked).toEqual([])
  })

  test('goes to the node that answers sooner', async () => {
    const { node, ends, read } = create()
    node('a').latencyMs = 100
    for (let turn = 0; turn < 40; turn++) await ends(read())
    expect(node('b').asked.length).toBeGreaterThan(35)
  })

  test('that a node refuses to answer is not made again, and the node is well', async () => {
    const { channel, node, ends, events } = create({ primaryNodes: ['a:1'] })
    node('a').conduct = { fails: () => new RpcError('a:1', 'getblock', -5, 'Block not found') }
    for (let turn = 0; turn < 30; turn++)
      await expect(ends(channel.execute({ method: 'getblock' }))).rejects.toThrow(RpcError)
    expect(node('c').asked).toEqual([])
    expect(channel.getStatus()).toMatchObject({ totalErrors: 0, totalRetries: 0 })
    expect(channel.getStatus().nodes[0]).toMatchObject({ state: 'up', circuit: { circuitState: 'CLOSED' } })
    expect(events).toEqual([])
  })

  test('that cannot be made is not, and is nobody’s fault', async () => {
    const { channel, node, ends, events } = create({ primaryNodes: ['a:1'] })
    node('a').conduct = { fails: () => new InvalidOptionError('params', 1n, 'what JSON has') }
    for (let turn = 0; turn < 10; turn++)
      await expect(ends(channel.execute({ method: 'getblock', params: [1n] }))).rejects.toThrow('params')
    expect(node('a').asked).toHaveLength(10)
    expect(node('c').asked).toEqual([])
    expect(events).toEqual([])
  })

  test('that is given up ends at once, and is nobody’s fault', async () => {
    const { channel, node, passes, ends, events } = create({ primaryNodes: ['a:1'], hedgeAfterMs: 5_000 })
    node('a').conduct = 'is silent'
    for (let turn = 0; turn < 10; turn++) {
      const giving = new AbortController()
      const asked = channel.execute({ method: 'getinfo' }, { signal: giving.signal })
      await passes(100)
      giving.abort(new Error('enough'))
      await expect(asked).rejects.toThrow('enough')
    }
    node('a').conduct = 'answers'
    await ends(channel.execute({ method: 'getinfo' }))
    expect(channel.getStatus()).toMatchObject({
      totalErrors: 0,
      nodes: [{ state: 'up', consecutiveFails: 0 }, {}]
    })
    expect(events).toEqual([])
  })

  test('ends when its time is up', async () => {
    const { channel, node, took } = create({ backupNodes: [], primaryNodes: ['a:1'] })
    node('a').conduct = 'is silent'
    const asked = channel.execute({ method: 'getinfo' }, { timeoutMs: 1_000 })
    asked.catch(() => {})
    expect(await took(asked)).toBeLessThanOrEqual(1_000 + 50)
    await expect(asked).rejects.toThrow(RequestTimeoutError)
  })

  test.each([
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { agree: 4 },
    { agree: 0 },
    { agree: 1.5 },
    { agree: 2, kind: 'write' as const }
  ])('with %j is refused before anything is sent', async options => {
    const { channel, node } = create()
    await expect(channel.execute({ method: 'getinfo' }, options)).rejects.toMatchObject({
      name: 'InvalidOptionError'
    })
    expect(node('a').asked).toEqual([])
  })
})

describe('a primary node that is gone', () => {
  test('costs no request, and is asked again as soon as it is back', async () => {
    const { channel, node, told, passes, ends, took, read } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    await ends(read())
    node('a').conduct = dead('a:1')
    for (let turn = 0; turn < 100; turn++) expect(await took(read())).toBeLessThan(50)
    await passes(1_000)
    expect(told()).toEqual(['node:suspect a:1', 'failover a:1', 'node:down a:1'])
    expect(channel.getStatus()).toMatchObject({
      isHealthy: true,
      isFailedOver: true,
      totalErrors: 0,
      totalFailovers: 1,
      nodes: [{ state: 'down', lastError: 'Cannot connect to a:1: nobody listens there' }, { state: 'up' }]
    })
    // It stays away for long, so that it is asked but seldom.
    await passes(120_000)
    expect(node('a').pings).toBeLessThan(90)
    node('a').conduct = 'answers'
    const asked = node('a').asked.length
    await passes(5_000)
    for (let turn = 0; turn < 20; turn++) await ends(read())
    expect(node('a').asked.length).toBeGreaterThan(asked)
    expect(told().slice(3)).toEqual(['node:up a:1', 'failback a:1'])
  })

  test('is found out without any request, once started', async () => {
    const { channel, node, told, passes, ends } = create()
    await ends(channel.start())
    node('a').conduct = dead('a:1')
    await passes(7_000)
    expect(told()).toEqual(['node:suspect a:1', 'node:down a:1'])
    expect(channel.getStatus().isFailedOver).toBe(false)
  })

  test('gets its traffic back step by step', async () => {
    const { channel, node, passes, ends, read } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    node('a').conduct = dead('a:1')
    await ends(read())
    await passes(2_000)
    node('a').conduct = 'answers'
    await passes(4_000)
    const asked = node('a').asked.length
    for (let turn = 0; turn < 100; turn++) await ends(read())
    expect(node('a').asked.length - asked).toBeLessThan(30)
    await passes(200_000)
    const later = node('a').asked.length
    for (let turn = 0; turn < 300; turn++) {
      await passes(500)
      await ends(read())
    }
    expect(node('a').asked.length - later).toBeGreaterThan(200)
  })
})

describe('a node that falls silent', () => {
  test('holds a read up by no more than half a second, and then none', async () => {
    const { channel, node, ends, took, read, passes, told } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    await ends(read())
    node('a').conduct = 'is silent'
    const stalls: number[] = []
    for (let turn = 0; turn < 30; turn++) {
      stalls.push(await took(read()))
      await passes(50)
    }
    expect(Math.max(...stalls)).toBeLessThan(350)
    expect(stalls.filter(stall => stall > 50).length).toBeLessThan(4)
    await passes(2_000)
    expect(told()).toEqual(['node:suspect a:1', 'failover a:1', 'node:down a:1'])
    expect(channel.getStatus()).toMatchObject({ totalErrors: 0 })
  })

  test('with many reads under way loses none of them', async () => {
    const { channel, node, ends, passes, took } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    node('a').conduct = 'is silent'
    const reads = Array.from({ length: 200 }, () => channel.execute({ method: 'getinfo' }))
    const all = Promise.all(reads)
    expect(await took(all)).toBeLessThan(2_500)
    await passes(100)
    expect(channel.getStatus()).toMatchObject({ totalErrors: 0, inFlight: 0 })
  })

  test('is asked all the same if it is the only one', async () => {
    const { channel, node, ends, passes, read } = create({ primaryNodes: ['a:1'], backupNodes: [] })
    node('a').conduct = dead('a:1')
    await expect(ends(read())).rejects.toThrow(NoNodeError)
    await passes(2_000)
    node('a').conduct = 'answers'
    await passes(5_000)
    expect(await ends(read())).toBe('getinfo() of a:1')
    expect(channel.getStatus().isHealthy).toBe(true)
  })

  test('is not waited for any longer than it takes until another one is there', async () => {
    const { channel, node, ends, passes, took, read } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    node('c').conduct = dead('c:1')
    await passes(10_000)
    node('a').methods.set('getinfo', 'is silent')
    const asked = read()
    await passes(1_000)
    node('c').conduct = 'answers'
    expect(await took(asked)).toBeLessThan(5_000)
    expect(await asked).toBe('getinfo() of c:1')
  })

  test('has nothing under way any more once another one has answered', async () => {
    const { channel, node, ends, read, passes } = create({ primaryNodes: ['a:1'] })
    node('a').methods.set('getinfo', 'is silent')
    await ends(read())
    await passes(100) // The check that it was due has ended too.
    expect(channel.getStatus().nodes.map(({ inFlight }) => inFlight)).toEqual([0, 0])
  })

  test('has other nodes asked too no more often than the budget allows', async () => {
    const { channel, node, ends, read, passes } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    node('a').methods.set('getinfo', 'is silent')
    const reads = Array.from({ length: 300 }, () => read().catch(() => {}))
    await passes(3_000)
    expect(channel.getStatus().totalHedges).toBe(100)
    await ends(Promise.all(reads))
  })

  test('while it is checked at leisure is found out as soon as a read is in doubt', async () => {
    const { channel, node, ends, passes, took, read, told } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    await passes(4_900)
    node('a').conduct = 'is silent'
    await passes(150) // The check has begun.
    expect(await took(read())).toBeLessThan(350)
    await passes(400)
    expect(told()).toEqual(['node:suspect a:1', 'failover a:1'])
  })

  test('does not use up the attempts of what was asked of it', async () => {
    const { channel, node, ends } = create({ maxRetries: 1 })
    await ends(channel.start())
    for (const host of ['a', 'b']) node(host).conduct = 'is silent'
    expect(await ends(channel.execute({ method: 'getinfo' }))).toBe('getinfo() of c:1')
  })

  test('is connected to anew', async () => {
    const { channel, node, ends, passes } = create()
    await ends(channel.start())
    node('a').conduct = 'is silent'
    await passes(10_000)
    expect(channel.getStatus().nodes[0]!.state).toBe('down')
    expect(node('a').disconnects).toBeGreaterThan(0)
    expect(node('b').disconnects).toBe(0)
  })

  test('for a while is back within seconds, without any request', async () => {
    const { channel, node, ends, passes } = create()
    await ends(channel.start())
    node('a').conduct = 'is silent'
    await passes(30_000)
    node('a').conduct = 'answers'
    await passes(5_000)
    expect(channel.getStatus().nodes[0]).toMatchObject({ state: 'up', circuit: { circuitState: 'CLOSED' } })
  })

  test('though it is only slow with one method is not held back', async () => {
    const { channel, node, ends, events } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    node('a').methods.set('getblockstats', 'is silent')
    expect(await ends(channel.execute({ method: 'getblockstats' }))).toBe('getblockstats() of c:1')
    expect(channel.getStatus()).toMatchObject({ totalHedges: 1, nodes: [{ state: 'up' }, {}] })
    expect(events).toEqual([])
  })
})

test('a node that fails all requests, and passes all checks, costs none of them, however long that goes on', async () => {
  const { channel, node, ends, passes, read } = create({ primaryNodes: ['a:1'] })
  await ends(channel.start())
  node('a').methods.set('getinfo', {
    fails: () => new BadReplyError('a:1', 'HTTP status 503', { status: 503 })
  })
  for (let turn = 0; turn < 1_000; turn++) {
    expect(await ends(read())).toBe('getinfo() of c:1')
    await passes(1_000, 250)
  }
  expect(channel.getStatus().totalErrors).toBe(0)
})

describe('when all nodes are gone', () => {
  test('a request fails soon, after a bounded number of attempts, with what each failed with', async () => {
    const { node, took, read } = create()
    for (const host of ['a', 'b', 'c']) node(host).conduct = dead(`${host}:1`)
    const asked = read()
    asked.catch(() => {})
    expect(await took(asked)).toBeLessThan(2_000)
    const error = (await asked.catch(caught => caught)) as NoNodeError
    expect(error).toBeInstanceOf(NoNodeError)
    expect(error.errors.length).toBeGreaterThanOrEqual(3)
    expect(error.message).toContain('nobody listens there')
    const calls = ['a', 'b', 'c'].reduce((sum, host) => sum + node(host).asked.length, 0)
    expect(calls).toBeLessThanOrEqual(4)
  })

  test('the budget keeps requests from being made ever again', async () => {
    const { channel, node, ends } = create({ retryShare: 0.2 })
    const REQUESTS = 500
    for (const host of ['a', 'b', 'c']) node(host).conduct = { fails: () => new Error('it broke off') }
    for (let turn = 0; turn < REQUESTS; turn++)
      await ends(channel.execute({ method: 'getinfo' })).catch(() => {})
    // Each may be made a second time.
    expect(channel.getStatus().totalRetries).toBeLessThanOrEqual(REQUESTS + 100 + 0.2 * REQUESTS)
    expect(channel.getStatus().totalErrors).toBe(REQUESTS)
  })

  test('requests are answered again within 5 s of one being back', async () => {
    const { channel, node, ends, passes, read } = create()
    await ends(channel.start())
    for (const host of ['a', 'b', 'c']) node(host).conduct = dead(`${host}:1`)
    await passes(600_000)
    expect(channel.getStatus()).toMatchObject({ isHealthy: false, isFailedOver: true })
    node('c').conduct = 'answers'
    await passes(4_500)
    expect(await ends(read())).toBe('getinfo() of c:1')
  })
})

describe('what changes something', () => {
  const write = { method: 'submitblock', params: ['00'] }

  test('goes to another node if the first was not reached', async () => {
    const { channel, node, ends } = create({ primaryNodes: ['a:1'] })
    node('a').conduct = dead('a:1')
    expect(await ends(channel.execute(write))).toBe('submitblock(00) of c:1')
  })

  test('is not sent again if the connection broke off after it was', async () => {
    const { channel, node, ends } = create({ primaryNodes: ['a:1'] })
    node('a').conduct = { fails: () => new Error('it broke off') }
    await expect(ends(channel.execute(write))).rejects.toThrow(OutcomeUnknownError)
    expect(node('a').asked).toHaveLength(1)
    expect(node('c').asked).toEqual([])
  })

  test('is sent to one node even if that is silent, and who asked learns that nobody knows', async () => {
    const { channel, node, ends } = create({ primaryNodes: ['a:1'] })
    node('a').conduct = 'is silent'
    await expect(ends(channel.execute(write, { timeoutMs: 3_000 }))).rejects.toMatchObject({
      name: 'OutcomeUnknownError',
      endpoint: 'a:1',
      cause: { name: 'RequestTimeoutError' }
    })
    expect(node('c').asked).toEqual([])
  })

  test('is waited for though its node was found to be away: it may come back', async () => {
    const { channel, node, ends, passes } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    node('a').latencyMs = 4_000
    const asked = channel.execute(write)
    await passes(100)
    node('a').conduct = 'is silent'
    await ends(channel.execute({ method: 'getinfo' }))
    await passes(2_500)
    expect(channel.getStatus().nodes[0]!.state).toBe('down')
    expect(await ends(asked)).toBe('submitblock(00) of a:1')
  })

  test('under one key is sent once; whoever asks again gets the same answer', async () => {
    const { channel, node, ends } = create({ primaryNodes: ['a:1'] })
    const options = { idempotencyKey: 'share 1' }
    const [first, second] = await ends(
      Promise.all([channel.execute(write, options), channel.execute(write, options)])
    )
    const third = await ends(channel.execute(write, options))
    expect([second, third]).toEqual([first, first])
    expect(node('a').asked).toHaveLength(1)
    await ends(channel.execute(write, { idempotencyKey: 'share 2' }))
    expect(node('a').asked).toHaveLength(2)
  })

  test('that was not even accepted may be sent under its key another time', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'secure-channel-'))
    const shutdown = { stateFile: join(directory, 'channel.json') }
    const { channel, node, ends } = create({ primaryNodes: ['a:1'], shutdown })
    const given = AbortSignal.abort(new Error('enough'))
    await expect(channel.execute(write, { idempotencyKey: 'share 1', signal: given })).rejects.toThrow(
      'enough'
    )
    expect(await ends(channel.execute(write, { idempotencyKey: 'share 1' }))).toContain('submitblock')
    const draining = channel.drain()
    await expect(channel.execute(write, { idempotencyKey: 'share 2' })).rejects.toThrow(
      SecureChannelClosedError
    )
    await ends(draining)
    expect(node('a').asked).toHaveLength(1)
    const next = create({ primaryNodes: ['a:1'], shutdown })
    await next.ends(next.channel.start())
    expect(await next.ends(next.channel.execute(write, { idempotencyKey: 'share 2' }))).toContain(
      'submitblock'
    )
    await next.ends(next.channel.close())
    await rm(directory, { recursive: true })
  })

  test('under one key is sent again only if it was certainly not done', async () => {
    const { channel, node, ends } = create({ primaryNodes: ['a:1'], backupNodes: [], maxRetries: 0 })
    const options = { idempotencyKey: 'share 1' }
    node('a').conduct = dead('a:1')
    await expect(ends(channel.execute(write, options))).rejects.toThrow(NoNodeError)
    node('a').conduct = { fails: () => new Error('it broke off') }
    await expect(ends(channel.execute(write, options))).rejects.toThrow(OutcomeUnknownError)
    node('a').conduct = 'answers'
    await expect(ends(channel.execute(write, options))).rejects.toThrow(OutcomeUnknownError)
    expect(node('a').asked).toHaveLength(2)
  })
})

describe('a node that', () => {
  test('only starts is passed over until it has', async () => {
    const { channel, node, ends, passes, told } = create({ primaryNodes: ['a:1'] })
    node('a').conduct = node('a').warmingUp
    expect(await ends(channel.execute({ method: 'getinfo' }))).toBe('getinfo() of c:1')
    expect(channel.getStatus().nodes[0]).toMatchObject({ state: 'warming-up', consecutiveFails: 0 })
    node('a').conduct = 'answers'
    await passes(1_000)
    expect(await ends(channel.execute({ method: 'getinfo' }))).toBe('getinfo() of a:1')
    expect(told()).toEqual(['node:warming-up a:1', 'failover a:1', 'node:up a:1', 'failback a:1'])
  })

  test('is not who it should be is a security event, is not asked over and over, and is taken back when mended', async () => {
    const { channel, node, ends, events, passes, told } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    const error = new IdentityError(parseEndpoint('a:1'), 'PIN', 'it has another key')
    node('a').conduct = { fails: () => error }
    expect(await ends(channel.execute({ method: 'getinfo' }))).toBe('getinfo() of c:1')
    expect(told()).toEqual(['node:refused a:1', 'failover a:1'])
    expect(events[0]!.error).toBe(error)
    const before = node('a').pings
    await passes(60_000)
    expect(node('a').pings - before).toBeLessThan(20)
    node('a').conduct = 'answers'
    await passes(6_000)
    expect(channel.getStatus().nodes[0]).toMatchObject({ state: 'up' })
    expect(told().slice(2)).toEqual(['node:up a:1', 'failback a:1'])
  })

  test('does not let us in is passed over, and named if it is the only one', async () => {
    const { node, ends, read } = create({ primaryNodes: ['a:1'], backupNodes: [] })
    node('a').conduct = { fails: () => new CredentialsError('a:1') }
    await expect(ends(read())).rejects.toMatchObject({
      name: 'NoNodeError',
      cause: { name: 'CredentialsError' }
    })
  })

  test('is asked once it was mended and the channel started, also if a check was under way', async () => {
    const { channel, node, ends, passes, read } = create({
      primaryNodes: ['a:1'],
      backupNodes: [],
      maxRetries: 0
    })
    node('a').conduct = { fails: () => new CredentialsError('a:1') }
    node('a').latencyMs = 100
    await expect(ends(read())).rejects.toThrow(NoNodeError)
    await passes(50)
    node('a').conduct = 'answers'
    await Promise.all([ends(channel.start()), channel.start()])
    expect(await ends(read())).toBe('getinfo() of a:1')
    expect(node('a').pings).toBe(2)
  })

  test('does not allow one method is asked for all others, and another one for that', async () => {
    const { channel, node, ends, passes, read, events } = create({ primaryNodes: ['a:1'] })
    await ends(channel.start())
    node('a').methods.set('getwalletinfo', { fails: () => new NotAllowedError('a:1', 'getwalletinfo') })
    for (let turn = 0; turn < 10; turn++) {
      expect(await ends(channel.execute({ method: 'getwalletinfo' }))).toBe('getwalletinfo() of c:1')
      await passes(100)
    }
    expect(await ends(read())).toBe('getinfo() of a:1')
    expect(events).toEqual([])
    expect(channel.getStatus().nodes[0]).toMatchObject({ state: 'up', circuit: { circuitState: 'CLOSED' } })
  })

  test('does not allow something has not done it', async () => {
    const { channel, node, ends } = create({ primaryNodes: ['a:1'] })
    node('a').methods.set('sendtoaddress', { fails: () => new NotAllowedError('a:1', 'sendtoaddress') })
    expect(await ends(channel.execute({ method: 'sendtoaddress' }))).toBe('sendtoaddress() of c:1')
  })

  test('allows nothing is refused, and passed over', async () => {
    const { node, ends, passes, read, told } = create({ primaryNodes: ['a:1'] })
    node('a').conduct = { fails: () => new NotAllowedError('a:1', 'getinfo') }
    expect(await ends(read())).toBe('getinfo() of c:1')
    await passes(100)
    expect(told()).toEqual(['node:refused a:1', 'failover a:1'])
    const { asked } = node('a')
    for (let turn = 0; turn < 10; turn++) await ends(read())
    expect(asked).toHaveLength(1)
  })

  test('lags behind is passed over, but not if all do', async () => {
    const { channel, node, ends, passes, read } = create({ primaryNodes: ['a:1', 'b:1'] })
    node('a').chain = 90
    await ends(channel.start())
    for (let turn = 0; turn < 10; turn++) expect(await ends(read())).toBe('getinfo() of b:1')
    expect(channel.getStatus()).toMatchObject({
      height: 100,
      nodes: [{ isLagging: true }, { isLagging: false }, {}]
    })
    node('a').chain = 99
    await passes(6_000)
    const hosts = new Set<unknown>()
    for (let turn = 0; turn < 20; turn++) hosts.add(await ends(read()))
    expect(hosts).toContain('getinfo() of a:1')
  })

  test('claims a chain that nobody else knows does not make the others lag', async () => {
    const { channel, node, ends } = create()
    node('a').chain = 1_000_000
    await ends(channel.start())
    expect(channel.getStatus()).toMatchObject({
      height: 100,
      nodes: [{}, { isLagging: false }, { isLagging: false }]
    })
  })
})

test('getBlockHeight asks', async () => {
  const { channel, node, ends } = create({ primaryNodes: ['a:1'] })
  node('a').chain = 123
  expect(await ends(channel.getBlockHeight())).toBe(123)
  expect(channel.getStatus().height).toBe(123)
})

describe('several nodes that have to agree', () => {
  test('are asked at once, no more than needed', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'b', 'c']) node(host).results.set('getblockhash', { b: 1, a: [2] })
    node('b').results.set('getblockhash', { a: [2], b: 1 })
    expect(await ends(channel.execute({ method: 'getblockhash' }, { agree: 2 }))).toEqual({ a: [2], b: 1 })
    expect(node('c').asked).toEqual([])
  })

  test('and do not: another one decides', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'c']) node(host).results.set('getblockhash', 'right')
    node('b').results.set('getblockhash', 'wrong')
    expect(await ends(channel.execute({ method: 'getblockhash' }, { agree: 2 }))).toBe('right')
  })

  test('and all differ: whoever asked sees who said what', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'b', 'c']) node(host).results.set('getblockhash', host)
    const asked = channel.execute({ method: 'getblockhash' }, { agree: 2 })
    const error = (await ends(asked.catch(caught => caught))) as DisagreementError
    expect(error).toMatchObject({ name: 'DisagreementError' })
    expect(Object.fromEntries(error.answers)).toEqual({
      'a:1': { value: 'a' },
      'b:1': { value: 'b' },
      'c:1': { value: 'c' }
    })
  })

  test('may agree that there is no answer', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'b'])
      node(host).conduct = { fails: () => new RpcError(`${host}:1`, 'getblock', -5, 'Block not found') }
    await expect(ends(channel.execute({ method: 'getblock' }, { agree: 2 }))).rejects.toThrow(
      'Block not found'
    )
  })

  test('fall short if too few answer', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'b']) node(host).conduct = dead(`${host}:1`)
    await expect(ends(channel.execute({ method: 'getblock' }, { agree: 2 }))).rejects.toThrow(
      '1 of 2 nodes have answered'
    )
  })

  test('are not waited for longer than the signal lets', async () => {
    const { channel, node, passes } = create()
    for (const host of ['a', 'b', 'c']) node(host).conduct = 'is silent'
    const giving = new AbortController()
    const asked = channel.execute({ method: 'getblock' }, { agree: 2, signal: giving.signal })
    await passes(100)
    giving.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    await passes(100)
    expect(channel.getStatus().inFlight).toBe(0)
  })
})

describe('closing', () => {
  const write = { method: 'submitblock', params: ['00'] }
  const broadcast = { method: 'sendrawtransaction', params: ['00'] }

  test('takes no more, waits for what is under way, and leaves nothing', async () => {
    const { channel, node, clock, ends, read } = create()
    await ends(channel.start())
    for (const host of ['a', 'b', 'c']) node(host).latencyMs = 200
    const asked = read()
    const closing = channel.drain()
    await expect(read()).rejects.toThrow(SecureChannelClosedError)
    await expect(channel.start()).rejects.toThrow(SecureChannelClosedError)
    expect(channel.getStatus().isDraining).toBe(true)
    expect(await ends(closing)).toBe(0)
    expect(await asked).toContain('getinfo')
    expect(['a', 'b', 'c'].every(host => node(host).isClosed)).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  test('gives up what only reads after a while, and what changes something after a longer one', async () => {
    const { channel, node, took, read, clock } = create({ requestTimeoutMs: 600_000, backupNodes: [] })
    for (const host of ['a', 'b']) node(host).conduct = 'is silent'
    const ended: Array<[string, number]> = []
    const note = (what: string) => () => {
      ended.push([what, Math.round(clock.now() / 1_000)])
    }
    read().catch(note('read'))
    channel.execute(write).catch(note('write'))
    channel.execute(broadcast).catch(note('broadcast'))
    const closing = channel.drain()
    await took(closing)
    expect(ended).toEqual([
      ['read', 60],
      ['write', 120],
      ['broadcast', 120]
    ])
    expect(await closing).toBe(3)
  })

  test('twice is as good as once', async () => {
    const { channel, ends } = create()
    await ends(Promise.all([channel.close(), channel.drain(), channel[Symbol.asyncDispose]()]))
  })

  test('keeps what was accepted and not sent for the next process, and what must not be sent twice', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'secure-channel-'))
    const shutdown = {
      stateFile: join(directory, 'state', 'channel.json'),
      drainTimeoutMs: 100,
      forceTimeoutMs: 200
    }
    const before = create({ shutdown })
    await before.ends(before.channel.start())
    await before.ends(before.channel.execute(write, { idempotencyKey: 'share 1' }))
    for (const host of ['a', 'b', 'c']) before.node(host).conduct = 'is silent'
    before.channel.execute(broadcast).catch(() => {})
    await before.passes(3_000)
    await before.ends(before.channel.drain())

    const after = create({ shutdown })
    await after.ends(after.channel.start())
    expect(['a', 'b', 'c'].flatMap(host => after.node(host).asked)).toEqual(['sendrawtransaction'])
    expect(existsSync(shutdown.stateFile)).toBe(false)
    await expect(after.channel.execute(write, { idempotencyKey: 'share 1' })).rejects.toMatchObject({
      name: 'DuplicateRequestError'
    })
    // That all nodes were silent is not forgotten either: they are asked all the same, as there is nobody else.
    expect(after.channel.getStatus().nodes[0]!.circuit!.lastTrip).toBeDefined()
    await after.ends(after.channel.drain())

    const third = create({ shutdown })
    await third.ends(third.channel.start())
    expect(['a', 'b', 'c'].flatMap(host => third.node(host).asked)).toEqual([])
    await third.ends(third.channel.drain())
    await rm(directory, { recursive: true })
  })

  test('what could not be sent at the next start is still there at the one after that', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'secure-channel-'))
    const shutdown = { stateFile: join(directory, 'channel.json'), drainTimeoutMs: 0, forceTimeoutMs: 0 }
    const before = create({ shutdown })
    for (const host of ['a', 'b', 'c']) before.node(host).conduct = 'is silent'
    before.channel.execute(broadcast).catch(() => {})
    await before.ends(before.channel.drain())
    const after = create({ shutdown })
    for (const host of ['a', 'b', 'c']) after.node(host).conduct = dead(`${host}:1`)
    await after.ends(after.channel.start())
    // It ends without being closed, as with SIGKILL.
    const third = create({ shutdown })
    await third.ends(third.channel.start())
    expect(['a', 'b', 'c'].flatMap(host => third.node(host).asked)).toEqual(['sendrawtransaction'])
    await rm(directory, { recursive: true })
  })
})

describe('a transaction', () => {
  const taken = (node: { results: Map<string, unknown> }): void => {
    node.results.set('sendrawtransaction', 'id').set('getmempoolentry', {})
  }
  const handedTo = (...nodes: Array<{ asked: string[] }>): number[] =>
    nodes.map(({ asked }) => asked.filter(method => method === 'sendrawtransaction').length)

  test('is handed to two nodes', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'b', 'c']) taken(node(host))
    const { txid, endpoints, inMempoolOf } = await ends(channel.broadcast('00'))
    expect([txid, endpoints.toSorted(), inMempoolOf.toSorted()]).toEqual([
      'id',
      ['a:1', 'b:1'],
      ['a:1', 'b:1']
    ])
    expect(handedTo(node('a'), node('b'), node('c'))).toEqual([1, 1, 0])
    expect(channel.getStatus()).toMatchObject({ totalRequests: 1, totalErrors: 0 })
  })

  test('is handed to as many as are there', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'b']) node(host).conduct = dead(`${host}:1`)
    taken(node('c'))
    expect(await ends(channel.broadcast('00'))).toMatchObject({ endpoints: ['c:1'] })
    node('c').conduct = dead('c:1')
    await expect(ends(channel.broadcast('00'))).rejects.toThrow(NoNodeError)
  })

  test('that is refused is', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'b'])
      node(host).conduct = { fails: () => new RpcError(`${host}:1`, 'sendrawtransaction', -26, 'dust') }
    await expect(ends(channel.broadcast('00'))).rejects.toThrow('dust')
    expect(handedTo(node('c'))).toEqual([0])
  })

  test('is handed to as many as is told', async () => {
    const { channel, node, ends } = create()
    for (const host of ['a', 'b', 'c']) taken(node(host))
    expect((await ends(channel.broadcast('00', { copies: 3 }))).endpoints).toHaveLength(3)
    await expect(channel.broadcast('00', { copies: 4 })).rejects.toMatchObject({ name: 'InvalidOptionError' })
  })
})

describe('a node that is isolated', () => {
  test('is asked no more, and is left alone when nothing is under way there', async () => {
    const { channel, node, ends, passes, told } = create({ primaryNodes: ['a:1'] })
    node('a').latencyMs = 100
    const asked = channel.execute({ method: 'submitblock' })
    let isLeft = false
    const leaving = channel.isolate('a:1').then(() => {
      isLeft = true
    })
    await passes(50)
    expect(isLeft).toBe(false)
    expect(await ends(asked)).toBe('submitblock() of a:1')
    await ends(leaving)
    for (let turn = 0; turn < 10; turn++)
      expect(await ends(channel.execute({ method: 'getinfo' }))).toBe('getinfo() of c:1')
    expect(channel.getStatus()).toMatchObject({ isFailedOver: true, nodes: [{ state: 'isolated' }, {}] })
    channel.release('a:1')
    expect(await ends(channel.execute({ method: 'getinfo' }))).toBe('getinfo() of a:1')
    expect(told()).toEqual(['node:isolated a:1', 'failover a:1', 'node:released a:1', 'failback a:1'])
  })

  test('is not asked even if it is the only one', async () => {
    const { channel, ends, read } = create({ primaryNodes: ['a:1'], backupNodes: [] })
    await channel.isolate('a:1')
    await expect(ends(read())).rejects.toThrow(NoNodeError)
  })

  test('has to be there', async () => {
    const { channel } = create()
    await expect(channel.isolate('d:1')).rejects.toThrow('a:1 or b:1 or c:1')
    expect(() => channel.release('nonsense')).toThrow('endpoint')
  })
})

describe('a limit', () => {
  test('of all requests refuses those beyond it, and tells when there is room', async () => {
    const { channel, node, ends } = create({ maxRequestsPerS: 3 })
    for (let turn = 0; turn < 3; turn++) await ends(channel.execute({ method: 'getinfo' }))
    const error = (await channel.execute({ method: 'getinfo' }).catch(caught => caught)) as RateLimitError
    expect(error.name).toBe('RateLimitError')
    expect(error.retryAfterMs).toBeGreaterThan(0)
    expect(error.retryAfterMs).toBeLessThanOrEqual(1_000)
    expect(node('a').asked.length + node('b').asked.length).toBe(3)
  })

  test('of one node has another one asked, and blames nobody', async () => {
    const { channel, node, ends, events } = create({ primaryNodes: ['a:1'], maxNodeRequestsPerS: 3 })
    for (let turn = 0; turn < 6; turn++) await ends(channel.execute({ method: 'getinfo' }))
    expect([node('a').asked.length, node('c').asked.length]).toEqual([3, 3])
    expect(events).toEqual([])
    expect(channel.getStatus().nodes[0]).toMatchObject({ state: 'up', consecutiveFails: 0 })
  })
})

test('several requests at once are as careful as the one that asks for most care', async () => {
  const { channel, node, ends } = create({ primaryNodes: ['a:1'] })
  expect(await ends(channel.executeAll([{ method: 'getinfo' }, { method: 'uptime' }]))).toEqual([
    { result: 'getinfo() of a:1' },
    { result: 'uptime() of a:1' }
  ])
  node('a').conduct = { fails: () => new Error('it broke off') }
  expect(await ends(channel.executeAll([{ method: 'getinfo' }]))).toEqual([{ result: 'getinfo() of c:1' }])
  node('c').conduct = node('a').conduct
  await expect(ends(channel.executeAll([{ method: 'getinfo' }, { method: 'stop' }]))).rejects.toThrow(
    OutcomeUnknownError
  )
})

test('several requests at once are made of another node if the first only starts', async () => {
  const { channel, node, ends } = create({ primaryNodes: ['a:1'] })
  node('a').conduct = node('a').warmingUp
  expect(await ends(channel.executeAll([{ method: 'getinfo' }]))).toEqual([{ result: 'getinfo() of c:1' }])
  expect(channel.getStatus().nodes[0]!.state).toBe('warming-up')
})

test('a check for which there is no room says nothing of the node', async () => {
  const { channel, node, ends, passes, events } = create()
  node('a').conduct = { fails: () => new TooManyPendingError('a:1', 1_000) }
  await ends(channel.start())
  await passes(20_000)
  expect(events).toEqual([])
  expect(channel.getStatus().nodes[0]).toMatchObject({ state: 'up', consecutiveFails: 0 })
})

test('a listener that throws keeps nobody else from being told', async () => {
  const { channel, node, ends, told } = create({ primaryNodes: ['a:1'] })
  const told2: string[] = []
  channel.onEvent(() => {
    throw new Error('its own affair')
  })
  const stop = channel.onEvent(({ type }) => told2.push(type))
  node('a').conduct = dead('a:1')
  await ends(channel.execute({ method: 'getinfo' }))
  stop()
  expect(told2).toEqual(['node:suspect', 'failover'])
  expect(told()).toHaveLength(2)
})
