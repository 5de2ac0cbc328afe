import { join } from 'node:path'
import { defaultManagementOptions, type ManagementOptions } from '../../management/index.ts'
import { resolveManagementOptions } from '../../management/management-options.ts'
import { resolveAlertOptions } from '../../telemetry/alerts/alert-options.ts'
import { resolveHistoryOptions } from '../../telemetry/history/history-options.ts'
import {
  type AlertOptions,
  AuditLog,
  type AuditOptions,
  defaultAlertOptions,
  defaultAuditOptions,
  defaultBitswapAlerts,
  defaultHistoryOptions,
  defaultWebhookOptions,
  type HistoryOptions,
  type WebhookOptions
} from '../../telemetry/index.ts'
import { resolveWebhookOptions } from '../../telemetry/webhooks/webhook-options.ts'
import type { ConfigObject } from '../config/config-object.ts'
import { namesOf, readOptions, readPart } from '../config/config-options.ts'
import { onlyGiven } from '../config/only-given.ts'
import { shutdownNames } from './relay-sections.ts'

// What a config file says of who watches, shows and tells.

/** @throws ConfigError */
export async function readServer(config: ConfigObject): Promise<Partial<ManagementOptions>> {
  const given = config.object('server', [...namesOf(defaultManagementOptions), 'authTokenFile'])
  if (given === undefined) return {}
  const token = await readSecretText(given, 'authToken')
  const options = {
    ...readOptions(given, defaultManagementOptions),
    ...onlyGiven<ManagementOptions>({ authToken: token, tls: await readServerTls(given) })
  }
  given.checked(() => resolveManagementOptions(options))
  return options
}

async function readServerTls(server: ConfigObject): Promise<ManagementOptions['tls']> {
  const tls = server.object('tls', ['certificateFile', 'keyFile', 'clientAuthoritiesFile'])
  if (tls === undefined) return undefined
  const cert = await tls.fileContent('certificateFile')
  const key = await tls.fileContent('keyFile')
  if (cert === undefined) throw server.file.error(tls.keyOf('certificateFile'), 'the name of a file')
  if (key === undefined) throw server.file.error(tls.keyOf('keyFile'), 'the name of a file')
  return { cert, key, clientAuthorities: await tls.fileContent('clientAuthoritiesFile') }
}

/** What is given as a text, or better as the name of a file that has it. */
async function readSecretText(config: ConfigObject, name: string): Promise<string | undefined> {
  const fileKey = `${name}File`
  const inFile = (await config.fileContent(fileKey))?.trim()
  const given = config.given(name) as string | undefined
  if (inFile !== undefined && given !== undefined)
    throw config.file.error(config.keyOf(fileKey), `nothing beside ${name}`)
  return inFile ?? given
}

/** @throws ConfigError */
export function readAlerts(config: ConfigObject): Partial<AlertOptions> {
  const given = config.object('alerts', namesOf(defaultAlertOptions))
  if (given === undefined) return {}
  const bitswap = readPart(given, 'bitswap', defaultBitswapAlerts)
  const options = {
    ...readOptions(given, defaultAlertOptions),
    ...onlyGiven<AlertOptions>({ bitswap: bitswap as AlertOptions['bitswap'] | undefined })
  }
  given.checked(() => resolveAlertOptions(options))
  return options
}

/** @throws ConfigError */
export async function readWebhooks(
  config: ConfigObject,
  directory: string | undefined
): Promise<Partial<WebhookOptions>> {
  const own = namesOf(defaultWebhookOptions).filter(name => name !== 'urls')
  const types = ['failover', 'recovery', 'degraded', 'shutdown'] as const
  const given = config.object('webhooks', [...types, ...own, 'secretFile'])
  const notifyWebhook = config.object('shutdown', shutdownNames)?.given('notifyWebhook')
  const urls = onlyGiven<Record<string, unknown>>({
    shutdown: notifyWebhook,
    ...onlyGiven(Object.fromEntries(types.map(type => [type, given?.given(type)])))
  }) as WebhookOptions['urls']
  const named = given?.fileName('deadLetterFile')
  const deadLetterFile =
    named === undefined ? directory && join(directory, 'dead-letters.jsonl') : config.file.locate(named)
  const options = {
    ...(given && readOptions(given, defaultWebhookOptions)),
    ...onlyGiven<WebhookOptions>({
      deadLetterFile,
      secret: given && (await readSecretText(given, 'secret'))
    }),
    urls
  }
  config.file.checked('webhooks', () => resolveWebhookOptions(options))
  return options
}

/** @throws ConfigError */
export function readAudit(
  config: ConfigObject,
  directory: string | undefined
): Partial<AuditOptions> | undefined {
  if (config.given('audit') === false) return undefined
  const given = config.object('audit', namesOf(defaultAuditOptions))
  const named = given?.fileName('file')
  const file = named === undefined ? directory && join(directory, 'audit.jsonl') : config.file.locate(named)
  if (file === undefined) {
    if (given === undefined) return undefined
    throw config.file.error(given.keyOf('file'), 'the name of a file, as there is no directory')
  }
  const options = { ...(given && readOptions(given, defaultAuditOptions)), file }
  config.file.checked('audit', () => new AuditLog(options))
  return options
}

/** @throws ConfigError */
export function readHistory(config: ConfigObject): Partial<HistoryOptions> {
  const given = config.object('history', namesOf(defaultHistoryOptions))
  const options = readOptions(given, defaultHistoryOptions)
  config.file.checked('history', () => resolveHistoryOptions(options))
  return options
}
