import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { lookAtRelay } from '../relay-view.ts'
import { durationText } from '../wire/duration.ts'
import { Health, health, Liveness } from '../wire/health.ts'
import { RETRY_AFTER_S, type RouteContext } from './route-context.ts'

const paths: readonly string[] = ['/health', '/ready', '/healthz', '/api/v1/secure-channel/health']

/** Whether it is only asked how the service is: that is answered without a token, and however much there is to do. */
export function isHealth({ routeOptions }: Pick<FastifyRequest, 'routeOptions'>): boolean {
  return paths.includes(routeOptions.url ?? '')
}

/** Whether it lives (`/health`), is ready for work (`/ready`), and its pools and channels can be used. */
export function healthRoutes({ managed, service }: RouteContext): FastifyPluginAsyncTypebox {
  return async server => {
    server.get('/health', { schema: { response: { 200: Liveness } } }, () => {
      const { nowMs, uptimeMs } = service()
      return {
        status: 'ok' as const,
        timestamp: new Date(nowMs).toISOString(),
        uptime: durationText(uptimeMs)
      }
    })
    for (const path of paths.filter(each => each !== '/health')) {
      server.get(path, { schema: { response: { 200: Health, 503: Health } } }, (_, reply) => {
        const relay = lookAtRelay(managed)
        const { isDraining, nowMs } = service()
        const isReady = relay.isHealthy && !isDraining
        if (!isReady) reply.header('retry-after', RETRY_AFTER_S)
        reply.status(isReady ? 200 : 503)
        return health(relay, isDraining, nowMs)
      })
    }
  }
}
