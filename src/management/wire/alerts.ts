import { type Static, Type } from 'typebox'
import type { Alert } from '../../telemetry/index.ts'

const AlertWire = Type.Object({
  name: Type.String(),
  subject: Type.String({ description: 'host:port of an endpoint, or bitswap' }),
  value: Type.Number(),
  threshold: Type.Number(),
  since: Type.String({ format: 'date-time' })
})

/** What is wrong now. */
export const Alerts = Type.Object({ alerts: Type.Array(AlertWire) })

export type AlertsWire = Static<typeof Alerts>

export function alert({ name, subject, value, threshold, since }: Alert): Static<typeof AlertWire> {
  return { name, subject, value, threshold, since: new Date(since).toISOString() }
}
