import * as index from 'bitswap-protection'
import * as bitswap from 'bitswap-protection/bitswap'
import * as core from 'bitswap-protection/core'
import * as management from 'bitswap-protection/management'
import * as managementClient from 'bitswap-protection/management/client'
import * as relay from 'bitswap-protection/relay'
import * as telemetry from 'bitswap-protection/telemetry'
import { expect, test } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }

// What users can import. Adding a name here is a feature, removing one a breaking change; types are pinned in
// public-api.test-d.ts.

const coreNames = [
  'CallTimeoutError',
  'CircuitBreaker',
  'CircuitOpenError',
  'FAILURE',
  'HealthMonitor',
  'IGNORED',
  'InvalidOptionError',
  'IsolatedError',
  'LATENCY_BOUNDS_MS',
  'ManualClock',
  'Protection',
  'ProtectionClosedError',
  'RecoveryManager',
  'RecoverySheddingError',
  'RejectedError',
  'SUCCESS',
  'SuspectError',
  'TableFullError',
  'TooManyInFlightError',
  'TooManyRequestsError',
  'defaultCircuitBreakerOptions',
  'defaultHealthOptions',
  'defaultProtectionOptions',
  'defaultRecoveryOptions',
  'defaultTripRule',
  'presets',
  'systemClock',
  'tripAt'
]

const bitswapNames = [
  'BitswapProtectionManager',
  'ProtectionMissingError',
  'bitswapProtection',
  'defaultBitswapProtectionOptions',
  'defaultInboundOptions',
  'protectBitswap',
  'unprotectBitswap'
]

const relayNames = [
  'BadReplyError',
  'BitcoinMessageError',
  'ChannelBusyError',
  'ChannelClosedError',
  'ChannelTimeoutError',
  'ConnectError',
  'CredentialsError',
  'DisagreementError',
  'DuplicateRequestError',
  'ElectrumNodeClient',
  'HandshakeLimit',
  'IdentityError',
  'NoNodeError',
  'NotAllowedError',
  'OutcomeUnknownError',
  'PoolClosedError',
  'PoolExhaustedError',
  'RateLimitError',
  'RequestTimeoutError',
  'RpcError',
  'SecretAccessError',
  'SecretDisposedError',
  'SecretFileError',
  'SecretLimitError',
  'SecureBuffer',
  'SecureChannel',
  'SecureChannelClosedError',
  'SecureChannelPool',
  'StateFileError',
  'TooManyPendingError',
  'UnexpectedDataError',
  'defaultHealthCheckOptions',
  'defaultPoolOptions',
  'defaultSecureChannelOptions',
  'defaultShutdownOptions',
  'defaultTlsOptions',
  'greet',
  'memoryProtectionStatus',
  'pingPeer'
]

const telemetryNames = [
  'AlertMonitor',
  'AuditLog',
  'History',
  'UptimeReader',
  'Webhooks',
  'defaultAlertOptions',
  'defaultAuditOptions',
  'defaultBitswapAlerts',
  'defaultHistoryOptions',
  'defaultWebhookOptions',
  'listenTo',
  'recordEvents',
  'recordUptime',
  'registerMetrics'
]

const managementNames = ['ManagementServer', 'defaultManagementOptions']

const managementClientNames = [
  'ManagementClient',
  'ManagementRequestError',
  'ManagementUnavailableError',
  'defaultManagementClientOptions'
]

const subpaths: Record<string, { module: object; names: string[] }> = {
  '.': { module: index, names: [...coreNames, ...bitswapNames].sort() },
  './core': { module: core, names: coreNames },
  './bitswap': { module: bitswap, names: bitswapNames },
  './relay': { module: relay, names: relayNames },
  './telemetry': { module: telemetry, names: telemetryNames },
  './management': { module: management, names: managementNames },
  './management/client': { module: managementClient, names: managementClientNames }
}

test('every subpath is pinned', () => {
  const exported = Object.keys(packageJson.exports).filter(subpath => subpath !== './package.json')
  expect(Object.keys(subpaths)).toEqual(exported)
})

test.each(Object.entries(subpaths))('%s exports these names', (_, { module, names }) => {
  expect(Object.keys(module).sort()).toEqual(names)
})

test('the index exports what the others do', () => {
  expect({ ...index }).toEqual({ ...core, ...bitswap })
})

test('the server calls itself by the version of the package', () => {
  expect(management.defaultManagementOptions.version).toBe(packageJson.version)
})
