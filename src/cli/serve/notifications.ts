import type { SecureChannel } from '../../relay/index.ts'
import type { Alert, AlertMonitor, Webhooks } from '../../telemetry/index.ts'

/** Has others told of failovers, of what is wrong and of what is well again. The function returned ends that. */
export function notify(
  webhooks: Webhooks,
  monitor: AlertMonitor,
  channels: readonly SecureChannel[]
): () => void {
  const ends = channels.map(channel =>
    channel.onEvent(({ type, endpoint, role, at }) => {
      const data = { endpoint, role, at: new Date(at).toISOString() }
      if (type === 'failover') webhooks.send('failover', data)
      if (type === 'failback') webhooks.send('recovery', { reason: 'failback', ...data })
    })
  )
  const endAlerts = monitor.onAlert(alert => {
    if (alert.isFiring) webhooks.send('degraded', told(alert))
    else webhooks.send('recovery', { reason: 'alert', ...told(alert) })
  })
  return () => {
    for (const end of [...ends, endAlerts]) end()
  }
}

function told({ name, subject, value, threshold, since }: Alert) {
  return { alert: name, subject, value, threshold, since: new Date(since).toISOString() }
}
