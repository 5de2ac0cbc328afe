import { describe, expect, test } from 'vitest'
import { InvalidOptionError } from '../../../src/core/index.ts'
import { SecureChannel } from '../../../src/relay/nodes/secure-channel.ts'
import {
  defaultSecureChannelOptions,
  resolveSecureChannelOptions,
  type SecureChannelOptions
} from '../../../src/relay/nodes/secure-channel-options.ts'

const primaryNodes = ['a:1']

test('without options but the nodes, the defaults are', () => {
  const { nodes, healthCheck, shutdown, ...rest } = resolveSecureChannelOptions({ primaryNodes })
  expect({ ...rest, healthCheck: {}, shutdown: {} }).toEqual({ ...defaultSecureChannelOptions, primaryNodes })
  expect(healthCheck).toEqual({ intervalMs: 5_000, timeoutMs: 3_000, retries: 3, probeTimeoutMs: 250 })
  expect(shutdown).toEqual({ drainTimeoutMs: 60_000, forceTimeoutMs: 120_000, stateFile: undefined })
  expect(nodes).toMatchObject([
    { role: 'primary', address: { protocol: 'http', isSecure: true, path: '/', endpoint: { key: 'a:1' } } }
  ])
})

test.each<[unknown, string]>([
  [{}, 'channel.primaryNodes'],
  [{ primaryNodes: [] }, 'channel.primaryNodes'],
  [{ primaryNodes: 'a:1' }, 'channel.primaryNodes'],
  [{ primaryNodes: Array.from({ length: 65 }, (_, port) => `a:${port + 1}`) }, 'channel.primaryNodes'],
  [{ primaryNodes: ['a'] }, 'channel.primaryNodes[0]'],
  [{ primaryNodes: ['a:1', 'http://b:1'] }, 'channel.primaryNodes[1]'],
  [{ primaryNodes: ['https://user:secret@b:1'] }, 'channel.primaryNodes[0]'],
  [{ primaryNodes: [7] }, 'channel.primaryNodes[0]'],
  [{ primaryNodes: [{ address: 'a:1', user: 'x' }] }, 'channel.primaryNodes[0].user'],
  [{ primaryNodes: [{ address: 'a:1', password: 7 }] }, 'channel.primaryNodes[0].password'],
  [{ primaryNodes: ['me:secret@b:1'] }, 'channel.primaryNodes[0]'],
  [{ primaryNodes: [{ address: 'a:1', cookieFile: 7 }] }, 'channel.primaryNodes[0].cookieFile'],
  [
    { primaryNodes: [{ address: 'a:1', password: 'secret', cookieFile: '.cookie' }] },
    'channel.primaryNodes[0].cookieFile'
  ],
  [
    { primaryNodes: [{ address: 'a:1', username: 'secret', cookieFile: '.cookie' }] },
    'channel.primaryNodes[0].cookieFile'
  ],
  [{ primaryNodes: [{ address: 'ssl://a:1', password: 'secret' }] }, 'channel.primaryNodes[0]'],
  [{ primaryNodes: [{ address: 'ssl://a:1', cookieFile: '.cookie' }] }, 'channel.primaryNodes[0]'],
  [{ primaryNodes: ['https://me:a/secret@b:1'] }, 'channel.primaryNodes[0]'],
  [{ primaryNodes: [{ address: 'a:1', password: ['secret'] }] }, 'channel.primaryNodes[0].password'],
  [{ primaryNodes: ['ssl://b:1/path'] }, 'channel.primaryNodes[0]'],
  [{ primaryNodes, backupNodes: ['A:1'] }, 'channel.backupNodes'],
  [{ primaryNodes, backupNodes: ['ssl://b:1'] }, 'channel.backupNodes'],
  [{ primaryNodes, allowLoopbackHttp: 1 }, 'channel.allowLoopbackHttp'],
  [{ primaryNodes, maxConnections: 0 }, 'channel.maxConnections'],
  [{ primaryNodes, maxReplyBytes: 100 }, 'channel.maxReplyBytes'],
  [{ primaryNodes, requestTimeoutMs: 0 }, 'channel.requestTimeoutMs'],
  [{ primaryNodes, maxRetries: -1 }, 'channel.maxRetries'],
  [{ primaryNodes, maxRetries: 101 }, 'channel.maxRetries'],
  [{ primaryNodes, retryShare: 1.1 }, 'channel.retryShare'],
  [{ primaryNodes, hedgeAfterMs: 0 }, 'channel.hedgeAfterMs'],
  [{ primaryNodes, maxLagBlocks: -1 }, 'channel.maxLagBlocks'],
  [{ primaryNodes, maxRequestsPerS: 0 }, 'channel.maxRequestsPerS'],
  [{ primaryNodes, maxNodeRequestsPerS: 1.5 }, 'channel.maxNodeRequestsPerS'],
  [{ primaryNodes, healthCheck: { intervalMs: 10 } }, 'healthCheck.intervalMs'],
  [{ primaryNodes, healthCheck: { retries: 0 } }, 'healthCheck.retries'],
  [{ primaryNodes, healthCheck: { every: 5 } }, 'healthCheck.every'],
  [{ primaryNodes, shutdown: { drainTimeoutMs: 121_000 } }, 'shutdown.drainTimeoutMs'],
  [{ primaryNodes, shutdown: { forceTimeoutMs: -1 } }, 'shutdown.forceTimeoutMs'],
  [{ primaryNodes, retries: 3 }, 'channel.retries']
])('%j is refused by name: %s', (options, option) => {
  try {
    resolveSecureChannelOptions(options as Partial<SecureChannelOptions>)
  } catch (error) {
    expect(error).toMatchObject({ name: 'InvalidOptionError', option })
    expect(String(error)).not.toContain('secret')
    return
  }
  expect.unreachable()
})

test('an address may say which protocol', () => {
  const { nodes } = resolveSecureChannelOptions({
    primaryNodes: ['https://Node:8332/wallet/w'],
    backupNodes: [{ address: '[::1]:8332' }]
  })
  expect(nodes.map(({ address }) => [address.protocol, address.endpoint.key, address.path])).toEqual([
    ['http', 'node:8332', '/wallet/w'],
    ['http', '[::1]:8332', '/']
  ])
  expect(
    resolveSecureChannelOptions({ primaryNodes: ['ssl://electrum:50002'] }).nodes[0]!.address
  ).toMatchObject({
    protocol: 'electrum',
    endpoint: { key: 'electrum:50002' }
  })
})

describe('a node on this machine', () => {
  test.each(['http://127.0.0.1:8332', 'http://127.9.9.9:1', 'http://[::1]:8332/wallet/w'])(
    'at %s may be spoken to without TLS, if that is wanted',
    address => {
      const resolve = (options: object) =>
        resolveSecureChannelOptions({ primaryNodes: ['a:1', address], ...options })
      expect(resolve({ allowLoopbackHttp: true }).nodes.map(node => node.address.isSecure)).toEqual([
        true,
        false
      ])
      expect(() => resolve({})).toThrow(/primaryNodes\[1\].*allowLoopbackHttp/)
    }
  )

  test.each([
    'http://localhost:8332',
    'http://node.example:8332',
    'http://128.0.0.1:8332',
    'http://127.0.0.1.example:8332',
    'http://10.0.0.1:8332',
    'http://[::2]:8332',
    'http://[::ffff:8.8.8.8]:8332',
    'http://0.0.0.0:8332'
  ])('is not what %s says', address => {
    const options = { primaryNodes: [address], allowLoopbackHttp: true }
    expect(() => resolveSecureChannelOptions(options)).toThrow(InvalidOptionError)
  })

  test('has nothing to say about TLS then', () => {
    const tls = { pins: ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='] }
    const primaryNodes = [{ address: 'http://127.0.0.1:8332', tls }]
    expect(() => resolveSecureChannelOptions({ primaryNodes, allowLoopbackHttp: true })).toThrow(
      'channel.primaryNodes[0].tls'
    )
  })
})

describe('TLS of a node', () => {
  test('goes over that of all, but not where it leaves something out', () => {
    const roots = ['-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----']
    const tls = { pins: ['wrong'], roots }
    const open = (own: object) => new SecureChannel({ primaryNodes: [{ address: 'a:1', tls: own }], tls })
    expect(() => open({ pins: undefined })).toThrow('channel.tls.pins')
    expect(() => open({ pins: ['sha256/nonsense'] })).toThrow('channel.primaryNodes[0].tls.pins')
    const pin = `sha256/${Buffer.alloc(32).toString('base64')}`
    expect(open({ pins: [pin] }).getStatus().nodes).toHaveLength(1)
  })
})
