import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Alerts, alert } from '../wire/alerts.ts'
import type { RouteContext } from './route-context.ts'

/** What is wrong now. */
export function alertRoutes({ managed, shown }: RouteContext): FastifyPluginAsyncTypebox {
  return async server => {
    server.get('/api/v1/alerts', { ...shown, schema: { response: { 200: Alerts } } }, () => ({
      alerts: (managed.alerts?.getAlerts() ?? []).map(alert)
    }))
  }
}
