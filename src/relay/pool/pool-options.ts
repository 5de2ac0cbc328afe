import { type CircuitBreakerOptions, InvalidOptionError } from '../../core/index.ts'
import {
  anyObject,
  durationMs,
  optionalFunction,
  type Rules,
  resolveOptions,
  text,
  wholeNumber
} from '../../core/options.ts'
import type { Channel } from '../channel/channel.ts'
import { namespaceRule } from '../namespace.ts'
import type { TlsOptions } from '../tls/tls-options.ts'

/** Options of a pool of channels to one endpoint. Durations in ms. */
export interface PoolOptions {
  /** Put before the names of its metrics and the ids of its channels: letters, digits and `_`. */
  namespace: string
  /** Channels at once, idle or not, 1 to 100,000. */
  maxConnections: number
  /** Channels kept ready for use, from 0 to `maxConnections`; opened by `start()`, and again when some are gone. */
  minIdle: number
  /** Callers that may wait for a channel at once, from 0. */
  maxWaiting: number
  /** How long a caller waits for a channel, from 1. */
  acquireTimeoutMs: number
  /** How long an operation on a channel may take, unless it is told, from 1. */
  operationTimeoutMs: number
  /** A channel of which 5 of 100 answers take longer than this is not healthy, and is replaced, from 1. */
  maxLatencyMs: number
  /** How often channels are looked after, from 100. */
  cleanupIntervalMs: number
  /** How long a channel may be idle while there are more than `minIdle`, from 1. */
  idleTimeoutMs: number
  /** How old a channel gets, less up to a tenth, so that not all are replaced at once: keys are used no longer. From 1. */
  maxAgeMs: number
  /** How long latencies are remembered, from 1. */
  histogramRotationIntervalMs: number
  /** How connecting to the endpoint is guarded; options of the core's breaker, over the preset `relay`. */
  breaker: Partial<CircuitBreakerOptions>
  tls: Partial<TlsOptions>
  /**
   * Tries out a new channel, before it counts as established: that TLS stands says nothing of what is behind it. It throws if
   * the endpoint does not answer as it should. What it leaves unread makes the channel useless.
   */
  probe: ((channel: Channel) => Promise<unknown>) | undefined
  /** Where it is to be seen, and the token whoever looks has to show: for a `ManagementServer` of it, see `metricsOptions`. */
  metricsHost: string
  metricsPort: number
  metricsAuthToken: string | undefined
}

export const defaultPoolOptions: Readonly<PoolOptions> = Object.freeze({
  namespace: 'secure_channel',
  maxConnections: 100,
  minIdle: 10,
  maxWaiting: 1_000,
  acquireTimeoutMs: 5_000,
  operationTimeoutMs: 10_000,
  maxLatencyMs: 300,
  cleanupIntervalMs: 300_000,
  idleTimeoutMs: 600_000,
  maxAgeMs: 3_600_000,
  histogramRotationIntervalMs: 1_800_000,
  breaker: Object.freeze({}),
  tls: Object.freeze({}),
  probe: undefined,
  metricsHost: '127.0.0.1',
  metricsPort: 9_090,
  metricsAuthToken: undefined
})

const MAX_CONNECTIONS = 100_000
const MAX_WAITING = 1_000_000

const rules: Rules<PoolOptions> = {
  namespace: namespaceRule,
  maxConnections: wholeNumber(1, MAX_CONNECTIONS),
  minIdle: wholeNumber(0, MAX_CONNECTIONS),
  maxWaiting: wholeNumber(0, MAX_WAITING),
  acquireTimeoutMs: durationMs(1),
  operationTimeoutMs: durationMs(1),
  maxLatencyMs: durationMs(1),
  cleanupIntervalMs: durationMs(100),
  idleTimeoutMs: durationMs(1),
  maxAgeMs: durationMs(1),
  histogramRotationIntervalMs: durationMs(1),
  breaker: anyObject,
  tls: anyObject,
  probe: optionalFunction,
  metricsHost: text,
  metricsPort: wholeNumber(0, 65_535),
  metricsAuthToken: { allowed: text.allowed, accepts: value => value === undefined || text.accepts(value) }
}

/** @throws InvalidOptionError */
export function resolvePoolOptions(options: Partial<PoolOptions> | undefined): Readonly<PoolOptions> {
  const resolved = resolveOptions('pool', defaultPoolOptions, options, rules)
  const { minIdle, maxConnections } = resolved
  // Who sets only the bound means it.
  if (minIdle <= maxConnections) return resolved
  if (options?.minIdle === undefined) return Object.freeze({ ...resolved, minIdle: maxConnections })
  throw new InvalidOptionError('pool.minIdle', minIdle, `no more than maxConnections, ${maxConnections}`)
}
