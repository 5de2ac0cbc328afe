/**
 * Writes the tables of default options in README.md, from the objects that are the defaults:
 * `npm run readme:defaults`. A test fails when they have drifted apart.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { inspect } from 'node:util'
import {
  defaultBitswapProtectionOptions,
  defaultCircuitBreakerOptions,
  defaultHealthOptions,
  defaultInboundOptions,
  defaultProtectionOptions,
  defaultRecoveryOptions,
  defaultTripRule
} from 'bitswap-protection'
import { defaultManagementOptions } from 'bitswap-protection/management'
import { defaultManagementClientOptions } from 'bitswap-protection/management/client'
import {
  defaultHealthCheckOptions,
  defaultPoolOptions,
  defaultSecureChannelOptions,
  defaultShutdownOptions
} from 'bitswap-protection/relay'
import {
  defaultAlertOptions,
  defaultAuditOptions,
  defaultBitswapAlerts,
  defaultHistoryOptions,
  defaultWebhookOptions
} from 'bitswap-protection/telemetry'

/** Of the service only what it does not share with `Protection`. */
const bitswapProtection = Object.fromEntries(
  Object.entries(defaultBitswapProtectionOptions).filter(([name]) => !(name in defaultProtectionOptions))
)

const defaults: Readonly<Record<string, object>> = {
  alerts: defaultAlertOptions,
  audit: defaultAuditOptions,
  bitswapAlerts: defaultBitswapAlerts,
  bitswapProtection,
  circuitBreaker: defaultCircuitBreakerOptions,
  health: defaultHealthOptions,
  healthCheck: defaultHealthCheckOptions,
  history: defaultHistoryOptions,
  inbound: defaultInboundOptions,
  management: defaultManagementOptions,
  managementClient: defaultManagementClientOptions,
  pool: defaultPoolOptions,
  protection: defaultProtectionOptions,
  recovery: defaultRecoveryOptions,
  secureChannel: defaultSecureChannelOptions,
  shutdown: defaultShutdownOptions,
  tripRule: defaultTripRule,
  webhooks: defaultWebhookOptions
}

/** A table stands between `<!-- defaults:NAME -->` and the next `<!-- /defaults -->`. */
const TABLES = /(<!-- defaults:(\w+) -->\n)[\s\S]*?(<!-- \/defaults -->)/g

/** The text with all its tables of defaults as they should be. */
export function withDefaults(markdown: string): string {
  return markdown.replace(TABLES, (_, begin: string, name: string, end: string) => begin + table(name) + end)
}

function table(name: string): string {
  const options = defaults[name]
  if (options === undefined)
    throw new Error(`No defaults named ${name}; known are ${Object.keys(defaults).join(', ')}`)
  const rows = Object.entries(options).map(([option, value]) => `| \`${option}\` | ${cell(value)} |\n`)
  return `| option | default |\n|---|---|\n${rows.join('')}`
}

function cell(value: unknown): string {
  if (value === undefined) return 'none'
  return typeof value === 'function' ? 'function' : `\`${inspect(value, { numericSeparator: true })}\``
}

if (import.meta.main) {
  const path = resolve(import.meta.dirname, '../README.md')
  writeFileSync(path, withDefaults(readFileSync(path, 'utf8')))
}
