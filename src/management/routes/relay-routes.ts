import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Problem } from '../problem.ts'
import { lookAtRelay } from '../relay-view.ts'
import { Connection, connectionsOf, PoolStatus, poolStatus } from '../wire/connections.ts'
import { EnhancedStatus, enhancedStatus } from '../wire/enhanced-status.ts'
import { SecureChannelStatus, Stats, secureChannelStatus, stats } from '../wire/secure-channel.ts'
import { ProblemBody, RETRY_AFTER_S, type RouteContext } from './route-context.ts'

const EndpointBody = Type.Object({
  endpoint: Type.String({ maxLength: 300, description: 'host:port of a node' })
})

/** Pools and channels, the service as a whole, and metrics. */
export function relayRoutes({
  managed,
  registry,
  service,
  look,
  shown,
  steer,
  note
}: RouteContext): FastifyPluginAsyncTypebox {
  const { pools = [], channels = [] } = managed
  return async server => {
    for (const path of ['/metrics', '/api/v1/secure-channel/metrics'])
      server.get(path, { ...shown }, async (_, reply) =>
        reply.type(registry.contentType).send(await registry.metrics())
      )

    server.get(
      '/status',
      { ...shown, schema: { response: { 200: EnhancedStatus, 503: EnhancedStatus } } },
      async (_, reply) => {
        const memory = await managed.memoryProtection?.()
        const bitswap = managed.bitswap?.getOverallStatus()
        const status = enhancedStatus(bitswap, lookAtRelay(managed), memory, service())
        const isOk = status.status === 'ok'
        if (!isOk) reply.header('retry-after', RETRY_AFTER_S)
        reply.status(isOk ? 200 : 503)
        return status
      }
    )

    server.get(
      '/status/connections',
      {
        ...shown,
        schema: {
          querystring: Type.Object({ endpoint: Type.Optional(Type.String({ maxLength: 300 })) }),
          response: { 200: PoolStatus, 404: ProblemBody }
        }
      },
      ({ query }) => {
        const shown = pools.filter(
          pool => query.endpoint === undefined || pool.getSummary().endpoint === query.endpoint
        )
        if (query.endpoint !== undefined && shown.length === 0)
          throw new Problem('NOT_FOUND', `There is no pool of channels to ${query.endpoint}`)
        return poolStatus(
          shown.map(pool => pool.getStatus()),
          service().nowMs
        )
      }
    )

    server.get(
      '/api/v1/secure-channel/status',
      { ...shown, schema: { response: { 200: SecureChannelStatus } } },
      () => secureChannelStatus(lookAtRelay(managed), service().nowMs)
    )

    server.get(
      '/api/v1/secure-channel/connections',
      {
        ...shown,
        schema: { response: { 200: Type.Object({ connections: Type.Array(Connection) }) } }
      },
      () => ({ connections: pools.flatMap(pool => connectionsOf(pool.getStatus())) })
    )

    server.get(
      '/api/v1/secure-channel/connections/:id',
      {
        preParsing: look,
        schema: {
          params: Type.Object({ id: Type.String() }),
          response: { 200: Connection, 404: ProblemBody }
        }
      },
      ({ params }) => {
        const all = pools.flatMap(pool => connectionsOf(pool.getStatus()))
        const found = all.find(({ connection_id }) => connection_id === params.id)
        if (found === undefined) throw new Problem('NOT_FOUND', `There is no connection ${params.id}`)
        return found
      }
    )

    server.get('/api/v1/secure-channel/stats', { ...shown, schema: { response: { 200: Stats } } }, () =>
      stats(lookAtRelay(managed), service().nowMs)
    )

    for (const deed of ['isolate', 'release'] as const)
      server.post(
        `/api/v1/secure-channel/${deed}`,
        {
          preParsing: steer,
          schema: { body: EndpointBody, response: { 200: EndpointBody, 404: ProblemBody } }
        },
        request => {
          const { endpoint } = request.body
          const channel = channels.find(each =>
            each.getStatus().nodes.some(node => node.endpoint === endpoint)
          )
          if (channel === undefined) throw new Problem('NOT_FOUND', `There is no node ${endpoint}`)
          // That it is idle is not waited for: the status shows it.
          if (deed === 'isolate') channel.isolate(endpoint).catch(() => {})
          else channel.release(endpoint)
          note(request, deed, { endpoint })
          return { endpoint }
        }
      )
  }
}
