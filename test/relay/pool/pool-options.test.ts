import { expect, test } from 'vitest'
import { InvalidOptionError } from '../../../src/core/index.ts'
import { type PoolOptions, resolvePoolOptions } from '../../../src/relay/pool/pool-options.ts'
import { SecureChannelPool } from '../../../src/relay/pool/secure-channel-pool.ts'

test('who sets only the bound has no more in reserve', () => {
  expect(resolvePoolOptions({ maxConnections: 3 })).toMatchObject({ maxConnections: 3, minIdle: 3 })
  expect(resolvePoolOptions({})).toMatchObject({ maxConnections: 100, minIdle: 10 })
})

test.for<[string, Partial<PoolOptions>]>([
  ['pool.namespace', { namespace: 'with space' }],
  ['pool.namespace', { namespace: '' }],
  ['pool.maxConnections', { maxConnections: 0 }],
  ['pool.minIdle', { minIdle: -1 }],
  ['pool.minIdle', { minIdle: 5, maxConnections: 4 }],
  ['pool.maxWaiting', { maxWaiting: 1.5 }],
  ['pool.acquireTimeoutMs', { acquireTimeoutMs: 0 }],
  ['pool.operationTimeoutMs', { operationTimeoutMs: Number.NaN }],
  ['pool.maxLatencyMs', { maxLatencyMs: '300' as never }],
  ['pool.cleanupIntervalMs', { cleanupIntervalMs: 99 }],
  ['pool.idleTimeoutMs', { idleTimeoutMs: Infinity }],
  ['pool.maxAgeMs', { maxAgeMs: 0 }],
  ['pool.histogramRotationIntervalMs', { histogramRotationIntervalMs: -1 }],
  ['pool.probe', { probe: 'ping' as never }],
  ['pool.metricsPort', { metricsPort: 65_536 }],
  ['pool.metricsHost', { metricsHost: 9090 as never }],
  ['pool.metricsAuthToken', { metricsAuthToken: 42 as never }],
  ['breaker.timeoutMs', { breaker: { timeoutMs: -1 } }],
  ['tls.pins[0]', { tls: { pins: ['no'] } }],
  ['pool.minidle', { minidle: 3 } as never]
])('%s is told if it is wrong', ([option, options]) => {
  expect(() => new SecureChannelPool('relay.test:443', options)).toThrow(
    expect.objectContaining({ name: InvalidOptionError.name, option })
  )
})

test('so is an endpoint', () => {
  expect(() => new SecureChannelPool('relay.test')).toThrow(expect.objectContaining({ option: 'endpoint' }))
})
