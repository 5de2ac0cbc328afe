import type { PeerId } from '@libp2p/interface'
import {
  type CallContext,
  type CallOptions,
  CircuitBreaker,
  type CircuitBreakerInit,
  type CircuitBreakerOptions,
  type CircuitEvent,
  type CircuitState,
  type Clock,
  type CoreComponents,
  type Counts,
  type Explanation,
  type Health,
  type HealthEvent,
  HealthMonitor,
  type HealthOptions,
  type HealthStats,
  type HealthStatus,
  type LatencySummary,
  ManualClock,
  type Mode,
  type Outcome,
  type OverallStatus,
  type PeerGlance,
  type PeerStatus,
  type Permit,
  type PresetName,
  type ProtectedFunction,
  Protection,
  type ProtectionComponents,
  type ProtectionEvent,
  type ProtectionEventType,
  type ProtectionOptions,
  type ProtectionTable,
  RecoveryManager,
  type RecoveryOptions,
  type RecoveryStrategy,
  type RejectedError,
  type Rejection,
  type RejectionReason,
  type StageEvent,
  systemClock,
  type TripReason,
  type TripRecord,
  type TripRule,
  tripAt
} from 'bitswap-protection'
import type { BitswapProtectionManager } from 'bitswap-protection/bitswap'
import type { Managed } from 'bitswap-protection/management'
import type { memoryProtectionStatus, SecureChannel, SecureChannelPool } from 'bitswap-protection/relay'
import type {
  AlertMonitor,
  EventSources,
  MetricsRegistry,
  TelemetrySources
} from 'bitswap-protection/telemetry'
import type { Registry } from 'prom-client'
import { describe, expectTypeOf, test } from 'vitest'

const protection = new Protection()

describe('words', () => {
  test('states and statuses are upper-case literals', () => {
    expectTypeOf<CircuitState>().toEqualTypeOf<'CLOSED' | 'OPEN' | 'HALF_OPEN'>()
    expectTypeOf<HealthStatus>().toEqualTypeOf<'UNKNOWN' | 'HEALTHY' | 'DEGRADED' | 'UNHEALTHY'>()
    expectTypeOf<RecoveryStrategy>().toEqualTypeOf<'LINEAR' | 'EXPONENTIAL' | 'STEP'>()
    expectTypeOf<TripReason>().toEqualTypeOf<
      'FAILURES' | 'PROBE_FAILED' | 'PROBES_OVERDUE' | 'RELAPSE' | 'UNRESPONSIVE'
    >()
    expectTypeOf<RejectionReason>().toEqualTypeOf<
      'OPEN' | 'HALF_OPEN_FULL' | 'RECOVERING' | 'ISOLATED' | 'IN_FLIGHT_FULL' | 'SUSPECT'
    >()
  })

  test('what is chosen or told is in lower case', () => {
    expectTypeOf<Outcome>().toEqualTypeOf<'success' | 'failure' | 'ignored'>()
    expectTypeOf<Mode>().toEqualTypeOf<'enforce' | 'observe' | 'off'>()
    expectTypeOf<PresetName>().toEqualTypeOf<'bitswap' | 'relay'>()
    expectTypeOf<ProtectionEventType>().toEqualTypeOf<ProtectionEvent['type']>()
  })
})

describe('Protection', () => {
  test('executeRequest returns what the function returns', () => {
    expectTypeOf(protection.executeRequest('peer', () => 42)).toEqualTypeOf<Promise<number>>()
    expectTypeOf(protection.executeRequest('peer', async () => 'block')).toEqualTypeOf<Promise<string>>()
    expectTypeOf<ProtectedFunction<number>>().toEqualTypeOf<(call: CallContext) => number | Promise<number>>()
    expectTypeOf<Parameters<typeof protection.executeRequest>[2]>().toEqualTypeOf<CallOptions | undefined>()
  })

  test('the function is handed a signal', () => {
    protection.executeRequest('peer', call => {
      expectTypeOf(call).toEqualTypeOf<CallContext>()
      expectTypeOf(call.signal).toEqualTypeOf<AbortSignal>()
    })
  })

  test('time limit and signal may be undefined, and nothing else', () => {
    protection.executeRequest('peer', () => 1, { signal: undefined, timeoutMs: undefined })
    // @ts-expect-error: the unit is part of the name
    protection.executeRequest('peer', () => 1, { timeout: 1 })
    // @ts-expect-error: a number of ms
    protection.executeRequest('peer', () => 1, { timeoutMs: '5s' })
    // @ts-expect-error: a key is text
    protection.executeRequest(1, () => 1)
  })

  test('admit hands out a permit', () => {
    expectTypeOf(protection.admit('peer')).toEqualTypeOf<Permit>()
    expectTypeOf<Permit['settle']>().toEqualTypeOf<(outcome: Outcome) => boolean>()
    // @ts-expect-error: no such outcome
    protection.admit('peer').settle('SUCCESS')
    // @ts-expect-error: a permit shows nothing of itself
    protection.admit('peer').token
  })

  test('what is known is plain, read-only data', () => {
    expectTypeOf(protection.getPeerStatus('peer')).toEqualTypeOf<PeerStatus | undefined>()
    expectTypeOf(protection.getHealth('peer')).toEqualTypeOf<Health | undefined>()
    expectTypeOf(protection.explain('peer')).toEqualTypeOf<Explanation | undefined>()
    expectTypeOf(protection.getOverallStatus()).toEqualTypeOf<OverallStatus>()
    expectTypeOf(protection.peers()).toEqualTypeOf<Generator<PeerStatus>>()
    expectTypeOf(protection.glances()).toEqualTypeOf<Generator<PeerGlance>>()
    expectTypeOf<PeerStatus['circuitState']>().toEqualTypeOf<CircuitState>()
    expectTypeOf<PeerStatus['counts']>().toEqualTypeOf<Readonly<Counts>>()
    expectTypeOf<PeerStatus['lastTrip']>().toEqualTypeOf<TripRecord | undefined>()
    expectTypeOf<PeerStatus['nextRetryAt']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<OverallStatus['healthStats']>().toEqualTypeOf<HealthStats>()
    expectTypeOf<OverallStatus['latency']>().toEqualTypeOf<LatencySummary>()
    expectTypeOf<OverallStatus['rejections']>().toEqualTypeOf<Readonly<Record<RejectionReason, number>>>()
    // @ts-expect-error: a status is not changed by writing to it
    protection.getOverallStatus().inFlight = 0
  })

  test('events are told apart by their type', () => {
    expectTypeOf(protection.onEvent(() => {})).toEqualTypeOf<() => void>()
    protection.onEvent(event => {
      expectTypeOf(event).toEqualTypeOf<ProtectionEvent>()
      if (event.type === 'circuit:open') expectTypeOf(event).toEqualTypeOf<CircuitEvent>()
      if (event.type === 'health:change') expectTypeOf(event).toEqualTypeOf<HealthEvent>()
      if (event.type === 'isolate') expectTypeOf(event).toEqualTypeOf<StageEvent>()
    })
  })

  test('the inner form works with integers', () => {
    expectTypeOf(protection.table).toEqualTypeOf<ProtectionTable>()
    expectTypeOf(protection.table.admit(1, 0)).toEqualTypeOf<number>()
    expectTypeOf(protection.table.settle(1, 0, 0, 0)).toEqualTypeOf<boolean>()
  })

  test('it can be disposed of', () => {
    expectTypeOf(protection).toExtend<Disposable>()
  })
})

describe('options', () => {
  test('are all optional, and may be undefined', () => {
    expectTypeOf<ConstructorParameters<typeof Protection>>().toEqualTypeOf<
      [options?: Partial<ProtectionOptions>, components?: ProtectionComponents]
    >()
    new Protection({ mode: undefined, breaker: { timeoutMs: undefined } }, { clock: new ManualClock() })
  })

  test('wrong ones are errors', () => {
    // @ts-expect-error: unknown
    new Protection({ timeoutMs: 1 })
    // @ts-expect-error: unknown in a group
    new Protection({ breaker: { timeout: 1 } })
    // @ts-expect-error: no such mode
    new Protection({ mode: 'ENFORCE' })
    // @ts-expect-error: no such preset
    new Protection({ preset: 'http' })
    // @ts-expect-error: no such strategy
    new Protection({ recovery: { strategy: 'linear' } })
    // @ts-expect-error: durations are numbers
    new Protection({ health: { checkIntervalMs: '30s' } })
    // @ts-expect-error: must tell yes or no
    new CircuitBreaker({ readyToTrip: () => 'often' })
    // @ts-expect-error: not a clock
    new Protection({}, { clock: Date })
  })

  test('all durations say their unit', () => {
    type Durations<Options> = Extract<keyof Options, `${string}Ms`>
    expectTypeOf<Durations<CircuitBreakerOptions>>().toEqualTypeOf<
      | 'intervalMs'
      | 'bucketPeriodMs'
      | 'timeoutMs'
      | 'halfOpenTimeoutMs'
      | 'maxTimeoutMs'
      | 'timeoutDecayMs'
      | 'slowCallMs'
      | 'hungCallMs'
    >()
    expectTypeOf<Durations<HealthOptions>>().toEqualTypeOf<
      'checkIntervalMs' | 'maxResponseTimeMs' | 'cleanupIntervalMs' | 'maxAgeMs'
    >()
    expectTypeOf<Durations<RecoveryOptions>>().toEqualTypeOf<
      'recoveryIntervalMs' | 'maxRecoveryTimeMs' | 'cooldownPeriodMs'
    >()
  })

  test('tripAt makes a readyToTrip', () => {
    expectTypeOf(tripAt).parameter(0).toEqualTypeOf<Partial<TripRule> | undefined>()
    expectTypeOf(tripAt()).toExtend<CircuitBreakerOptions['readyToTrip']>()
  })
})

describe('parts for use on their own', () => {
  test('CircuitBreaker', () => {
    const breaker = new CircuitBreaker({ mode: 'observe', onStateChange: (_name, _from, _to) => {} })
    expectTypeOf<ConstructorParameters<typeof CircuitBreaker>>().toEqualTypeOf<
      [init?: CircuitBreakerInit, components?: CoreComponents]
    >()
    expectTypeOf(breaker.state).toEqualTypeOf<CircuitState>()
    expectTypeOf(breaker.counts).toEqualTypeOf<Counts>()
    expectTypeOf(breaker.execute(({ signal }) => signal.aborted)).toEqualTypeOf<Promise<boolean>>()
    expectTypeOf(breaker.admit()).toEqualTypeOf<Permit>()
    expectTypeOf(breaker.canAdmit()).toEqualTypeOf<boolean>()
  })

  test('HealthMonitor', () => {
    const monitor = new HealthMonitor()
    expectTypeOf(monitor.recordRequest).parameters.toEqualTypeOf<
      [key: string, responseTimeMs: number, error?: unknown]
    >()
    expectTypeOf(monitor.getHealth('peer')).toEqualTypeOf<Health | undefined>()
    expectTypeOf(monitor.getHealthStatus('peer')).toEqualTypeOf<HealthStatus>()
  })

  test('RecoveryManager', () => {
    const manager = new RecoveryManager()
    expectTypeOf(manager.shouldAllowRequest('peer')).toEqualTypeOf<boolean>()
    expectTypeOf(manager.startRecovery('peer')).toEqualTypeOf<void>()
  })

  test('clocks', () => {
    expectTypeOf(systemClock).toEqualTypeOf<Clock>()
    expectTypeOf<ManualClock>().toExtend<Clock>()
  })

  test('errors say what was rejected', () => {
    expectTypeOf<RejectedError>().toExtend<Error & Rejection>()
  })
})

test('events of the service tell of whom and what, each by its type', () => {
  type Manager = Pick<BitswapProtectionManager, 'addEventListener'>
  const listen = ({ addEventListener }: Manager): void => {
    addEventListener('circuit:open', ({ detail }) => {
      expectTypeOf(detail.type).toEqualTypeOf<'circuit:open'>()
      expectTypeOf(detail.to).toEqualTypeOf<CircuitState>()
      expectTypeOf(detail.peer).toEqualTypeOf<PeerId>()
    })
    addEventListener('health:change', ({ detail }) => {
      expectTypeOf(detail.to).toEqualTypeOf<HealthStatus>()
    })
    addEventListener('release', ({ detail }) => {
      expectTypeOf(detail.key).toEqualTypeOf<string>()
      expectTypeOf(detail.peer).toEqualTypeOf<PeerId>()
    })
  }
  expectTypeOf(listen).toBeFunction()
})

describe('what shows', () => {
  test('takes what the two halves have, and registries of prom-client', () => {
    type Relay = { pools: SecureChannelPool[]; channels: SecureChannel[] }
    type Sources = Relay & { bitswap: BitswapProtectionManager[] }
    type Whole = Relay & {
      bitswap: BitswapProtectionManager
      memoryProtection: typeof memoryProtectionStatus
    }
    expectTypeOf<AlertMonitor>().toExtend<NonNullable<Managed['alerts']>>()
    expectTypeOf<Whole>().toExtend<Managed>()
    expectTypeOf<Sources>().toExtend<TelemetrySources>()
    expectTypeOf<Sources>().toExtend<EventSources>()
    expectTypeOf<Registry>().toExtend<MetricsRegistry>()
  })
})
