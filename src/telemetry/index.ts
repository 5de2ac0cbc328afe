/**
 * Showing what the protection sees and does: metrics for Prometheus, alerts, webhooks, an audit log, history.
 *
 * @packageDocumentation
 */
export type { Alert, BitswapAlertName, EndpointAlertName } from './alerts/alert.ts'
export { type AlertComponents, AlertMonitor } from './alerts/alert-monitor.ts'
export {
  type AlertOptions,
  type BitswapAlerts,
  defaultAlertOptions,
  defaultBitswapAlerts,
  type EndpointAlerts
} from './alerts/alert-options.ts'
export { type AuditComponents, AuditLog, type AuditOptions, defaultAuditOptions } from './audit/audit-log.ts'
export {
  type EndpointEvents,
  type EventListener,
  type EventSources,
  listenTo,
  type PeerEvents,
  recordEvents
} from './audit/recorded-events.ts'
export { type RecordedService, recordUptime } from './audit/recorded-uptime.ts'
export {
  type AuditEntry,
  type Availability,
  UptimeReader,
  type UptimeReport
} from './audit/uptime-report.ts'
export {
  History,
  type HistoryComponents,
  type HistoryPoint
} from './history/history.ts'
export { defaultHistoryOptions, type HistoryOptions } from './history/history-options.ts'
export { type MetricsRegistry, registerMetrics } from './register-metrics.ts'
export type {
  BitswapSnapshot,
  BitswapSource,
  ChannelSnapshot,
  ChannelSource,
  NodeSnapshot,
  PoolSnapshot,
  PoolSource,
  TelemetrySources
} from './sources.ts'
export { defaultWebhookOptions, type WebhookOptions, type WebhookType } from './webhooks/webhook-options.ts'
export { type WebhookComponents, type WebhookStatus, Webhooks } from './webhooks/webhooks.ts'
