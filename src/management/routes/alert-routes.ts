import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from 'typebox'
import type { Alert } from '../../telemetry/index.ts'
import type { RouteContext } from './route-context.ts'

const AlertWire = Type.Object({
  name: Type.String(),
  subject: Type.String({ description: 'host:port of an endpoint, or bitswap' }),
  value: Type.Number(),
  threshold: Type.Number(),
  since: Type.String({ format: 'date-time' })
})

const Alerts = Type.Object({ alerts: Type.Array(AlertWire) })

/** What is wrong now. */
export function alertRoutes({ managed, look }: RouteContext): FastifyPluginAsyncTypebox {
  return async server => {
    server.get('/api/v1/alerts', { preParsing: look, schema: { response: { 200: Alerts } } }, () => ({
      alerts: (managed.alerts?.getAlerts() ?? []).map(alert)
    }))
  }
}

function alert({ name, subject, value, threshold, since }: Alert): Static<typeof AlertWire> {
  return { name, subject, value, threshold, since: new Date(since).toISOString() }
}
