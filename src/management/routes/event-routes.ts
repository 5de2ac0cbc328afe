import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { EventStreams } from '../event-streams.ts'
import type { RouteContext } from './route-context.ts'

/** What happens, as it happens. */
export function eventRoutes({ look }: RouteContext, streams: EventStreams): FastifyPluginAsyncTypebox {
  return async server => {
    server.get('/api/v1/events', { preParsing: look }, (request, reply) => {
      const lastId = Number(request.headers['last-event-id'] ?? Number.NaN)
      streams.add(reply.raw, reply.getHeaders(), Number.isSafeInteger(lastId) ? lastId : undefined)
      reply.hijack()
    })
  }
}
