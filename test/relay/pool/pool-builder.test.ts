import { expect, test } from 'vitest'
import { SecureChannelPoolBuilder } from '../../../src/relay/pool/pool-builder.ts'
import { type PoolOptions, resolvePoolOptions } from '../../../src/relay/pool/pool-options.ts'
import { SecureChannelPool } from '../../../src/relay/pool/secure-channel-pool.ts'

/** A builder that shows what it would build with. */
function create() {
  const built: Array<Partial<PoolOptions>> = []
  const builder = new SecureChannelPoolBuilder(options => {
    built.push(options)
    return undefined as never
  })
  return { builder, built }
}

test('each call sets an option', () => {
  const { builder, built } = create()
  const probe = async (): Promise<void> => {}
  builder
    .withNamespace('btc_sprint')
    .withMaxConnections(50)
    .withMinIdle(5)
    .withMaxLatencyMs(250)
    .withCleanupInterval(180_000)
    .withHistogramRotationInterval(900_000)
    .withMetricsHost('::1')
    .withMetricsPort(9_091)
    .withMetricsAuthToken('secret')
    .withCircuitBreakerCooldown(30_000)
    .withTls({ serverName: 'relay.test' })
    .withTls({ connectTimeoutMs: 1_000 })
    .withProbe(probe)
    .withOptions({ maxWaiting: 7 })
    .build()
  expect(built).toEqual([
    {
      namespace: 'btc_sprint',
      maxConnections: 50,
      minIdle: 5,
      maxLatencyMs: 250,
      cleanupIntervalMs: 180_000,
      histogramRotationIntervalMs: 900_000,
      metricsHost: '::1',
      metricsPort: 9_091,
      metricsAuthToken: 'secret',
      breaker: { timeoutMs: 30_000 },
      tls: { serverName: 'relay.test', connectTimeoutMs: 1_000 },
      probe,
      maxWaiting: 7
    }
  ])
  expect(resolvePoolOptions(built[0])).toMatchObject(built[0]!)
})

test('a threshold of failures is a rule of the breaker', () => {
  const { builder, built } = create()
  builder.withCircuitBreakerFailureThreshold(3).withCircuitBreakerCooldown(1_000).build()
  const { readyToTrip, timeoutMs } = built[0]!.breaker!
  const counts = {
    requests: 3,
    totalSuccesses: 0,
    totalFailures: 3,
    totalExclusions: 0,
    consecutiveSuccesses: 0
  }
  expect(timeoutMs).toBe(1_000)
  expect(readyToTrip!({ ...counts, consecutiveFailures: 3 })).toBe(true)
  expect(readyToTrip!({ ...counts, consecutiveFailures: 2 })).toBe(false)
})

test('a pool is built, and mistakes are told then', () => {
  expect(SecureChannelPool.builder('relay.test:443').withMinIdle(0).build().endpoint).toBe('relay.test:443')
  expect(() => SecureChannelPool.builder('relay.test:443').withMinIdle(-1).build()).toThrow('pool.minIdle')
  expect(() => SecureChannelPool.builder('relay').build()).toThrow('endpoint')
  expect(() => SecureChannelPool.builder('a:1').withCircuitBreakerFailureThreshold(0).build()).toThrow(
    'tripAt'
  )
})
