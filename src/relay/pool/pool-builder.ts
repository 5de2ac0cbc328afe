import type { CircuitBreakerOptions } from '../../core/index.ts'
import { tripAt } from '../../core/index.ts'
import type { Channel } from '../channel/channel.ts'
import type { TlsOptions } from '../tls/tls-options.ts'
import type { PoolOptions } from './pool-options.ts'
import type { PoolComponents, SecureChannelPool } from './secure-channel-pool.ts'

/** Sets the options of a pool one by one. Nothing is checked before {@link build}. */
export class SecureChannelPoolBuilder {
  readonly #make: (options: Partial<PoolOptions>, components: PoolComponents) => SecureChannelPool
  readonly #options: Partial<PoolOptions> = {}
  #failureThreshold: number | undefined

  constructor(make: (options: Partial<PoolOptions>, components: PoolComponents) => SecureChannelPool) {
    this.#make = make
  }

  withNamespace(namespace: string): this {
    return this.#with({ namespace })
  }

  withMaxConnections(maxConnections: number): this {
    return this.#with({ maxConnections })
  }

  withMinIdle(minIdle: number): this {
    return this.#with({ minIdle })
  }

  withMaxLatencyMs(maxLatencyMs: number): this {
    return this.#with({ maxLatencyMs })
  }

  /** @param cleanupIntervalMs - in ms */
  withCleanupInterval(cleanupIntervalMs: number): this {
    return this.#with({ cleanupIntervalMs })
  }

  /** @param histogramRotationIntervalMs - in ms */
  withHistogramRotationInterval(histogramRotationIntervalMs: number): this {
    return this.#with({ histogramRotationIntervalMs })
  }

  withMetricsHost(metricsHost: string): this {
    return this.#with({ metricsHost })
  }

  withMetricsPort(metricsPort: number): this {
    return this.#with({ metricsPort })
  }

  withMetricsAuthToken(metricsAuthToken: string): this {
    return this.#with({ metricsAuthToken })
  }

  /** @param failures - in a row, after which nobody connects for a while */
  withCircuitBreakerFailureThreshold(failures: number): this {
    this.#failureThreshold = failures
    return this
  }

  /** @param timeoutMs - how long nobody connects then, in ms */
  withCircuitBreakerCooldown(timeoutMs: number): this {
    return this.#withBreaker({ timeoutMs })
  }

  withTls(tls: Partial<TlsOptions>): this {
    return this.#with({ tls: { ...this.#options.tls, ...tls } })
  }

  withProbe(probe: (channel: Channel) => Promise<unknown>): this {
    return this.#with({ probe })
  }

  /** All other options. */
  withOptions(options: Partial<PoolOptions>): this {
    return this.#with(options)
  }

  /** @throws InvalidOptionError */
  build(components: PoolComponents = {}): SecureChannelPool {
    const consecutiveFailures = this.#failureThreshold
    if (consecutiveFailures !== undefined) this.#withBreaker({ readyToTrip: tripAt({ consecutiveFailures }) })
    return this.#make({ ...this.#options }, components)
  }

  #withBreaker(breaker: Partial<CircuitBreakerOptions>): this {
    return this.#with({ breaker: { ...this.#options.breaker, ...breaker } })
  }

  #with(options: Partial<PoolOptions>): this {
    Object.assign(this.#options, options)
    return this
  }
}
