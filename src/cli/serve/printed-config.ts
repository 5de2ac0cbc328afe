import { defaultBitswapProtectionOptions, defaultInboundOptions } from '../../bitswap/index.ts'
import {
  defaultHealthOptions,
  defaultRecoveryOptions,
  defaultTripRule,
  type PresetName,
  presets
} from '../../core/index.ts'
import { defaultManagementOptions } from '../../management/index.ts'
import {
  defaultHealthCheckOptions,
  defaultPoolOptions,
  defaultSecureChannelOptions,
  defaultShutdownOptions
} from '../../relay/index.ts'
import {
  defaultAlertOptions,
  defaultAuditOptions,
  defaultBitswapAlerts,
  defaultHistoryOptions,
  defaultWebhookOptions
} from '../../telemetry/index.ts'
import { writeOptions } from '../config/config-options.ts'
import { defaultNodeConfig } from './node-sections.ts'
import { defaultDaemonShutdown } from './relay-sections.ts'

/** An object of JSON. */
type Members = Readonly<Record<string, unknown>>

const SECRETS = /^(authToken|password|secret)$/
const HIDDEN = '(hidden)'

/** The document of a config file as it would be if nothing were left out. Secrets are not shown. */
export function printedConfig(document: Members): string {
  const { audit, directory, pools, relays, ...given } = document
  const hasAudit = audit !== false && (audit !== undefined || directory !== undefined)
  const whole = {
    ...(directory !== undefined && { directory }),
    ...(over(defaults, given) as Members),
    relays: listOf(relays).map(relay => over(relayDefaults, relay)),
    pools: listOf(pools).map(pool => over(poolDefaults, pool)),
    audit: hasAudit && over(auditDefaults, audit ?? {})
  }
  return JSON.stringify(whole, (name, value) => (SECRETS.test(name) ? HIDDEN : value), 2)
}

const defaults: Members = {
  node: defaultNodeConfig,
  protection: {
    ...writeOptions(without(defaultBitswapProtectionOptions, 'breaker')),
    circuitBreaker: breakerDefaults('bitswap'),
    health: writeOptions(defaultHealthOptions),
    recovery: writeOptions(defaultRecoveryOptions),
    inbound: writeOptions(defaultInboundOptions)
  },
  server: writeOptions(defaultManagementOptions),
  alerts: { ...writeOptions(defaultAlertOptions), bitswap: writeOptions(defaultBitswapAlerts) },
  webhooks: writeOptions(without(defaultWebhookOptions, 'urls')),
  history: writeOptions(defaultHistoryOptions),
  shutdown: writeOptions(defaultDaemonShutdown)
}

const relayDefaults: Members = {
  ...writeOptions(without(defaultSecureChannelOptions, 'breaker', 'recovery', 'maxReplyBytes')),
  circuitBreaker: breakerDefaults('relay'),
  healthCheck: writeOptions(defaultHealthCheckOptions),
  shutdown: writeOptions(defaultShutdownOptions)
}

const poolDefaults: Members = {
  ...writeOptions(without(defaultPoolOptions, 'breaker', 'metricsHost', 'metricsPort', 'metricsAuthToken')),
  circuitBreaker: breakerDefaults('relay')
}

const auditDefaults: Members = writeOptions(without(defaultAuditOptions, 'file'))

function breakerDefaults(preset: PresetName): Members {
  const { successThreshold, timeoutMs, maxRequests } = presets[preset]
  const failureThreshold = defaultTripRule.consecutiveFailures
  return { failureThreshold, ...writeOptions({ successThreshold, timeoutMs, maxRequests }) }
}

function without(options: object, ...names: readonly string[]): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)))
}

/** What is given goes over what is the default, at whatever depth it stands. */
function over(below: unknown, given: unknown): unknown {
  if (!isMembers(below) || !isMembers(given)) return given
  const names = new Set([...Object.keys(below), ...Object.keys(given)])
  return Object.fromEntries(
    [...names].map(name => [name, name in given ? over(below[name], given[name]) : below[name]])
  )
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
